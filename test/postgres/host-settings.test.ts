// What a host has set for its roles, its pool and its driver changes not one byte of an export.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';

import { eventIdOf, eventIdsOf, rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { lineVectors } from '../support/vectors.js';

const ODD_USER = `é日本 o'hara \\`;
const ODD_APP = `a\\'"ü`;

const ROLE_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['client_encoding', 'LATIN1'],
  ['client_encoding', 'SQL_ASCII'],
  ['DateStyle', 'German, DMY'],
  ['DateStyle', 'SQL, MDY'],
  ['TimeZone', 'Asia/Kathmandu'],
  ['standard_conforming_strings', 'off'],
  ['backslash_quote', 'off'],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-15'],
  ['search_path', 'pg_temp'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_read_only', 'on'],
  ['default_transaction_deferrable', 'on'],
  ['transform_null_equals', 'on'],
  ['enable_indexscan', 'off'],
  ['cursor_tuple_fraction', '0'],
  ['plan_cache_mode', 'force_generic_plan'],
];

async function createOddLog(db: TestDatabase): Promise<void> {
  await db.createChangeLog();
  await db.insert(
    lineVectors.map(({ row }, index) => ({
      ...row,
      id: eventIdOf(index + 1),
      user_id: ODD_USER,
      app_id: ODD_APP,
    })),
  );
  await db.insert([rowOf(1_000, { user_id: ODD_USER }), rowOf(1_001)]);
}

const options = { userId: ODD_USER, apps: [ODD_APP], settings: { 'app.team': 'ß' } };

for (const lane of lanes) {
  test(`${lane.name}: what is set for the role changes nothing`, () =>
    withDatabase(async (db) => {
      await createOddLog(db);
      const expected = await lane.export(db.pool(), options).text();
      assert.equal(eventIdsOf(expected).length, lineVectors.length);
      for (const [name, value] of ROLE_SETTINGS) {
        await db.admin.query(`ALTER ROLE ${db.appUser} SET ${name} = '${value}'`);
        assert.equal(await lane.export(db.pool(), options).text(), expected, `${name} = ${value}`);
        await db.admin.query(`ALTER ROLE ${db.appUser} RESET ${name}`);
      }
    }));

  test(`${lane.name}: type parsers of the pool and of the process are not asked`, () =>
    withDatabase(async (db) => {
      await createOddLog(db);
      const expected = await lane.export(db.pool(), options).text();
      const odd = (): never => {
        throw new Error('a type parser was asked');
      };
      const { TEXT } = pg.types.builtins;
      const text = pg.types.getTypeParser(TEXT) as (text: string) => unknown;
      const types = { getTypeParser: (oid: number) => (oid === (TEXT as number) ? text : odd) };
      const pool = db.pool({ types });
      assert.equal(await lane.export(pool, options).text(), expected);
      const { INT4, JSONB, TIMESTAMPTZ, UUID } = pg.types.builtins;
      const before = [INT4, JSONB, TIMESTAMPTZ, UUID].map(
        (oid) => [oid, pg.types.getTypeParser(oid) as (text: string) => unknown] as const,
      );
      try {
        for (const [oid] of before) pg.types.setTypeParser(oid, odd);
        assert.equal(await lane.export(db.pool(), options).text(), expected);
      } finally {
        for (const [oid, parser] of before) pg.types.setTypeParser(oid, parser);
      }
    }));

  test(`${lane.name}: a pool whose clients ask for binary results changes nothing`, () =>
    withDatabase(async (db) => {
      await createOddLog(db);
      const expected = await lane.export(db.pool(), options).text();
      const pool = db.pool({ binary: true } as pg.PoolConfig);
      assert.equal(await lane.export(pool, options).text(), expected);
    }));

  test(`${lane.name}: tables of the same names in the host's own schema do not get in between`, () =>
    withDatabase(async (db) => {
      await createOddLog(db);
      const expected = await lane.export(db.pool(), options).text();
      await db.admin.query(`
        CREATE SCHEMA traps;
        CREATE TABLE traps.pg_class (oid oid, relname text);
        CREATE TABLE traps.pg_roles (rolname text);
        CREATE TABLE traps.sync_changes (LIKE sync_changes);
        GRANT ALL ON SCHEMA traps TO ${db.appUser};
        GRANT ALL ON ALL TABLES IN SCHEMA traps TO ${db.appUser};
        ALTER ROLE ${db.appUser} SET search_path = traps, pg_catalog, public;
      `);
      assert.equal(await lane.export(db.pool(), options).text(), expected);
    }));
}
