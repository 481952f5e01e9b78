// The database that tests get: what its roles may do, and that leaks fail the test that made them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';

import { waitForBackend } from '../support/backends.js';
import { type TestDatabase, createTestDatabase, withDatabase } from '../support/database.js';
import { sharedServer } from '../support/server.js';
import type { RowText } from '../../dev/row-text.js';

const ROW: RowText = {
  id: '00000000-0000-4000-8000-000000000001',
  app_id: 'todo',
  table_name: 'tasks',
  record_id: 'task-1',
  user_id: 'user-1',
  op: 'insert',
  data: '{"n": 12345678901234567890.10}',
  field_timestamps: null,
  client_id: 'client-a',
  created_at: '2026-04-14T10:00:00.123456Z',
  schema_version: 0,
};

test('a row goes in as text and comes out unchanged', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await db.insert([ROW]);
    const { rows } = await db.admin.query<RowText>(
      `SELECT id, app_id, table_name, record_id, user_id, op, data::text, field_timestamps::text, client_id,
              to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at, schema_version
       FROM sync_changes`,
    );
    assert.deepEqual(rows, [ROW]);
  }));

for (const owner of ['admin', 'app'] as const) {
  test(`row-level security holds for the plain role, table owned by ${owner}`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog({ owner });
      await db.insert([
        ROW,
        { ...ROW, id: '00000000-0000-4000-8000-000000000002', user_id: 'user-2' },
      ]);
      const pool = db.pool();
      const active = await pool.query(`SELECT row_security_active('sync_changes') AS active`);
      assert.deepEqual(active.rows, [{ active: true }]);
      assert.equal((await pool.query('SELECT FROM sync_changes')).rowCount, 0);
      await pool.query(`SELECT set_config('app.current_user_id', 'user-2', false)`);
      const own = await pool.query('SELECT user_id FROM sync_changes');
      assert.deepEqual(own.rows, [{ user_id: 'user-2' }]);
    }));
}

test('databases of two tests do not see each other', () =>
  withDatabase((first) =>
    withDatabase(async (second) => {
      await first.createChangeLog();
      const { rows } = await second.admin.query(`SELECT to_regclass('sync_changes') AS found`);
      assert.deepEqual(rows, [{ found: null }]);
      assert.notEqual(first.appUser, second.appUser);
    }),
  ));

test('a client that is not given back fails the test', async () => {
  const db = await createTestDatabase();
  const client = await db.pool().connect();
  client.on('error', () => undefined);
  await assert.rejects(db.dispose(), /not all given back \(1 held/);
});

test('an open transaction fails the test, and the message tells its query', async () => {
  const db = await createTestDatabase();
  const client = await db.pool().connect();
  client.on('error', () => undefined);
  await client.query('BEGIN');
  await client.query(`SELECT 'left open'`);
  await assert.rejects(db.dispose(), /idle in transaction .*left open/);
});

test('a query that runs on without its client fails the test', async () => {
  const db = await createTestDatabase();
  const client = await db.pool().connect();
  client.on('error', () => undefined);
  const query = client.query('SELECT pg_sleep(60)').catch(() => undefined);
  await waitForBackend(db);
  client.release(true);
  await assert.rejects(db.dispose(), /active .*pg_sleep/);
  await query;
});

/** How many databases and roles of that name there are. */
async function countNamed(db: TestDatabase): Promise<object> {
  const client = new pg.Client({ connectionString: (await sharedServer()).superuserUrl });
  await client.connect();
  const { rows } = await client.query<object>(
    `SELECT (SELECT count(*)::int FROM pg_database WHERE datname = $1) AS databases,
            (SELECT count(*)::int FROM pg_roles WHERE rolname = $2) AS roles`,
    [db.name, db.appUser],
  );
  await client.end();
  return rows[0] ?? {};
}

test('after the end neither the database nor its role exists, on a server that stays', async () => {
  const db = await createTestDatabase({ server: await sharedServer() });
  await db.dispose();
  assert.deepEqual(await countNamed(db), { databases: 0, roles: 0 });
});

test('what changes more of a database than can be emptied leaves none behind', async () => {
  for (const change of [
    'CREATE PUBLICATION everything FOR ALL TABLES',
    `ALTER DATABASE {name} SET work_mem = '7MB'`,
    'CREATE CAST (text AS bytea) WITH INOUT',
    'GRANT CREATE ON DATABASE {name} TO PUBLIC',
    'ALTER FUNCTION lower(text) COST 7',
  ]) {
    const db = await createTestDatabase();
    await db.admin.query(change.replace('{name}', db.name));
    await db.dispose();
    assert.deepEqual(await countNamed(db), { databases: 0, roles: 0 }, change);
  }
});

test('a database that a test has left is like new for the next one, but for the role', async () => {
  const left = await createTestDatabase();
  await left.createChangeLog();
  await left.insert([ROW]);
  await left.admin
    .query(`CREATE SCHEMA traps; CREATE EXTENSION citext; CREATE TYPE public.mood AS ENUM ();
    GRANT CREATE ON SCHEMA public TO ${left.appUser}; ALTER ROLE ${left.appUser} SET work_mem = '7MB'`);
  await left.dispose();
  const next = await createTestDatabase();
  assert.notEqual(next.appUser, left.appUser);
  const server = await sharedServer();
  assert.equal(next.name === left.name, server.pid !== undefined);
  const { rows } = await next.admin.query(
    `SELECT (SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS relations,
            (SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_') AS schemas,
            (SELECT count(*)::int FROM pg_extension WHERE extname = 'citext') AS extensions,
            has_schema_privilege($1, 'public', 'USAGE') AS usage`,
    [next.appUser],
  );
  const schemas = 'information_schema public';
  assert.deepEqual(rows, [{ relations: 0, schemas, extensions: 0, usage: true }]);
  await next.createChangeLog();
  await next.dispose();
});

test('the error of a test wins over what it leaked', async () => {
  const failure = new Error('from the test');
  const run = withDatabase(async (db) => {
    const client = await db.pool().connect();
    client.on('error', () => undefined);
    throw failure;
  });
  await assert.rejects(run, failure);
});
