// Settings that a host's own policies read: set for the transaction, whatever the session had, and gone after it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdOf, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

/** Rows can be seen only while `setting` holds a value; row N for value N, and all rows for ''. */
async function showRowsBySetting(db: TestDatabase, setting: string): Promise<void> {
  await db.createChangeLog();
  await fillLog(db, { rowCount: 5 });
  await db.admin.query(
    `CREATE POLICY by_setting ON sync_changes AS RESTRICTIVE
       USING (current_setting('${setting}', true) IN ('', replace(record_id, 'row-', '')))`,
  );
}

for (const lane of lanes) {
  test(`${lane.name}: a policy reads the setting that was given, and nothing of it stays in the session`, () =>
    withDatabase(async (db) => {
      await showRowsBySetting(db, 'app.team');
      const pool = db.pool();
      const settings = { 'app.team': '3', 'other.Thing': `it's "odd"\\\n日本` };
      const text = await lane.export(pool, { userId: USER, settings }).text();
      assert.deepEqual(eventIdsOf(text), [eventIdOf(3)]);
      await assertReusable(pool);
      const { rows } = await pool.query<{ team: string }>(
        `SELECT current_setting('app.team', true) AS team`,
      );
      assert.equal(rows[0]?.team, '');
    }));

  test(`${lane.name}: the spaces of a session are emptied, so that a leaked value shows nothing`, () =>
    withDatabase(async (db) => {
      await showRowsBySetting(db, 'app.current_user_space_ids');
      await db.admin.query(`ALTER ROLE ${db.appUser} SET app.current_user_space_ids = 'leaked'`);
      const pool = db.pool();
      assert.deepEqual(
        eventIdsOf(await lane.export(pool, { userId: USER }).text()),
        eventIdsUpTo(5),
      );
      const settings = { 'App.Current_User_Space_Ids': '2' };
      const given = await lane.export(pool, { userId: USER, settings }).text();
      assert.deepEqual(eventIdsOf(given), [eventIdOf(2)]);
    }));

  test(`${lane.name}: a user that the session was left with does not count`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      const pool = db.pool();
      await pool.query(`SELECT set_config('app.current_user_id', 'user-2', false)`);
      const text = await lane.export(pool, { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(5));
    }));
}
