// F3: no right to read, no table, no column, no schema: a typed refusal that names it, before the first byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { migrateSyncChanges } from '../../src/postgres/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { type LaneOptions, lanes } from '../support/lanes.js';

interface Case {
  readonly name: string;
  readonly sqlState: string;
  readonly column?: string;
  readonly log?: LaneOptions['log'];
  readonly sql?: (db: TestDatabase) => string;
}

const CASES: readonly Case[] = [
  {
    name: 'no right to read the table',
    sqlState: '42501',
    sql: (db) => `REVOKE SELECT ON sync_changes FROM ${db.appUser}`,
  },
  {
    name: 'no right to read one column',
    sqlState: '42501',
    sql: (db) =>
      `REVOKE SELECT ON sync_changes FROM ${db.appUser}; GRANT SELECT (id, user_id) ON sync_changes TO ${db.appUser}`,
  },
  {
    name: 'no right to use the schema',
    sqlState: '42501',
    sql: () => 'REVOKE USAGE ON SCHEMA public FROM PUBLIC',
  },
  {
    name: 'no such table',
    sqlState: '42P01',
    sql: () => 'ALTER TABLE sync_changes RENAME TO other',
  },
  { name: 'no such table by option', sqlState: '42P01', log: { table: 'Sync_Changes' } },
  { name: 'no such schema', sqlState: '42P01', log: { schema: 'nowhere' } },
  {
    name: 'no such column',
    sqlState: '42703',
    column: 'client_id',
    sql: () => 'ALTER TABLE sync_changes RENAME client_id TO client',
  },
  {
    name: 'no schema_version yet',
    sqlState: '42703',
    column: 'schema_version',
    sql: () => 'ALTER TABLE sync_changes DROP COLUMN schema_version',
  },
  {
    name: 'no column for the user',
    sqlState: '42703',
    column: 'user_id',
    sql: () => 'ALTER TABLE sync_changes RENAME user_id TO owner_id',
  },
  {
    name: 'no such column by option',
    sqlState: '42703',
    column: 'Owner "x"',
    log: { columns: { userId: 'Owner "x"' } },
  },
  {
    name: 'no such column by option for the version',
    sqlState: '42703',
    column: 'version',
    log: { columns: { schemaVersion: 'version' } },
  },
  {
    name: 'no such extra column',
    sqlState: '42703',
    column: 'actor',
    log: { extraColumns: { actor: 'actor' } },
  },
  {
    name: 'a column that is no uuid',
    sqlState: '22P02',
    log: { columns: { id: 'record_id' } },
  },
];

for (const lane of lanes) {
  for (const { name, sqlState, column, log, sql } of CASES) {
    test(`${lane.name}: F3 ${name} is told with SQLSTATE ${sqlState} before the first byte`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 3 });
        if (sql !== undefined) await db.admin.query(sql(db));
        const pool = db.pool();
        const running = lane.export(pool, { userId: USER, log });
        const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
        assert.equal(error.details.sqlState, sqlState);
        assert.equal(error.details.column, column);
        assert.equal(
          error.details.relation,
          `${log?.schema ?? 'public'}.${log?.table ?? 'sync_changes'}`,
        );
        if (column !== undefined) assert.ok(error.message.includes(column));
        // It makes the table, only under its usual names, and of its columns adds the latest alone.
        const isMissing = sqlState === '42P01' || column === 'schema_version';
        const isMadeByMigration = isMissing && log === undefined;
        assert.equal(error.message.includes('migrateSyncChanges'), isMadeByMigration);
        assert.equal(error.message.includes('the role needs SELECT'), sqlState === '42501');
        assert.equal(await failsWith(running.text(), 'BACKUP_SOURCE_FAILED'), error);
        assert.deepEqual(running.linesRead, []);
        await assertReusable(pool);
      }));
  }

  test(`${lane.name}: F3 a database in another encoding than UTF-8 is refused before the first byte`, () =>
    withDatabase(async (db) => {
      const name = `${db.name}_ascii`;
      const { rows } = await db.admin.query<{ server_version_num: string }>(
        'SHOW server_version_num',
      );
      // The built-in provider, with which the tests' servers begin from 17 on, knows UTF-8 alone.
      const provider = Number(rows[0]?.server_version_num) < 170_000 ? '' : 'LOCALE_PROVIDER libc';
      await db.admin.query(
        `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'SQL_ASCII' ${provider} LC_COLLATE 'C' LC_CTYPE 'C'`,
      );
      const url = new URL(db.url('admin'));
      url.pathname = `/${name}`;
      const pool = db.pool({ connectionString: url.href });
      try {
        await migrateSyncChanges(pool);
        const options = { userId: USER, rowSecurity: 'explicit-filter-only' } as const;
        const running = lane.export(pool, options);
        const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
        assert.deepEqual(error.details, {
          stage: 'check',
          rowCount: 0,
          relation: 'public.sync_changes',
        });
        await assertReusable(pool);
      } finally {
        await pool.end();
        await db.admin.query(`DROP DATABASE ${name}`);
      }
    }));
}
