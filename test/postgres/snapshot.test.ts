// One export is one moment of the log, whatever is written meanwhile; and what commits late is caught by an overlap.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitForBackend } from '../support/backends.js';
import {
  LONG_LOG,
  USER,
  eventIdOf,
  eventIdsInLog,
  eventIdsOf,
  eventIdsUpTo,
  fillLog,
  linesOf,
  rowOf,
} from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { failsWith, failureOf } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { insertRowsQuery } from '../../dev/row-text.js';

for (const lane of lanes) {
  test(`${lane.name}: F20 the log is read, and looked at before, in one snapshot that writes nothing`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      await db.admin.query(`
        CREATE POLICY so ON sync_changes AS RESTRICTIVE USING (
          current_setting('transaction_isolation') = 'repeatable read'
          AND current_setting('transaction_read_only') = 'on')`);
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(5));
    }));

  test(`${lane.name}: F20 what is written, changed and deleted after the first row is not in the export`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, LONG_LOG);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 20 });
      await running.ready();
      await db.insert([
        rowOf(9_001, { created_at: '2000-01-01Z' }),
        rowOf(9_002, { created_at: '2100-01-01Z' }),
      ]);
      await db.admin.query(`UPDATE sync_changes SET client_id = 'changed'`);
      await db.admin.query(`DELETE FROM sync_changes WHERE record_id = 'row-399'`);
      const text = await running.text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(LONG_LOG.rowCount));
      assert.ok(!text.includes('"clientId":"changed"'));
    }));

  test(`${lane.name}: F20 with four writers at work each transaction is in the export whole or not at all`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 300 });
      let isOver = false;
      let pairCount = 0;
      const writers = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          pairCount += 1;
          const pair = `pair-${String(pairCount)}`;
          // One at each end of the log.
          const query = insertRowsQuery(
            ['2000-01-01Z', '2100-01-01Z'].map((created_at, index) =>
              rowOf(10_000 + 2 * pairCount + index, { created_at, record_id: pair }),
            ),
          );
          await db.admin.query(query);
        }
      });
      try {
        const pool = db.pool();
        for (let round = 0; round < 10; round += 1) {
          const text = await lane.export(pool, { userId: USER, batchSize: 50 }).text();
          const seen = new Map<string, number>();
          for (const line of linesOf(text)) {
            const pair = /"id":"(pair-\d+)"/.exec(line)?.[1];
            if (pair !== undefined) seen.set(pair, (seen.get(pair) ?? 0) + 1);
          }
          assert.ok([...seen.values()].every((count) => count === 2));
          assert.equal(linesOf(text).length, 300 + 2 * seen.size);
        }
      } finally {
        isOver = true;
        await Promise.all(writers);
      }
      assert.ok(pairCount > 10);
    }));

  test(`${lane.name}: F21 hazard 23: a late commit is missed by "since last time" and caught by an overlap`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const late = await db.admin.connect();
      await late.query('BEGIN');
      await late.query(insertRowsQuery([rowOf(1, { created_at: '2026-04-14T10:00:01Z' })]));
      await db.insert([rowOf(2, { created_at: '2026-04-14T10:00:02Z' })]);
      const pool = db.pool();
      const first = await lane.export(pool, { userId: USER }).text();
      assert.deepEqual(eventIdsOf(first), [eventIdOf(2)]);
      await late.query('COMMIT');
      late.release();
      await db.insert([rowOf(3, { created_at: '2026-04-14T10:00:03Z' })]);

      const last = { createdAt: '2026-04-14T10:00:02Z', eventId: eventIdOf(2) };
      const since = await lane.export(pool, { userId: USER, after: last }).text();
      assert.deepEqual(eventIdsOf(since), [eventIdOf(3)]);

      const overlap = { createdAt: '2026-04-14T09:00:02Z', eventId: eventIdOf(0) };
      const second = await lane.export(pool, { userId: USER, after: overlap }).text();
      const union = new Set([...linesOf(first), ...linesOf(second)]);
      assert.deepEqual(
        [...union].map((line) => line.slice(12, 48)).toSorted(),
        (await eventIdsInLog(db)).toSorted(),
      );
      assert.deepEqual(
        eventIdsOf(await lane.export(pool, { userId: USER }).text()),
        eventIdsUpTo(3),
      );
    }));

  test(`${lane.name}: F22 DDL waits for the export, and the export is whole`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, LONG_LOG);
      const running = lane.export(db.pool(), { userId: USER, batchSize: 20 });
      await running.ready();
      const ddl = db.admin.query('ALTER TABLE sync_changes ADD COLUMN actor jsonb');
      assert.match(String(await failureOf(settlesWithin(ddl, 200))), /still pending/);
      assert.deepEqual(eventIdsOf(await running.text()), eventIdsUpTo(LONG_LOG.rowCount));
      await settlesWithin(ddl, 2_000);
    }));

  test(`${lane.name}: F22 DDL waits no longer than maxDurationMs for an export whose reader stopped`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, LONG_LOG);
      const running = lane.export(db.pool(), { userId: USER, batchSize: 20, maxDurationMs: 500 });
      await running.ready();
      await settlesWithin(
        db.admin.query('ALTER TABLE sync_changes ADD COLUMN actor jsonb'),
        500 + 1_000,
        'The DDL',
      );
      await failsWith(running.text(), 'BACKUP_SOURCE_STALLED');
    }));

  test(`${lane.name}: F22 an export waits no longer than stallTimeoutMs for DDL`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const ddl = await db.admin.connect();
      await ddl.query('BEGIN; LOCK TABLE sync_changes');
      const running = lane.export(db.pool(), { userId: USER, stallTimeoutMs: 300 });
      const startMs = performance.now();
      const failure = failureOf(running.ready());
      await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Lock/relation');
      const { code } = (await failure) as { readonly code: string };
      assert.ok(['BACKUP_SOURCE_STALLED', 'BACKUP_SOURCE_FAILED'].includes(code));
      assert.ok(performance.now() - startMs < 2_000);
      await ddl.query('ROLLBACK');
      ddl.release();
    }));
}
