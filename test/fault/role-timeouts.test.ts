// F16 and F17: limits that the host has set for its roles are meant for its requests. An export whose reader is slow
// outlives them; its own limits hold instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { isAsleep, waitForBackend, waitForBackendsGone } from '../support/backends.js';
import { LONG_LOG, USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { sleepAtRow } from '../support/row-functions.js';

const PAUSE_MS = 700;

async function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, LONG_LOG);
    await use(db);
  });
}

for (const lane of lanes) {
  for (const [tag, setting] of [
    ['F16 hazards 5 and 14', 'statement_timeout'],
    ['F17 hazard 5', 'idle_in_transaction_session_timeout'],
    ['F17', 'idle_session_timeout'],
    ['F16', 'transaction_timeout'],
    ['F16', 'lock_timeout'],
  ] as const) {
    test(`${lane.name}: ${tag}: ${setting} of the role does not end an export whose reader pauses`, () =>
      withLongLog(async (db) => {
        // transaction_timeout came with version 17: on an older server no role can have it.
        const known = await db.admin.query('SELECT FROM pg_settings WHERE name = $1', [setting]);
        if (known.rowCount === 1) {
          await db.admin.query(`ALTER ROLE ${db.appUser} SET ${setting} = '300ms'`);
        }
        const pool = db.pool();
        const running = lane.export(pool, { userId: USER, batchSize: 50, stallTimeoutMs: 400 });
        await running.ready();
        await delay(PAUSE_MS);
        assert.deepEqual(eventIdsOf(await running.text()), eventIdsUpTo(LONG_LOG.rowCount));
        await pool.end();
      }));
  }

  test(`${lane.name}: F16 query_timeout and every limit in the pool's own options do not end it either`, () =>
    withLongLog(async (db) => {
      const pool = db.pool({
        query_timeout: 300,
        statement_timeout: 300,
        lock_timeout: 300,
        idle_in_transaction_session_timeout: 300,
      });
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      await running.ready();
      await delay(PAUSE_MS);
      assert.deepEqual(eventIdsOf(await running.text()), eventIdsUpTo(LONG_LOG.rowCount));
      await assertReusable(pool);
    }));

  test(`${lane.name}: F16 maxDurationMs ends an export whose reader pauses`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 50, maxDurationMs: 400 });
      await running.ready();
      await waitForBackendsGone(db, 400 + 1_000);
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_STALLED');
      const { limit, limitMs } = error.details;
      assert.deepEqual({ limit, limitMs }, { limit: 'maxDurationMs', limitMs: 400 });
      await assertReusable(pool);
    }));

  test(`${lane.name}: F16 maxDurationMs ends an export that the server is busy with`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 1);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, maxDurationMs: 400 });
      const failure = failsWith(running.ready(), 'BACKUP_SOURCE_STALLED');
      await waitForBackend(db, isAsleep);
      assert.equal((await failure).details.limit, 'maxDurationMs');
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }));
}
