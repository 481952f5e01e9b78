// What is given for the pool and is none, and pools and clients that break their promises: refused at the call, or
// told as a typed failure; never a hang, and never an error that ends the process.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import pg from 'pg';

import { restoreToPostgres } from '../../src/postgres/index.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { eventually } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { raiseAtRow } from '../support/row-functions.js';
import { countRows, lineText, withEmptyLog } from '../support/restored.js';

function withLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  return withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 30 });
    await use(db);
  });
}

const asPool = (something: unknown): pg.Pool => something as pg.Pool;

/** A client as `pg` leases it, with changes; its release is noted. */
function fakeClient(changes: object): { readonly client: object; readonly released: unknown[] } {
  const released: unknown[] = [];
  const client = Object.assign(new EventEmitter(), {
    query: () => new Promise(() => undefined),
    release: (error: unknown) => void released.push(error),
    escapeLiteral: (text: string) => text,
    getTransactionStatus: () => 'I',
    ...changes,
  });
  return { client, released };
}

const UNUSABLE: Readonly<Record<string, object>> = {
  'without escapeLiteral': { escapeLiteral: undefined },
  'of a pg before 8.21, without getTransactionStatus': { getTransactionStatus: undefined },
  'without query': { query: undefined },
  'of pg-native': { native: {} },
};

for (const lane of lanes) {
  test(`${lane.name}: a Client for the pool is a TypeError at the call, connected or not`, () =>
    withLog(async (db) => {
      const client = new pg.Client({ connectionString: db.url() });
      assert.throws(() => lane.export(asPool(client), { userId: USER }), TypeError);
      await client.connect();
      assert.throws(() => lane.export(asPool(client), { userId: USER }), TypeError);
      // It was not touched: the host can go on with it.
      assert.equal((await client.query('SELECT 1 AS one')).rowCount, 1);
      await client.end();
    }));

  test(`${lane.name}: a leased client for the pool is a TypeError at the call, and still the host's`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      const client = await pool.connect();
      assert.throws(() => lane.export(asPool(client), { userId: USER }), TypeError);
      client.release();
      await assertReusable(pool);
    }));

  for (const [what, changes] of Object.entries(UNUSABLE)) {
    test(`${lane.name}: a client ${what} is a typed failure, and goes back`, async () => {
      const { client, released } = fakeClient(changes);
      const pool = asPool({ connect: () => Promise.resolve(client) });
      const running = lane.export(pool, { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      assert.equal(error.details.stage, 'connect');
      assert.equal(released.length, 1);
    });
  }

  for (const [what, client] of [
    ['nothing', undefined],
    ['null', null],
    ['a client that cannot be released', fakeClient({ release: undefined }).client],
  ] as const) {
    test(`${lane.name}: a pool that gives ${what} is a typed failure`, async () => {
      const pool = asPool({ connect: () => Promise.resolve(client) });
      const running = lane.export(pool, { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      assert.equal(error.details.stage, 'connect');
    });
  }

  test(`${lane.name}: a pool that was ended is told as such, and is not asked`, async () => {
    const pool = new pg.Pool({ connectionString: 'postgres://nobody@127.0.0.1:1/none' });
    await pool.end();
    const error = await failsWith(
      lane.export(pool, { userId: USER }).text(),
      'BACKUP_SOURCE_FAILED',
    );
    assert.deepEqual([error.details.stage, error.cause], ['connect', undefined]);
  });

  test(`${lane.name}: a listener of the pool's that throws at the release fails the export, and the pool recovers`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      pool.once('release', () => {
        throw new Error('canary');
      });
      const running = lane.export(pool, { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      assert.equal(error.details.stage, 'end');
      await eventually(() => pool.totalCount === 0, 1_000, 'The pool has lost the client');
      await assertReusable(pool);
      const text = await lane.export(pool, { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(30));
    }));

  test(`${lane.name}: one that throws while a failed export lets go does not hide the failure`, () =>
    withLog(async (db) => {
      await raiseAtRow(db, 20, 'P0042');
      const pool = db.pool();
      pool.once('release', () => {
        throw new Error('canary');
      });
      const running = lane.export(pool, { userId: USER });
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      assert.equal(error.details.sqlState, 'P0042');
      await eventually(() => pool.totalCount === 0, 1_000, 'The pool has lost the client');
      await assertReusable(pool);
    }));
}

test('a restore refuses a Client for the pool, and tells of one that it cannot use', async () => {
  const client = new pg.Client({ connectionString: 'postgres://nowhere.invalid' });
  const restore = (pool: pg.Pool): Promise<unknown> =>
    restoreToPostgres(pool, [Buffer.from(lineText(1))], { userId: USER });
  await assert.rejects(restore(asPool(client)), TypeError);
  const { client: leased, released } = fakeClient({ native: {} });
  const pool = asPool({ connect: () => Promise.resolve(leased) });
  const error = await failsWith(restore(pool), 'BACKUP_SINK_FAILED');
  assert.equal(error.details.stage, 'connect');
  assert.equal(released.length, 1);
});

for (const [what, rowCount, options] of [
  ['a restore that is committed', 2, {}],
  ['one in batches', 2, { batchSize: 1 }],
  ['a dry run', 0, { dryRun: true }],
] as const) {
  test(`a listener of the pool's that throws at the release does not make a failure of ${what}, and the pool recovers`, () =>
    withEmptyLog(async (db, pool) => {
      pool.once('release', () => {
        throw new Error('canary');
      });
      const lines = [Buffer.from(lineText(1) + lineText(2))];
      const report = await restoreToPostgres(pool, lines, { userId: USER, ...options });
      assert.deepEqual([report.ok, report.newCount], [true, 2]);
      await eventually(() => pool.totalCount === 0, 1_000, 'The pool has lost the client');
      await assertReusable(pool);
      assert.equal(await countRows(db), rowCount);
    }));
}

test('one that throws while a failed restore lets go does not hide the failure', () =>
  withEmptyLog(async (_db, pool) => {
    pool.once('release', () => {
      throw new Error('canary');
    });
    const lines = [Buffer.from(lineText(1) + 'canary')];
    const failing = restoreToPostgres(pool, lines, { userId: USER });
    const error = await failsWith(failing, 'BACKUP_LINE_INVALID');
    assert.equal(error.details.lineNumber, 2);
    await eventually(() => pool.totalCount === 0, 1_000, 'The pool has lost the client');
    await assertReusable(pool);
  }));
