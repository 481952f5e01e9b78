// The law: export, restore into an empty database, export again: identical bytes; and twice is once.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseJsonl } from '../../src/index.js';
import { SAMPLE_USERS, sampleRows, writeRows } from '../../dev/sample-log.js';
import { USER, fillLog, linesOf } from '../support/change-log.js';
import { failsWith } from '../support/failures.js';
import { feedingsOf } from '../support/feedings.js';
import { countRows, exportOf, restore, withEmptyLog } from '../support/restored.js';
import { lineVectors } from '../support/vectors.js';

test('every vector, out of one database and into another, is the same bytes; twice is once', () =>
  withEmptyLog(async (from, fromPool) => {
    await from.insert(
      lineVectors.map(({ row }, index) => ({
        ...row,
        id: row.id.slice(0, -4) + String(1000 + index),
      })),
    );
    const text = await exportOf(fromPool);
    await withEmptyLog(async (to, toPool) => {
      const first = await restore(toPool, text);
      assert.equal(first.newCount, lineVectors.length);
      assert.equal(await exportOf(toPool), text);
      const second = await restore(toPool, text);
      assert.deepEqual([second.newCount, second.presentCount], [0, lineVectors.length]);
      assert.equal(await countRows(to), lineVectors.length);
    });
  }));

for (const seed of [1, 2, 3]) {
  test(`a generated log of all users, seed ${String(seed)}, whole, in pieces and as lines`, () =>
    withEmptyLog(async (from, fromPool) => {
      await writeRows(from.admin, sampleRows({ count: 600, seed }));
      await withEmptyLog(async (to, toPool) => {
        for (const userId of SAMPLE_USERS) {
          const text = await exportOf(fromPool, userId);
          for (const { name, chunks } of feedingsOf(Buffer.from(text), seed)) {
            const report = await restore(toPool, chunks, { userId });
            assert.equal(report.lineCount, linesOf(text).length, name);
            assert.equal(report.newCount + report.presentCount, report.lineCount, name);
          }
          const asLines = await restore(toPool, parseJsonl([Buffer.from(text)]), { userId });
          assert.equal(asLines.presentCount, linesOf(text).length);
          assert.equal(await exportOf(toPool, userId), text);
        }
        assert.equal(await countRows(to), 600);
      });
    }));
}

test('half of a log, then all of it, is all of it once', () =>
  withEmptyLog(async (from, fromPool) => {
    await writeRows(from.admin, sampleRows({ count: 300, seed: 9, userIds: [USER] }));
    const text = await exportOf(fromPool);
    const half = `${linesOf(text).slice(0, 150).join('\n')}\n`;
    await withEmptyLog(async (_to, toPool) => {
      await restore(toPool, half);
      const report = await restore(toPool, text);
      assert.deepEqual([report.presentCount, report.newCount], [150, 150]);
      assert.equal(await exportOf(toPool), text);
    });
  }));

test('L24 70,000 lines go in with one statement for each 20,000, and progress rises', () =>
  withEmptyLog(async (from, fromPool) => {
    await fillLog(from, { rowCount: 70_000 });
    const text = await exportOf(fromPool);
    await withEmptyLog(async (_to, toPool) => {
      const phases: string[] = [];
      const written: number[] = [];
      const report = await restore(toPool, text, {
        onProgress: ({ phase, lineCount }) => {
          if (phases.at(-1) !== phase) phases.push(phase);
          if (phase === 'write') written.push(lineCount);
        },
      });
      assert.equal(report.newCount, 70_000);
      assert.deepEqual(phases, ['stage', 'plan', 'write']);
      assert.deepEqual(written, [20_000, 40_000, 60_000, 70_000]);
      assert.equal(await exportOf(toPool), text);
      const again = await restore(toPool, text);
      assert.equal(again.presentCount, 70_000);
    });
  }));

test('extra columns come back, whatever their types', () => {
  const log = {
    extraColumns: {
      actor: 'actor',
      spaceId: 'space_id',
      size: 'Si\'z"e\\',
      tags: 'tags',
      seenAt: 'seen_at',
      raw: 'raw',
    },
  };
  const columns = `
    ALTER TABLE sync_changes ADD COLUMN actor jsonb, ADD COLUMN space_id text,
      ADD COLUMN "Si'z""e\\" numeric, ADD COLUMN tags text[], ADD COLUMN seen_at timestamptz,
      ADD COLUMN raw bytea`;
  return withEmptyLog(async (from, fromPool) => {
    await fillLog(from, { rowCount: 4 });
    await from.admin.query(columns);
    await from.admin.query(`
      UPDATE sync_changes SET actor = '{"id": 9007199254740993, "x": 1.50}', space_id = E'q"\\n',
        "Si'z""e\\" = 1.50, tags = '{a,"b c",NULL}', seen_at = '2026-01-01 00:00:00.123456Z', raw = '\\x00ff'
        WHERE record_id = 'row-1';
      UPDATE sync_changes SET actor = 'null', space_id = '', tags = '{}' WHERE record_id = 'row-2'`);
    const text = await exportOf(fromPool, USER, log);
    await withEmptyLog(async (to, toPool) => {
      await to.admin.query(columns);
      const report = await restore(toPool, text, { log });
      assert.equal(report.newCount, 4);
      assert.equal(await exportOf(toPool, USER, log), text);
      assert.equal((await restore(toPool, text, { log })).presentCount, 4);
      const without = await restore(toPool, text, { dryRun: true });
      assert.deepEqual(without.ignoredMembers, Object.keys(log.extraColumns));
      await to.admin.query(`UPDATE sync_changes SET space_id = 'other' WHERE record_id = 'row-1'`);
      await failsWith(restore(toPool, text, { log }), 'BACKUP_RESTORE_CONFLICT');
    });
  });
});

test('a log under other names and of other types takes the same lines', () =>
  withEmptyLog(async (from, fromPool) => {
    await writeRows(from.admin, sampleRows({ count: 100, seed: 4, userIds: [USER] }));
    const text = await exportOf(fromPool);
    const log = {
      schema: 'Sync',
      table: 'the "log"',
      columns: { userId: 'owner', data: 'payload' },
    };
    await from.admin.query(`
      CREATE SCHEMA "Sync";
      CREATE TABLE "Sync"."the ""log""" (id text PRIMARY KEY, app_id varchar(40), table_name text,
        record_id text, owner text, op text, payload json, field_timestamps jsonb, client_id text,
        created_at timestamp, schema_version int8);
      ALTER TABLE "Sync"."the ""log""" ENABLE ROW LEVEL SECURITY;
      CREATE POLICY p ON "Sync"."the ""log""" USING (owner = current_setting('app.current_user_id', true));
      GRANT USAGE ON SCHEMA "Sync" TO ${from.appUser};
      GRANT SELECT, INSERT ON "Sync"."the ""log""" TO ${from.appUser}`);
    const report = await restore(fromPool, text, { log });
    assert.equal(report.newCount, 100);
    assert.equal(await exportOf(fromPool, USER, log), text);
    assert.equal((await restore(fromPool, text, { log })).presentCount, 100);
  }));
