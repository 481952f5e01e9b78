// A role or relation for which row-level security does nothing is refused before a row is read, unless the host
// says that the filter on the user shall do.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { BackupErrorDetails } from '../../src/index.js';
import { STRANGER, USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type ChangeLogOptions, type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

interface Gap {
  readonly name: string;
  readonly reason: BackupErrorDetails['BACKUP_TENANCY_UNSAFE']['reason'];
  readonly log?: ChangeLogOptions;
  readonly role?: 'admin';
  readonly table?: string;
  readonly sql?: (db: TestDatabase) => string;
}

const GAPS: readonly Gap[] = [
  { name: 'a superuser', reason: 'role-is-superuser', role: 'admin' },
  {
    name: 'a role with BYPASSRLS',
    reason: 'role-bypasses-row-security',
    sql: (db) => `ALTER ROLE ${db.appUser} BYPASSRLS`,
  },
  {
    name: "the table's owner after NO FORCE",
    reason: 'owner-without-force',
    log: { owner: 'app' },
    sql: () => 'ALTER TABLE sync_changes NO FORCE ROW LEVEL SECURITY',
  },
  {
    name: 'a view',
    reason: 'not-a-table',
    table: 'seen',
    sql: (db) => `CREATE VIEW seen AS TABLE sync_changes; GRANT SELECT ON seen TO ${db.appUser}`,
  },
  {
    name: "a view with its reader's rights",
    reason: 'not-a-table',
    table: 'seen',
    sql: (db) =>
      `CREATE VIEW seen WITH (security_invoker) AS TABLE sync_changes; GRANT SELECT ON seen TO ${db.appUser}`,
  },
  {
    name: 'a materialised view',
    reason: 'not-a-table',
    table: 'kept',
    sql: (db) =>
      `CREATE MATERIALIZED VIEW kept AS TABLE sync_changes; GRANT SELECT ON kept TO ${db.appUser}`,
  },
  {
    name: 'a table without row-level security',
    reason: 'disabled-on-table',
    log: { rowSecurity: false },
  },
  {
    name: 'a table where it was disabled again',
    reason: 'disabled-on-table',
    sql: () => 'ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY',
  },
];

async function withGap(gap: Gap, use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog(gap.log);
    await fillLog(db, { rowCount: 10 });
    await fillLog(db, { userId: STRANGER, rowCount: 10 });
    if (gap.sql !== undefined) await db.admin.query(gap.sql(db));
    if (gap.table === 'kept') await db.admin.query('REFRESH MATERIALIZED VIEW kept');
    await use(db);
  });
}

for (const lane of lanes) {
  for (const gap of GAPS) {
    const table = gap.table ?? 'sync_changes';

    test(`${lane.name}: F4 hazard 19: ${gap.name} is refused before a row is read, unless the filter shall do`, () =>
      withGap(gap, async (db) => {
        const pool = db.pool({ connectionString: db.url(gap.role ?? 'app') });
        const refused = lane.export(pool, { userId: USER, log: { table } });
        const error = await failsWith(refused.ready(), 'BACKUP_TENANCY_UNSAFE');
        assert.deepEqual(error.details, { relation: `public.${table}`, reason: gap.reason });
        assert.equal(await failsWith(refused.text(), 'BACKUP_TENANCY_UNSAFE'), error);
        assert.deepEqual(refused.linesRead, []);
        await assertReusable(pool);

        const options = {
          userId: USER,
          log: { table },
          rowSecurity: 'explicit-filter-only',
        } as const;
        assert.deepEqual(eventIdsOf(await lane.export(pool, options).text()), eventIdsUpTo(10));
      }));
  }

  for (const owner of ['admin', 'app'] as const) {
    test(`${lane.name}: F4 forced row-level security passes for the plain role, table owned by ${owner}`, () =>
      withGap({ name: '', reason: 'inactive', log: { owner } }, async (db) => {
        const text = await lane.export(db.pool(), { userId: USER }).text();
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(10));
      }));
  }

  test(`${lane.name}: hazard 19: a role that turned row_security off is held to it all the same`, () =>
    withGap({ name: '', reason: 'inactive' }, async (db) => {
      await db.admin.query(`ALTER ROLE ${db.appUser} SET row_security = off`);
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(10));
    }));

  test(`${lane.name}: a partitioned table under row-level security passes`, () =>
    withGap({ name: '', reason: 'inactive' }, async (db) => {
      await db.admin.query(`
        CREATE TABLE parted (LIKE sync_changes) PARTITION BY HASH (user_id);
        CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO parted TABLE sync_changes;
        ALTER TABLE parted ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON parted USING (user_id = current_setting('app.current_user_id', true));
        GRANT SELECT ON parted TO ${db.appUser};
      `);
      const text = await lane.export(db.pool(), { userId: USER, log: { table: 'parted' } }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(10));
    }));

  test(`${lane.name}: a second, permissive policy for shared rows lets in no row of another user`, () =>
    withGap({ name: '', reason: 'inactive' }, async (db) => {
      await db.admin.query(`
        ALTER TABLE sync_changes ADD COLUMN space_id text DEFAULT 's1';
        CREATE POLICY shared ON sync_changes FOR SELECT
          USING (space_id = ANY (string_to_array(current_setting('app.current_user_space_ids', true), ',')));
      `);
      const settings = { 'app.current_user_space_ids': 's0,s1' };
      const text = await lane.export(db.pool(), { userId: USER, settings }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(10));
    }));
}
