// The settings that policies rest on change while rows are read: rows vanish without a word from the server, and
// the export must not end as if it were whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { STRANGER, USER, canaryOf, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

const ROW_COUNT = 600;

/** The second, permissive policy of HAZARDS: with it the setting is read again for every row. */
async function createSharedLog(db: TestDatabase): Promise<void> {
  await db.createChangeLog();
  await fillLog(db, { rowCount: ROW_COUNT });
  await fillLog(db, { userId: STRANGER, rowCount: ROW_COUNT });
  await db.admin.query(`
    ALTER TABLE sync_changes ADD COLUMN space_id text;
    CREATE POLICY shared ON sync_changes FOR SELECT
      USING (space_id = ANY (string_to_array(current_setting('app.current_user_space_ids', true), ',')));
  `);
}

/** Makes reading row `rowNumber` change a setting of the reader's own transaction. */
async function changeAtRow(db: TestDatabase, rowNumber: number, setting: string): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION meddle(record_id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
      IF record_id = 'row-${String(rowNumber)}' THEN PERFORM set_config('${setting}', '${STRANGER}', true); END IF;
      RETURN true;
    END $$;
    CREATE POLICY meddling ON sync_changes AS RESTRICTIVE FOR SELECT USING (meddle(record_id));
  `);
}

for (const lane of lanes) {
  for (const rowNumber of [1, 250, ROW_COUNT]) {
    test(`${lane.name}: F6 hazard 20: the user changed at row ${String(rowNumber)} is found out before the end`, () =>
      withDatabase(async (db) => {
        await createSharedLog(db);
        await changeAtRow(db, rowNumber, 'app.current_user_id');
        const pool = db.pool();
        const running = lane.export(pool, { userId: USER, batchSize: 50 });
        const error = await failsWith(running.text(), 'BACKUP_TENANCY_MISMATCH');
        const { found, setting } = error.details;
        assert.deepEqual({ found, setting }, { found: 'setting', setting: 'app.current_user_id' });
        assert.ok(running.linesRead.every((line) => line.includes(canaryOf(USER))));
        await assertReusable(pool);
      }));
  }

  test(`${lane.name}: F6 a setting of the host's own, changed on the way, is found out too`, () =>
    withDatabase(async (db) => {
      await createSharedLog(db);
      await changeAtRow(db, 100, 'app.team');
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, settings: { 'app.team': 'red' } });
      const error = await failsWith(running.text(), 'BACKUP_TENANCY_MISMATCH');
      const { found, setting } = error.details;
      assert.deepEqual({ found, setting }, { found: 'setting', setting: 'app.team' });
      await assertReusable(pool);
    }));

  test(`${lane.name}: F6 somebody else's query on the leased client is found out before the end`, () =>
    withDatabase(async (db) => {
      await createSharedLog(db);
      const pool = db.pool();
      let leased: pg.PoolClient | undefined;
      pool.on('acquire', (client) => (leased = client));
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      await running.ready();
      const meddling = leased?.query(`SELECT set_config('app.current_user_id', $1, true)`, [
        STRANGER,
      ]);
      await failsWith(running.text(), 'BACKUP_TENANCY_MISMATCH');
      await meddling?.catch(() => undefined);
      await assertReusable(pool);
    }));
}

test('hazard 20: with the second policy, rows do vanish in silence once the setting has changed', () =>
  withDatabase(async (db) => {
    await createSharedLog(db);
    await changeAtRow(db, 250, 'app.current_user_id');
    const client = await db.pool().connect();
    try {
      await client.query('BEGIN');
      await client.query(`SELECT set_config('app.current_user_id', $1, true)`, [USER]);
      const { rowCount } = await client.query(
        'SELECT FROM sync_changes WHERE user_id = $1 ORDER BY created_at, id',
        [USER],
      );
      assert.ok(rowCount !== null && rowCount < ROW_COUNT, 'this server needs another policy');
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  }));
