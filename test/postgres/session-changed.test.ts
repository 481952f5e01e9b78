// Settings of the session itself change inside the transaction: what was read may be spelt in another encoding or
// time zone, or read past row-level security, and the export or restore must not end as if all were well.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { isBackupError } from '../../src/index.js';
import { USER, fillLog, rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';

const CHANGES: readonly (readonly [name: string, value: string])[] = [
  ['client_encoding', 'LATIN1'],
  ['TimeZone', 'Europe/Berlin'],
  ['DateStyle', 'SQL, DMY'],
  ['IntervalStyle', 'iso_8601'],
  ['extra_float_digits', '0'],
  ['bytea_output', 'escape'],
  ['xmlbinary', 'hex'],
];
const MOST_STATEMENTS = 6;

async function createAccentedLog(db: TestDatabase): Promise<void> {
  await db.createChangeLog();
  await db.insert([rowOf(1, { record_id: 'café', data: '{"t": "naïve"}' })]);
}

/** As many hosts do it, and nobody waits: the queries come between those of whoever has leased the client. */
function setOnConnect(pool: pg.Pool, statements: readonly string[]): void {
  pool.on('connect', (client) => {
    void (async () => {
      for (const statement of statements) await client.query(statement);
    })().catch(() => undefined); // the client is destroyed by then
  });
}

function withLast(count: number, last: string): readonly string[] {
  return [...Array<string>(count - 1).fill('SELECT'), last];
}

for (const lane of lanes) {
  for (const [setting, value] of CHANGES) {
    test(`${lane.name}: ${setting}, set by somebody else's query on the leased client, is found out before the end`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 600 });
        const pool = db.pool();
        let leased: pg.PoolClient | undefined;
        pool.on('acquire', (client) => (leased = client));
        const running = lane.export(pool, { userId: USER, batchSize: 50 });
        await running.ready();
        const meddling = leased?.query(`SET ${setting} = '${value}'`);
        const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
        const { details } = error;
        assert.deepEqual([details.stage, details.setting], ['end', setting]);
        await meddling?.catch(() => undefined);
        await assertReusable(pool);
      }));
  }

  test(`${lane.name}: hazard 20: row_security, set so, is told as what tenancy rests on`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 600 });
      const pool = db.pool();
      let leased: pg.PoolClient | undefined;
      pool.on('acquire', (client) => (leased = client));
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      await running.ready();
      const meddling = leased?.query('SET row_security = off');
      const error = await failsWith(running.text(), 'BACKUP_TENANCY_MISMATCH');
      assert.deepEqual([error.details.found, error.details.setting], ['setting', 'row_security']);
      await meddling?.catch(() => undefined);
      await assertReusable(pool);
    }));

  test(`${lane.name}: an encoding that a handler of 'connect' sets late is an error, never other bytes`, () =>
    withDatabase(async (db) => {
      await createAccentedLog(db);
      const expected = await lane.export(db.pool(), { userId: USER }).text();
      const outcomes: string[] = [];
      for (let count = 1; count <= MOST_STATEMENTS; count += 1) {
        const pool = db.pool();
        setOnConnect(pool, withLast(count, `SET client_encoding = 'LATIN1'`));
        const outcome = await lane
          .export(pool, { userId: USER })
          .text()
          .catch((error: unknown) => error);
        if (isBackupError(outcome, 'BACKUP_SOURCE_FAILED')) {
          assert.equal(outcome.details.setting, 'client_encoding');
          outcomes.push('failed');
        } else {
          assert.equal(outcome, expected);
          outcomes.push('same');
        }
      }
      assert.deepEqual(outcomes.slice(0, 2), ['same', 'same']);
      assert.ok(outcomes.includes('failed'));
    }));

  test(`${lane.name}: a time zone that is set before the check is what the error is about, not a row`, () =>
    withDatabase(async (db) => {
      await createAccentedLog(db);
      const pool = db.pool();
      setOnConnect(pool, withLast(3, `SET TimeZone = 'Europe/Berlin'`));
      const error = await failsWith(
        lane.export(pool, { userId: USER }).text(),
        'BACKUP_SOURCE_FAILED',
      );
      assert.deepEqual([error.details.stage, error.details.setting], ['check', 'TimeZone']);
    }));
}

for (const [name, value, code] of [
  ['DateStyle', 'SQL, DMY', 'BACKUP_SINK_FAILED'],
  ['TimeZone', 'Europe/Berlin', 'BACKUP_SINK_FAILED'],
  ['row_security', 'off', 'BACKUP_TENANCY_MISMATCH'],
] as const) {
  test(`a restore whose ${name} is changed while it writes leaves nothing behind`, () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM set_config('${name}', '${value}', true); RETURN NULL; END $$;
        CREATE TRIGGER meddling AFTER INSERT ON sync_changes FOR EACH STATEMENT EXECUTE FUNCTION meddle();
      `);
      const error = await failsWith(restore(pool, lineText(1) + lineText(2)), code);
      assert.ok(error.message.includes(name));
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    }));
}
