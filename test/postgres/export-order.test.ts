// What an export holds and in which order: all rows of the user, by time and event id, and nobody else's.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  STRANGER,
  USER,
  canaryOf,
  eventIdOf,
  eventIdsInLog,
  eventIdsOf,
  eventIdsUpTo,
  fillLog,
  rowOf,
} from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

for (const lane of lanes) {
  test(`${lane.name}: rows come by time, and by event id where times are equal`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const time = '2026-04-14T10:00:00.000001Z';
      await db.insert([
        rowOf(5, { created_at: time }),
        rowOf(3, { created_at: time }),
        rowOf(1, { created_at: '2026-04-14T10:00:00.000002Z' }),
        rowOf(4, { created_at: '2026-04-14T12:00:00+02:00' }),
        rowOf(2, { created_at: '1999-12-31T23:59:59.999999Z' }),
      ]);
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), [2, 4, 3, 5, 1].map(eventIdOf));
    }));

  test(`${lane.name}: an empty log is zero bytes, and the pool of one is free again`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { userId: STRANGER, rowCount: 3 });
      const pool = db.pool();
      assert.equal(await lane.export(pool, { userId: USER }).text(), '');
      assert.equal(await lane.export(pool, { userId: USER }).text(), '');
    }));

  for (const rowCount of [1, 199, 200, 201, 1_000]) {
    test(`${lane.name}: a log of ${String(rowCount)} rows is whole, G7: and holds nobody else's`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount });
        await fillLog(db, { userId: STRANGER, rowCount: 300 });
        const text = await lane.export(db.pool(), { userId: USER }).text();
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(rowCount));
        assert.deepEqual(eventIdsOf(text), await eventIdsInLog(db));
        assert.equal(text.split(canaryOf(USER)).length - 1, rowCount);
        assert.ok(!text.includes(canaryOf(STRANGER)));
      }));
  }

  test(`${lane.name}: two users at once over one pool get each their own`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 450 });
      await fillLog(db, { userId: STRANGER, rowCount: 450 });
      const pool = db.pool({ max: 2 });
      const exports = Array.from({ length: 20 }, async (_, index) => {
        const [userId, other] = index % 2 === 0 ? [USER, STRANGER] : [STRANGER, USER];
        const text = await lane.export(pool, { userId }).text();
        assert.equal(text.split(canaryOf(userId)).length - 1, 450);
        assert.ok(!text.includes(canaryOf(other)));
      });
      await Promise.all(exports);
    }));

  test(`${lane.name}: an event that a log without a key holds twice fails the export: no reader takes it`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 30 });
      await db.admin.query(`
        ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey;
        INSERT INTO sync_changes SELECT * FROM sync_changes WHERE record_id = 'row-20';
      `);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 7 });
      const error = await failsWith(running.text(), 'BACKUP_ORDER_VIOLATED');
      assert.deepEqual(error.details, { lineNumber: 21, reason: 'repeated' });
      assert.ok(running.linesRead.length <= 20);
      await assertReusable(pool);
    }));

  test(`${lane.name}: an event id at two times is two positions, and exported`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.admin.query('ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey');
      await db.insert([rowOf(1), rowOf(1, { created_at: '2026-05-01T00:00:00Z' })]);
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), [eventIdOf(1), eventIdOf(1)]);
    }));

  test(`${lane.name}: a user's id is text, whatever is in it`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const ids = [
        "o'hara",
        'a\\b',
        '日本',
        '😀',
        'a b',
        "$1'); DROP TABLE sync_changes; --",
        '{a,b}',
        '%',
      ];
      await db.insert(ids.map((user_id, index) => rowOf(index, { user_id })));
      const pool = db.pool();
      for (const [index, userId] of ids.entries()) {
        const text = await lane.export(pool, { userId }).text();
        assert.deepEqual(eventIdsOf(text), [eventIdOf(index)], userId);
      }
    }));
}
