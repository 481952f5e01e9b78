// Policies that would hide the user's rows without a word: the export would end as a success, with nothing in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { countRows, lineText, restore } from '../support/restored.js';

const OWNER = 'sync_changes_owner';

interface Gap {
  readonly name: string;
  readonly sql: (db: TestDatabase) => string;
  readonly setting?: string;
}

const GAPS: readonly Gap[] = [
  { name: 'no policy', sql: () => `DROP POLICY ${OWNER} ON sync_changes` },
  {
    name: 'a policy for another role',
    sql: (db) => `ALTER POLICY ${OWNER} ON sync_changes TO ${db.appUser}_other`,
  },
  {
    name: 'restrictive policies only',
    sql: () => `
      DROP POLICY ${OWNER} ON sync_changes;
      CREATE POLICY narrow ON sync_changes AS RESTRICTIVE USING (true)`,
  },
  {
    name: 'policies for writing only',
    sql: () => `
      DROP POLICY ${OWNER} ON sync_changes;
      CREATE POLICY put ON sync_changes FOR INSERT WITH CHECK (true);
      CREATE POLICY change ON sync_changes FOR UPDATE USING (true)`,
  },
  {
    name: 'a restrictive policy on a setting',
    setting: 'app.tenant',
    sql: () => `
      CREATE POLICY tenant ON sync_changes AS RESTRICTIVE
        USING (current_setting('app.tenant', true) = 't1')`,
  },
  {
    name: 'a restrictive policy that reads its setting in a query of its own',
    setting: 'app.team.id',
    sql: () => `
      CREATE POLICY tenant ON sync_changes AS RESTRICTIVE FOR SELECT
        USING (record_id <> (SELECT current_setting('App.Team.Id', true)))`,
  },
  {
    name: 'no policy but one of another table',
    sql: () => `
      DROP POLICY ${OWNER} ON sync_changes;
      CREATE TABLE other (user_id text);
      CREATE POLICY anybody ON other USING (true)`,
  },
  {
    name: 'a restrictive policy on two settings, of which the role has the first',
    setting: 'app.team',
    sql: (db) => `
      ALTER ROLE ${db.appUser} SET app.tenant = 't1';
      CREATE POLICY tenant ON sync_changes AS RESTRICTIVE
        USING (current_setting('app.tenant', true) = 't1' AND current_setting('app.team', true) = 'red')`,
  },
  {
    // As every setting of a host's own is once a transaction that had set it is over.
    name: 'a restrictive policy on a setting that is there and empty',
    setting: 'app.tenant',
    sql: (db) => `
      ALTER ROLE ${db.appUser} SET app.tenant = '';
      CREATE POLICY tenant ON sync_changes AS RESTRICTIVE
        USING (current_setting('app.tenant', true) = 't1')`,
  },
  {
    name: 'a single policy on another setting',
    setting: 'app.user',
    sql: () =>
      `ALTER POLICY ${OWNER} ON sync_changes USING (user_id = current_setting('app.user', true))`,
  },
];

for (const lane of lanes) {
  for (const { name, sql, setting } of GAPS) {
    test(`${lane.name}: ${name} is refused before a row is read`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 3 });
        await db.admin.query(`CREATE ROLE ${db.appUser}_other`);
        try {
          await db.admin.query(sql(db));
          const pool = db.pool();
          const details = {
            relation: 'public.sync_changes',
            ...(setting === undefined
              ? { reason: 'no-policy' }
              : { reason: 'setting-not-given', setting }),
          };
          // The filter alone would not show either what policies hide.
          for (const rowSecurity of ['require', 'explicit-filter-only'] as const) {
            const running = lane.export(pool, { userId: USER, rowSecurity });
            const error = await failsWith(running.ready(), 'BACKUP_TENANCY_UNSAFE');
            assert.deepEqual(error.details, details);
            await assertReusable(pool);
          }
          // Whom policies do not apply to, they hide nothing from.
          const past = { userId: USER, rowSecurity: 'explicit-filter-only' } as const;
          const text = await lane.export(db.admin, past).text();
          assert.deepEqual(eventIdsOf(text), eventIdsUpTo(3));
          // Whoever means it to be empty says so.
          if (setting !== undefined) {
            const meant = { userId: USER, settings: { [setting]: '' } };
            assert.equal(typeof (await lane.export(pool, meant).text()), 'string');
          }
        } finally {
          await db.admin.query(`DROP OWNED BY ${db.appUser}_other; DROP ROLE ${db.appUser}_other`);
        }
      }));
  }

  test(`${lane.name}: a policy may read a setting that is given, or that is set for the role`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 3 });
      await db.admin.query(`
        CREATE POLICY tenant ON sync_changes AS RESTRICTIVE
          USING (current_setting('app.tenant', true) = 't1')`);
      const settings = { 'App.Tenant': 't1' };
      const given = await lane.export(db.pool(), { userId: USER, settings }).text();
      assert.deepEqual(eventIdsOf(given), eventIdsUpTo(3));
      await db.admin.query(`ALTER ROLE ${db.appUser} SET app.tenant = 't1'`);
      assert.equal(await lane.export(db.pool(), { userId: USER }).text(), given);
    }));

  test(`${lane.name}: a policy of a role that this one is a member of counts`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 3 });
      await db.admin.query(`
        CREATE ROLE ${db.appUser}_group;
        GRANT ${db.appUser}_group TO ${db.appUser};
        ALTER POLICY ${OWNER} ON sync_changes TO ${db.appUser}_group`);
      try {
        const text = await lane.export(db.pool(), { userId: USER }).text();
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(3));
      } finally {
        await db.admin.query(`DROP OWNED BY ${db.appUser}_group; DROP ROLE ${db.appUser}_group`);
      }
    }));

  test(`${lane.name}: a further permissive policy on a setting that is not given is no gap`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 3 });
      await db.admin.query(`
        CREATE POLICY support ON sync_changes FOR SELECT USING (current_setting('app.is_support', true) = 'on')`);
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(3));
    }));
}

test('a restore refuses such policies too, before anything is written', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await db.admin.query(`
      CREATE POLICY tenant ON sync_changes AS RESTRICTIVE FOR SELECT
        USING (current_setting('app.tenant', true) = 't1')`);
    const error = await failsWith(restore(db.pool(), lineText(1)), 'BACKUP_TENANCY_UNSAFE');
    assert.deepEqual(
      [error.details.reason, error.details.setting],
      ['setting-not-given', 'app.tenant'],
    );
    assert.equal(await countRows(db), 0);
  }));
