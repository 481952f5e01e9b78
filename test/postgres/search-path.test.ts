// Whatever a role's search path finds before `pg_catalog`, exports, their checks, restores and the migration use
// PostgreSQL's own functions, operators, types and collations (CVE-2018-1058).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { createUpcaster } from '../../src/index.js';
import {
  type SyncChangesSqlOptions,
  migrateSyncChanges,
  syncChangesSql,
} from '../../src/postgres/index.js';
import { USER, eventIdOf, eventIdsOf, fillLog, rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { exportOf, lineText, restore } from '../support/restored.js';
import { THROUGH_TRAPS, layTraps } from '../support/traps.js';

const extraColumns = { score: 'score', label: 'label', tags: 'tags', nick: 'nick' };
const log = { extraColumns };
const position = (rowNumber: number): { createdAt: string; eventId: string } => ({
  createdAt: `2026-01-01T00:00:${String(rowNumber).padStart(2, '0')}Z`,
  eventId: eventIdOf(rowNumber),
});

async function createLog(db: TestDatabase): Promise<void> {
  await db.createChangeLog();
  await db.admin.query(`
    CREATE EXTENSION citext;
    ALTER TABLE sync_changes ADD score float8 DEFAULT 0.5, ADD label char(5) DEFAULT 'hi',
      ADD tags varchar(3)[] DEFAULT '{a,b}', ADD nick citext DEFAULT 'Nick';
  `);
  await fillLog(db, { rowCount: 30 });
  await fillLog(db, { userId: 'user-2', rowCount: 5 });
  await db.insert([
    rowOf(100, { data: '{}', field_timestamps: '{"a": 1}', schema_version: 3 }),
    rowOf(101, { data: null, schema_version: 0 }),
  ]);
}

for (const lane of lanes) {
  test(`${lane.name}: an export is the same with traps in the way`, () =>
    withDatabase(async (db) => {
      await createLog(db);
      const options = { userId: USER, log };
      const part = {
        ...options,
        after: position(3),
        until: position(20),
        apps: ['todo', 'notes'],
        tables: ['tasks'],
      };
      const whole = await lane.export(db.pool(), options).text();
      const some = await lane.export(db.pool(), part).text();
      assert.deepEqual([eventIdsOf(whole).length, eventIdsOf(some).length], [32, 17]);
      await layTraps(db);
      assert.equal(await lane.export(db.pool(), options).text(), whole);
      assert.equal(await lane.export(db.pool(), part).text(), some);
    }));

  test(`${lane.name}: with traps in the way, a role with BYPASSRLS is refused all the same`, () =>
    withDatabase(async (db) => {
      await createLog(db);
      await db.admin.query(`ALTER ROLE ${db.appUser} BYPASSRLS`);
      await layTraps(db);
      const running = lane.export(db.pool(), { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_TENANCY_UNSAFE');
      assert.equal(error.details.reason, 'role-bypasses-row-security');
    }));

  test(`${lane.name}: with traps in the way, a user id is compared as its column's type asks`, () =>
    withDatabase(async (db) => {
      await createLog(db);
      await db.admin.query('ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY');
      await db.admin.query('DROP POLICY sync_changes_owner ON sync_changes');
      await db.admin.query('ALTER TABLE sync_changes ALTER user_id TYPE citext');
      const options = { userId: USER, rowSecurity: 'explicit-filter-only' } as const;
      const whole = await lane.export(db.pool(), options).text();
      assert.equal(eventIdsOf(whole).length, 32);
      await layTraps(db);
      assert.equal(await lane.export(db.pool(), options).text(), whole);
    }));
}

describe('a restore does the same with traps in the way', () => {
  /** Into the log of a database of its own, which holds rows 1 to 3 of the lines. */
  async function restored(
    hasTraps: boolean,
    use: (db: TestDatabase) => Promise<unknown>,
  ): Promise<unknown> {
    return withDatabase(async (db) => {
      await createLog(db);
      await db.admin.query('DELETE FROM sync_changes WHERE created_at > $1', [
        position(3).createdAt,
      ]);
      if (hasTraps) await layTraps(db);
      const outcome = await use(db);
      return { outcome, log: await exportOf(db.pool(), USER, log) };
    });
  }

  async function sameWithTraps(use: (db: TestDatabase) => Promise<unknown>): Promise<void> {
    assert.deepEqual(await restored(true, use), await restored(false, use));
  }

  const extra = { score: '0.25', label: '"hello"', tags: '["x", "y"]', nick: '"Nick"' };
  const lines = (): string =>
    [100, 101, 102, 103].map((rowNumber) => lineText(rowNumber, extra)).join('');
  const again = lineText(100, extra);

  test('new lines, in one transaction and in batches', async () => {
    await sameWithTraps((db) => restore(db.pool(), lines(), { log }));
    await sameWithTraps((db) => restore(db.pool(), lines(), { log, batchSize: 2 }));
  });

  test('into an empty log', () =>
    sameWithTraps(async (db) => {
      await db.admin.query('DELETE FROM sync_changes');
      return restore(db.pool(), lines(), { log });
    }));

  test('lines that are there, and that are there with other content', () =>
    sameWithTraps(async (db) => {
      const first = await restore(db.pool(), lines(), { log });
      const present = await restore(db.pool(), lines() + again, { log });
      const text =
        lineText(101, { ...extra, nick: '"NICK"' }) + lineText(102, { ...extra, id: '"x"' });
      const report = await restore(db.pool(), text, { log, onConflict: 'report' });
      assert.equal(report.conflictCount, 2);
      const twice = again + lineText(100, { ...extra, op: '"delete"' });
      return [
        first,
        present,
        report,
        await restore(db.pool(), twice, { log, onConflict: 'report' }),
      ];
    }));

  test('rows of an older version, upcast and compared', () =>
    sameWithTraps(async (db) => {
      await restore(db.pool(), lines(), { log });
      const upcaster = createUpcaster({ current: 2, steps: { 1: (line) => line } });
      const report = await restore(db.pool(), lines(), { log, upcaster });
      assert.equal(report.presentCount, 4);
      return report;
    }));

  test('past a trigger, and without a key', () =>
    sameWithTraps(async (db) => {
      await db.admin.query(`
        CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER pass BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION pass();
        ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey;
      `);
      const first = await restore(db.pool(), lines(), { log });
      return [first, await restore(db.pool(), lines() + again, { log })];
    }));

  test('an id that is taken', () =>
    sameWithTraps(async (db) => {
      await db.admin.query(`UPDATE sync_changes SET id = $1 WHERE id = $2`, [
        eventIdOf(102),
        (
          await db.admin.query<{ id: string }>(
            `SELECT id FROM sync_changes WHERE user_id = 'user-2'`,
          )
        ).rows[0]?.id,
      ]);
      const error = await failsWith(
        restore(db.pool(), lines(), { log }),
        'BACKUP_RESTORE_CONFLICT',
      );
      assert.equal(error.details.reason, 'unavailable');
      return error.details;
    }));
});

describe('a migration makes the same with traps in the way', () => {
  /** The table as its catalogs have it, spelt under an empty path: whatever is not PostgreSQL's own shows. */
  async function tableOf(db: TestDatabase): Promise<unknown> {
    const client = await db.admin.connect();
    try {
      await client.query('SET search_path = pg_catalog');
      const { rows } = await client.query<{ columns: unknown; indexes: unknown }>(`
        SELECT (SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod), attnotnull,
                         attcollation::regcollation, pg_get_expr(adbin, adrelid)) ORDER BY attnum)
                  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                 WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped) AS columns,
               (SELECT json_agg(json_build_array(conname, pg_get_constraintdef(oid)) ORDER BY conname)
                  FROM pg_constraint WHERE conrelid = t.oid) AS constraints,
               (SELECT json_agg(json_build_array(pg_get_indexdef(indexrelid), indisvalid) ORDER BY indexrelid)
                  FROM pg_index WHERE indrelid = t.oid) AS indexes,
               (SELECT json_agg(json_build_array(polname, polcmd, polpermissive, polroles,
                         pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) ORDER BY polname)
                  FROM pg_policy WHERE polrelid = t.oid) AS policies,
               relrowsecurity, relforcerowsecurity
          FROM pg_class AS t WHERE t.oid = 'public.sync_changes'::regclass`);
      const [table] = rows;
      assert.deepEqual([length(table?.columns), length(table?.indexes)], [11, 2]);
      return table;
    } finally {
      client.release(true);
    }
  }

  const length = (list: unknown): number => (list as readonly unknown[]).length;

  async function migrated(hasTraps: boolean, options: SyncChangesSqlOptions): Promise<unknown> {
    return withDatabase(async (db) => {
      if (hasTraps) await layTraps(db);
      const pool = db.pool({
        connectionString: db.url('admin'),
        ...(hasTraps && { options: THROUGH_TRAPS }),
      });
      const migrate = async (): Promise<void> => {
        const sql = syncChangesSql(options);
        const at = sql.indexOf('CREATE INDEX CONCURRENTLY');
        if (at === -1) await migrateSyncChanges(pool, options);
        else for (const part of [sql.slice(0, at), sql.slice(at)]) await pool.query(part);
      };
      await migrate();
      const first = await tableOf(db);
      await migrate();
      assert.deepEqual(await tableOf(db), first);
      // Anew, what an old table lacks, what a failed build left behind, and what somebody turned off.
      await db.admin.query(`
        ALTER TABLE sync_changes DROP COLUMN schema_version, DISABLE ROW LEVEL SECURITY;
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sync_changes_export_order'::regclass`);
      await migrate();
      return [first, await tableOf(db)];
    });
  }

  for (const options of [{}, { rowSecurity: false }, { concurrently: true }]) {
    test(`as a superuser, with ${JSON.stringify(options)}`, async () =>
      assert.deepEqual(await migrated(true, options), await migrated(false, options)));
  }

  // What comes after `pg_catalog` in the path wins all the same where its arguments fit better.
  test('where somebody who may create in public has made what fits better', () =>
    withDatabase(async (db) => {
      await db.admin.query(`GRANT CREATE ON SCHEMA public TO ${db.appUser}`);
      const trap = `LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$a trap$$; END'`;
      await db.pool().query(`
        CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint ${trap};
        CREATE FUNCTION public.pg_advisory_xact_lock(bigint) RETURNS void ${trap};
        CREATE FUNCTION public.current_setting(text, text) RETURNS text ${trap};
        CREATE FUNCTION public.is_trapped(name, text) RETURNS boolean ${trap};
        CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = public.is_trapped);
        CREATE OPERATOR public.~~ (LEFTARG = name, RIGHTARG = text, FUNCTION = public.is_trapped);
      `);
      await migrateSyncChanges(db.admin);
      const first = await tableOf(db);
      await migrateSyncChanges(db.admin);
      assert.deepEqual(await tableOf(db), first);
    }));
});
