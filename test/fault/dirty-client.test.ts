// F5: a client that somebody gave back in the middle of a transaction is not used, and not passed on.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STRANGER, USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

const PREVIOUS: readonly (readonly [how: string, statements: readonly string[]])[] = [
  [
    'inside a transaction',
    ['BEGIN', `SELECT set_config('app.current_user_id', '${STRANGER}', true)`],
  ],
  ['inside a failed transaction', ['BEGIN', 'SELECT 1 / 0']],
  ['inside a serialisable transaction', ['BEGIN ISOLATION LEVEL SERIALIZABLE', 'SELECT 1']],
];

for (const lane of lanes) {
  for (const [how, statements] of PREVIOUS) {
    test(`${lane.name}: F5 a client given back ${how} is destroyed, and another one leased`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 5 });
        await fillLog(db, { userId: STRANGER, rowCount: 5 });
        const pool = db.pool({ max: 3 });
        const dirty = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
        const pids = new Set<number>();
        for (const client of dirty) {
          const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
          pids.add(rows[0]?.pid ?? 0);
          for (const statement of statements) await client.query(statement).catch(() => undefined);
        }
        for (const client of dirty) client.release();
        const text = await lane.export(pool, { userId: USER }).text();
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(5));
        await assertReusable(pool);
        const after = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        assert.ok(!pids.has(after.rows[0]?.pid ?? 0));
      }));
  }

  test(`${lane.name}: F5 a clean client keeps its session: the host's named statements survive`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      const pool = db.pool();
      const named = { name: 'of-the-host', text: 'SELECT 7 AS seven' };
      await pool.query(named);
      await pool.query(`SET work_mem = '7MB'`);
      await lane.export(pool, { userId: USER }).text();
      assert.deepEqual((await pool.query(named)).rows, [{ seven: 7 }]);
      assert.deepEqual((await pool.query('SHOW work_mem')).rows, [{ work_mem: '7MB' }]);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F5 a COMMIT after which a transaction is open is no success, and its client is destroyed`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      const pool = db.pool();
      // As whatever stands between might do, or a host's own instrumentation.
      pool.on('connect', (client) => {
        const query = client.query.bind(client) as (...args: unknown[]) => unknown;
        const chained = (text: unknown, ...rest: unknown[]): unknown =>
          query(text === 'COMMIT' ? 'COMMIT AND CHAIN' : text, ...rest);
        client.query = chained as typeof client.query;
      });
      const error = await failsWith(
        lane.export(pool, { userId: USER }).text(),
        'BACKUP_SOURCE_FAILED',
      );
      assert.deepEqual([error.details.stage, error.details.rowCount], ['end', 5]);
      assert.equal(pool.totalCount, 0);
      await assertReusable(pool);
    }));
}
