// F23: a row that no line can express ends the export with its event id and column. It is never skipped, and nothing
// of it is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ChangeRow } from '../../src/index.js';
import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, eventIdOf, eventIdsOf, eventIdsUpTo, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

const BAD_TIMES = [
  'infinity',
  '-infinity',
  '0001-12-31 23:59:59.999999+00 BC',
  '4713-01-01 00:00:00+00 BC',
  '0001-01-01 00:00:00+00:01',
  '10000-01-01 00:00:00+00',
  '9999-12-31 23:59:59.999999-00:01',
  '294276-12-31 23:59:59.999999+00',
];

const LAST_TIMES = ['0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00'];

for (const lane of lanes) {
  test(`${lane.name}: F23 created_at outside the years 1 to 9999, or infinite, is told by event and column`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.admin.query('ALTER TABLE sync_changes RENAME created_at TO "Happened at"');
      const log = { columns: { createdAt: 'Happened at' } };
      const pool = db.pool();
      for (const time of BAD_TIMES) {
        await db.admin.query('TRUNCATE sync_changes');
        await db.admin.query('ALTER TABLE sync_changes RENAME "Happened at" TO created_at');
        await db.insert([
          rowOf(1, { created_at: '2000-01-01Z' }),
          rowOf(2, { created_at: time }),
          rowOf(3),
        ]);
        await db.admin.query('ALTER TABLE sync_changes RENAME created_at TO "Happened at"');
        const running = lane.export(pool, { userId: USER, log });
        const error = await failsWith(running.text(), 'BACKUP_ROW_UNMAPPABLE');
        assert.deepEqual(error.details, {
          member: 'createdAt',
          eventId: eventIdOf(2),
          column: 'Happened at',
        });
        assert.ok(error.message.includes(eventIdOf(2)) && error.message.includes('Happened at'));
        assert.ok(!running.linesRead.some((line) => line.includes(eventIdOf(2))), time);
        await assertReusable(pool);
      }
    }));

  test(`${lane.name}: F23 the first and the last time that a line can hold are exported`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert(LAST_TIMES.map((created_at, index) => rowOf(index + 1, { created_at })));
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(2));
      assert.match(text, /"createdAt":"0001-01-01T00:00:00Z"/);
      assert.match(text, /"createdAt":"9999-12-31T23:59:59.999999Z"/);
    }));

  for (const [member, column, value] of [
    ['op', 'op', `'canary'`],
    ['op', 'op', 'NULL'],
    ['appId', 'app_id', 'NULL'],
    ['tableName', 'table_name', 'NULL'],
    ['recordId', 'record_id', 'NULL'],
    ['clientId', 'client_id', 'NULL'],
    ['createdAt', 'created_at', 'NULL'],
  ] as const) {
    test(`${lane.name}: F23 a ${column} of ${value}, in a table without constraints, is told by event and member`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await db.insert([rowOf(1)]);
        await db.admin.query(`
          ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_op_check, ALTER ${column} DROP NOT NULL;
          UPDATE sync_changes SET ${column} = ${value};
        `);
        const pool = db.pool();
        const running = lane.export(pool, { userId: USER });
        const error = await failsWith(running.text(), 'BACKUP_ROW_UNMAPPABLE');
        assert.equal(error.details.member, member);
        assert.equal(error.details.eventId, eventIdOf(1));
        assert.deepEqual(running.linesRead, []);
        await assertReusable(pool);
      }));
  }

  test(`${lane.name}: an id that is NULL is told too`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([rowOf(1)]);
      await db.admin.query(`
        ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey, ALTER id DROP NOT NULL;
        UPDATE sync_changes SET id = NULL;
      `);
      const running = lane.export(db.pool(), { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_ROW_UNMAPPABLE');
      assert.equal(error.details.member, 'id');
    }));
}

for (const [column, value] of [
  ['op', `'upsert'`],
  ['client_id', 'NULL'],
] as const) {
  test(`pgChangeSource: a ${column} of ${value} never comes out as a row, which its type has no place for`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([rowOf(1), rowOf(2)]);
      await db.admin.query(`
        ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_op_check, ALTER ${column} DROP NOT NULL;
        UPDATE sync_changes SET ${column} = ${value} WHERE record_id = 'row-2';
      `);
      const pool = db.pool();
      const source = pgChangeSource(pool, { userId: USER, batchSize: 1 });
      const rows: ChangeRow[] = [];
      const read = async (): Promise<void> => {
        for await (const row of source) rows.push(row);
      };
      const error = await failsWith(read(), 'BACKUP_ROW_UNMAPPABLE');
      assert.equal(error.details.eventId, eventIdOf(2));
      assert.deepEqual(
        rows.map((row) => row.recordId),
        ['row-1'],
      );
      await assertReusable(pool);
    }));
}
