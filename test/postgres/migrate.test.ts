// migrateSyncChanges: makes the table, brings an old one up to date, and leaves alone what is there.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type pg from 'pg';

import {
  type MigrateSyncChangesOptions,
  migrateSyncChanges,
  syncChangesSql,
} from '../../src/postgres/index.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog, rowOf } from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

/** Everything in the catalogue about a table, with the transaction that wrote it last. */
async function catalogueOf(db: TestDatabase, table = 'public.sync_changes'): Promise<unknown> {
  const { rows } = await db.admin.query<{ catalogue: unknown }>(
    `SELECT json_build_object(
       'table', (SELECT json_agg(json_build_array(xmin, relfilenode, relrowsecurity, relforcerowsecurity))
                   FROM pg_class WHERE oid = $1::regclass),
       'columns', (SELECT json_agg(json_build_array(xmin, attname, atttypid::regtype, attnotnull) ORDER BY attnum)
                     FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0),
       'indexes', (SELECT json_agg(json_build_array(xmin, pg_get_indexdef(indexrelid), indisvalid) ORDER BY indexrelid)
                     FROM pg_index WHERE indrelid = $1::regclass),
       'policies', (SELECT json_agg(json_build_array(xmin, polname, pg_get_expr(polqual, polrelid)) ORDER BY oid)
                      FROM pg_policy WHERE polrelid = $1::regclass)) AS catalogue`,
    [table],
  );
  return rows[0]?.catalogue;
}

async function grant(db: TestDatabase): Promise<void> {
  await db.admin.query(`GRANT SELECT, INSERT ON sync_changes TO ${db.appUser}`);
}

test('migrating an empty database makes a log that both lanes export', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    await grant(db);
    await fillLog(db, { rowCount: 10 });
    await fillLog(db, { userId: 'user-2', rowCount: 10 });
    for (const lane of lanes) {
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(10));
    }
  }));

test('the table is the one that the format names, with its defaults', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    await db.admin.query(
      `INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id)
       VALUES ('a', 't', 'r', 'u', 'insert', 'c')`,
    );
    const { rows } = await db.admin.query(
      'SELECT op, data, field_timestamps, schema_version, id IS NOT NULL AS "hasId" FROM sync_changes',
    );
    assert.deepEqual(rows, [
      { op: 'insert', data: null, field_timestamps: {}, schema_version: 1, hasId: true },
    ]);
    const bad = db.admin.query(`UPDATE sync_changes SET op = 'upsert'`);
    await assert.rejects(bad, { code: '23514' });
  }));

test('its policy holds for reading and for writing, for the owner too', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    await grant(db);
    await db.admin.query(`ALTER TABLE sync_changes OWNER TO ${db.appUser}`);
    const pool = db.pool();
    const insert = `INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id)
                    VALUES ('a', 't', 'r', 'user-1', 'insert', 'c')`;
    await assert.rejects(pool.query(insert), { code: '42501' });
    await pool.query(`SELECT set_config('app.current_user_id', 'user-1', false)`);
    await pool.query(insert);
    await pool.query(`SELECT set_config('app.current_user_id', 'user-2', false)`);
    assert.equal((await pool.query('SELECT FROM sync_changes')).rowCount, 0);
  }));

test('migrating again changes nothing, not even a row of the catalogue', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    const before = await catalogueOf(db);
    await migrateSyncChanges(db.admin);
    await migrateSyncChanges(db.admin, {
      schema: 'public',
      table: 'sync_changes',
      rowSecurity: true,
    });
    assert.deepEqual(await catalogueOf(db), before);
  }));

test('a table from before schema_version gets it, and its rows count as version 1', () =>
  withDatabase(async (db) => {
    await db.createChangeLog({ rowSecurity: false });
    await fillLog(db, { rowCount: 3 });
    await db.admin.query(`
      ALTER TABLE sync_changes DROP COLUMN schema_version;
      DROP INDEX sync_changes_export_order;
    `);
    await migrateSyncChanges(db.admin);
    for (const lane of lanes) {
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.equal(text.match(/"schemaVersion":1,/g)?.length, 3);
    }
    const { indexes } = (await catalogueOf(db)) as { readonly indexes: readonly unknown[] };
    assert.equal(indexes.length, 2);
  }));

test('an index for the order that has another name is not made twice, an invalid one does not count', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    await db.admin.query('ALTER INDEX sync_changes_export_order RENAME TO "Ours"');
    const before = await catalogueOf(db);
    await migrateSyncChanges(db.admin);
    assert.deepEqual(await catalogueOf(db), before);
    await db.admin.query(
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = '"Ours"'::regclass`,
    );
    await migrateSyncChanges(db.admin);
    const { indexes } = (await catalogueOf(db)) as { readonly indexes: readonly unknown[] };
    assert.equal(indexes.length, 3);
  }));

test('eight at once on an empty database, and on a full one, do not get into each other', () =>
  withDatabase(async (db) => {
    const pool = db.pool({ connectionString: db.url('admin'), max: 8 });
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(Array.from({ length: 8 }, () => migrateSyncChanges(pool)));
    }
    const { indexes, policies } = (await catalogueOf(db)) as Record<string, readonly unknown[]>;
    assert.deepEqual([indexes?.length, policies?.length], [2, 1]);
  }));

test('a plain role that may create in the schema migrates, and later without that right', () =>
  withDatabase(async (db) => {
    await db.admin.query(`GRANT CREATE ON SCHEMA public TO ${db.appUser}`);
    const pool = db.pool();
    await migrateSyncChanges(pool);
    await db.admin.query(`REVOKE CREATE ON SCHEMA public FROM ${db.appUser}`);
    await migrateSyncChanges(pool);
    await db.admin.query('ALTER TABLE sync_changes DROP COLUMN schema_version');
    await migrateSyncChanges(pool);
  }));

test('with nothing to do it waits for nobody: writers, readers and a vacuum may be at work', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin);
    await db.insert([rowOf(1), rowOf(2)]);
    const writer = await db.admin.connect();
    await writer.query('BEGIN');
    await writer.query(`UPDATE sync_changes SET client_id = 'held'`);
    await writer.query('LOCK TABLE sync_changes IN SHARE UPDATE EXCLUSIVE MODE');
    try {
      await settlesWithin(migrateSyncChanges(db.admin), 2_000, 'A migration with nothing to do');
    } finally {
      await writer.query('ROLLBACK');
      writer.release();
    }
  }));

test("inside the host's own transaction it is undone with it", () =>
  withDatabase(async (db) => {
    const client = await db.admin.connect();
    await client.query('BEGIN');
    await migrateSyncChanges(client);
    await client.query('ROLLBACK');
    client.release();
    const { rows } = await db.admin.query(`SELECT to_regclass('sync_changes') AS found`);
    assert.deepEqual(rows, [{ found: null }]);
  }));

test('rowSecurity: false leaves row-level security to the host', () =>
  withDatabase(async (db) => {
    await migrateSyncChanges(db.admin, { rowSecurity: false });
    const { table, policies } = (await catalogueOf(db)) as Record<string, unknown[][] | null>;
    assert.deepEqual(table?.[0]?.slice(2), [false, false]);
    assert.equal(policies, null);
  }));

for (const [schema, table] of [
  ['My "Schema"', 'Sync Changes; --'],
  ["it's", "o'log"],
  ['select', 'table'],
  ['ä', `${'ä'.repeat(31)}x`],
  ['s%s', '😀'.repeat(15)],
  ['\\', '\\n'],
] as const) {
  test(`a log named ${schema}.${table} is made, found again and exported`, () =>
    withDatabase(async (db) => {
      const quoted = [schema, table].map((name) => `"${name.replaceAll('"', '""')}"`);
      await db.admin.query(
        `CREATE SCHEMA ${quoted[0] ?? ''}; GRANT USAGE ON SCHEMA ${quoted[0] ?? ''} TO PUBLIC`,
      );
      await migrateSyncChanges(db.admin, { schema, table });
      const before = await catalogueOf(db, quoted.join('.'));
      await migrateSyncChanges(db.admin, { schema, table });
      assert.deepEqual(await catalogueOf(db, quoted.join('.')), before);
      await db.admin.query(`GRANT SELECT ON ${quoted.join('.')} TO PUBLIC`);
      await db.admin.query(
        `INSERT INTO ${quoted.join('.')} (app_id, table_name, record_id, user_id, op, client_id)
         VALUES ('a', 't', 'r', 'user-1', 'insert', 'c')`,
      );
      for (const lane of lanes) {
        const text = await lane.export(db.pool(), { userId: USER, log: { schema, table } }).text();
        assert.equal(eventIdsOf(text).length, 1);
      }
    }));
}

test('two logs whose names begin alike each get their index', () =>
  withDatabase(async (db) => {
    const tables = ['2025', '2026'].map(
      (year) => `changes_of_a_customer_with_a_long_name_${year}_log`,
    );
    for (const table of tables) {
      await migrateSyncChanges(db.admin, { table });
      const { indexes } = (await catalogueOf(db, table)) as {
        readonly indexes: readonly unknown[];
      };
      assert.equal(indexes.length, 2);
    }
  }));

test('syncChangesSql is the same as text', () =>
  withDatabase(async (db) => {
    await db.admin.query(syncChangesSql());
    const before = await catalogueOf(db);
    await migrateSyncChanges(db.admin);
    assert.deepEqual(await catalogueOf(db), before);
  }));

test('syncChangesSql with concurrently makes the index outside the transaction, once', () =>
  withDatabase(async (db) => {
    const sql = syncChangesSql({ concurrently: true });
    const at = sql.indexOf('CREATE INDEX CONCURRENTLY');
    for (let round = 0; round < 2; round += 1) {
      await db.admin.query(sql.slice(0, at));
      await db.admin.query(sql.slice(at));
    }
    const before = await catalogueOf(db);
    await migrateSyncChanges(db.admin);
    assert.deepEqual(await catalogueOf(db), before);
    const { indexes } = before as { readonly indexes: readonly unknown[] };
    assert.equal(indexes.length, 2);
  }));

describe('an index that a failed CREATE INDEX CONCURRENTLY has left behind', () => {
  const whole = syncChangesSql({ concurrently: true });
  const at = whole.indexOf('CREATE INDEX CONCURRENTLY');
  const [migration, build] = [whole.slice(0, at), whole.slice(at)];

  /** A build waits for every writer before it begins, this one for longer than it may. */
  async function failToBuild(db: TestDatabase): Promise<void> {
    await db.admin.query(migration);
    await grant(db);
    await fillLog(db, { rowCount: 5 });
    const writer = await db.admin.connect();
    const builder = await db.admin.connect();
    await writer.query(`BEGIN; UPDATE sync_changes SET client_id = 'held'`);
    await builder.query('SET statement_timeout = 100');
    await assert.rejects(builder.query(build), { code: '57014' });
    await writer.query('ROLLBACK');
    writer.release();
    builder.release(true);
    assert.deepEqual(await validityOf(db), [true, false]);
  }

  async function validityOf(db: TestDatabase): Promise<readonly boolean[]> {
    const { rows } = await db.admin.query<{ valid: boolean }>(
      `SELECT indisvalid AND indisready AS valid FROM pg_index
        WHERE indrelid = 'sync_changes'::regclass ORDER BY indexrelid`,
    );
    return rows.map(({ valid }) => valid);
  }

  test('is made anew, and serves the order', () =>
    withDatabase(async (db) => {
      await failToBuild(db);
      await migrateSyncChanges(db.admin);
      assert.deepEqual(await validityOf(db), [true, true]);
      const before = await catalogueOf(db);
      await migrateSyncChanges(db.admin);
      assert.deepEqual(await catalogueOf(db), before);
      const client = await db.admin.connect();
      await client.query('SET enable_seqscan = off; SET enable_sort = off');
      const { rows } = await client.query<Record<'QUERY PLAN', string>>(
        `EXPLAIN SELECT FROM sync_changes WHERE user_id = 'user-1' ORDER BY created_at, id`,
      );
      client.release(true);
      assert.match(rows[0]?.['QUERY PLAN'] ?? '', /using sync_changes_export_order/);
    }));

  test('is told with a warning where the text is run again, and the hint mends it', () =>
    withDatabase(async (db) => {
      await failToBuild(db);
      const client = await db.admin.connect();
      const notices: { readonly severity?: string; readonly hint?: string }[] = [];
      client.on('notice', (notice) => notices.push(notice as (typeof notices)[number]));
      await client.query(migration);
      await client.query(build);
      assert.deepEqual(await validityOf(db), [true, false]);
      const [warning] = notices.filter(({ severity }) => severity === 'WARNING');
      const remedy = /REINDEX .*/.exec(warning?.hint ?? '');
      await client.query(remedy?.[0] ?? 'none');
      assert.deepEqual(await validityOf(db), [true, true]);
      notices.length = 0;
      await client.query(migration);
      assert.deepEqual(notices, []);
      client.release();
    }));

  test('of that name but another order, or no index at all, is left alone and is an error', () =>
    withDatabase(async (db) => {
      await migrateSyncChanges(db.admin);
      for (const sql of [
        'CREATE INDEX sync_changes_export_order ON sync_changes (created_at)',
        'CREATE TABLE sync_changes_export_order ()',
      ]) {
        await db.admin.query(`DROP INDEX sync_changes_export_order; ${sql}`);
        const before = await catalogueOf(db);
        await assert.rejects(migrateSyncChanges(db.admin), { code: '42P07' });
        assert.deepEqual(await catalogueOf(db), before);
      }
    }));
});

test('options that are none are refused before any I/O', async () => {
  let queryCount = 0;
  const client = {
    query: () => Promise.resolve({ rows: [(queryCount += 1)] }),
  } as unknown as pg.Pool;
  for (const options of [
    { tabel: 'x' },
    { concurrently: true },
    { table: '' },
    { table: 7 },
    { schema: 'a'.repeat(64) },
    { table: 'a$b' },
  ]) {
    await assert.rejects(
      async () => migrateSyncChanges(client, options as MigrateSyncChangesOptions),
      TypeError,
    );
  }
  assert.throws(() => syncChangesSql({ index: true } as MigrateSyncChangesOptions), TypeError);
  // A null would leave a table without row-level security, and say nothing.
  for (const value of [null, 0, 'no', 'yes']) {
    for (const name of ['rowSecurity', 'concurrently']) {
      assert.throws(
        () => syncChangesSql({ [name]: value }),
        TypeError,
        `${name}: ${String(value)}`,
      );
    }
  }
  assert.equal(queryCount, 0);
});
