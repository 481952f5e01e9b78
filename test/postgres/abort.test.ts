// F32: an abort rejects with signal.reason itself, at once, wherever the export is, and ends the server's work.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import type pg from 'pg';

import {
  isAsleep,
  waitForBackend,
  waitForBackendsGone,
  waitsForReader,
} from '../support/backends.js';
import { LONG_LOG, USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failureOf } from '../support/failures.js';
import { type Lane, type LaneOptions, lanes } from '../support/lanes.js';
import { sleepAtRow } from '../support/row-functions.js';
import { WatchedPool, afterTurns } from '../support/watched-pool.js';
import { startWireProxy } from '../support/wire-proxy.js';

const SETTLES_WITHIN_MS = 250;

interface Aborting {
  /** All of the export, or its error. */
  readonly outcome: Promise<string>;
  /** Aborts, and checks that reading rejects with the reason in time. */
  abortAndSettle(): Promise<void>;
}

function aborting(lane: Lane, pool: pg.Pool, options: Partial<LaneOptions> = {}): Aborting {
  const controller = new AbortController();
  const reason = { name: 'a reason of the host, no error at all' };
  const running = lane.export(pool, { userId: USER, signal: controller.signal, ...options });
  const outcome = running.text();
  outcome.catch(() => undefined); // abortAndSettle() looks at it
  return {
    outcome,
    async abortAndSettle() {
      const startMs = performance.now();
      controller.abort(reason);
      assert.equal(await failureOf(outcome), reason);
      const passedMs = performance.now() - startMs;
      assert.ok(passedMs < SETTLES_WITHIN_MS, `settled after ${String(passedMs)} ms`);
    },
  };
}

async function withLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 300 });
    await use(db);
  });
}

for (const lane of lanes) {
  test(`${lane.name}: F32 aborted before the start, no client is leased`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      const reason = new Error('before the start');
      const running = lane.export(pool, { userId: USER, signal: AbortSignal.abort(reason) });
      assert.equal(await failureOf(running.ready()), reason);
      assert.equal(await failureOf(running.text()), reason);
      assert.equal(pool.totalCount, 0);
    }));

  test(`${lane.name}: F32 aborted while waiting for the pool, the late client goes back unharmed`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      const held = await pool.connect();
      const { rows } = await held.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await aborting(lane, pool).abortAndSettle();
      held.release();
      await assertReusable(pool);
      const after = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      assert.deepEqual(after.rows, rows);
    }));

  test(`${lane.name}: F32 aborted while a read is pending, the backend is gone within a second`, () =>
    withLog(async (db) => {
      await sleepAtRow(db, 10);
      const pool = db.pool();
      const run = aborting(lane, pool, { batchSize: 3 });
      await waitForBackend(db, isAsleep);
      await run.abortAndSettle();
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 aborted while the reader pauses, the backend is gone within a second`, () =>
    withLog(async (db) => {
      await db.admin.query('TRUNCATE sync_changes');
      await fillLog(db, LONG_LOG);
      const pool = db.pool();
      const controller = new AbortController();
      const running = lane.export(pool, { userId: USER, signal: controller.signal });
      await running.ready();
      await waitForBackend(db, waitsForReader);
      const reason = new Error('the reader pauses');
      controller.abort(reason);
      assert.equal(await failureOf(running.text(), SETTLES_WITHIN_MS), reason);
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 aborted right after any answer of the database, the client is left alone`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 3 });
      const pool = db.pool();
      const whole = new WatchedPool(pool);
      const text = await lane.export(whole, { userId: USER }).text();
      assert.equal(whole.texts.at(-1), 'COMMIT');
      for (let index = 0; index < whole.texts.length; index += 1) {
        for (let turnCount = 1; turnCount <= 6; turnCount += 1) {
          const controller = new AbortController();
          const reason = { name: 'a reason of the host, no error at all' };
          const watched = new WatchedPool(pool, (answered) => {
            if (answered !== index) return;
            void afterTurns(turnCount, () => {
              controller.abort(reason);
            });
          });
          const where = `${String(turnCount)} after ${String(whole.texts[index])}`;
          const running = lane.export(watched, { userId: USER, signal: controller.signal });
          const outcome = await running.text().catch((error: unknown) => error);
          if (outcome !== text || index !== whole.texts.length - 1) {
            assert.equal(outcome, reason, where);
          }
          assert.deepEqual(watched.counts, { leases: 1, releases: 1, lateQueries: 0 }, where);
          assert.equal(getEventListeners(controller.signal, 'abort').length, 0, where);
          await assertReusable(pool);
        }
      }
    }));

  test(`${lane.name}: F32 aborted after the end, nothing happens`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      const controller = new AbortController();
      const running = lane.export(pool, { userId: USER, signal: controller.signal });
      const text = await running.text();
      controller.abort();
      await running.ready();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(300));
      assert.equal(pool.idleCount, 1);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 a signal that outlives many exports collects no listeners`, () =>
    withLog(async (db) => {
      const pool = db.pool();
      const { signal } = new AbortController();
      // More than ten left behind are a warning, which fails the test.
      for (let round = 1; round <= 12; round += 1) {
        await lane.export(pool, { userId: USER, signal }).text();
        const { stream } = lane.export(pool, { userId: USER, signal });
        await stream[Symbol.asyncIterator]().next();
        stream.destroy();
      }
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 any number of exports at once may share a signal, and one abort ends them all`, () =>
    withLog(async (db) => {
      const pool = db.pool({ max: 3 });
      const controller = new AbortController();
      const { signal } = controller;
      // The eleventh listener is a warning, which fails the test.
      const running = Array.from({ length: 15 }, () => lane.export(pool, { userId: USER, signal }));
      await Promise.all(running.map((one) => one.ready()));
      assert.equal(getEventListeners(signal, 'abort').length, 1);
      assert.deepEqual(eventIdsOf(await running[0]!.text()), eventIdsUpTo(300));
      const reason = new Error('all of them');
      controller.abort(reason);
      for (const one of running.slice(1)) assert.equal(await failureOf(one.text()), reason);
      assert.equal(getEventListeners(signal, 'abort').length, 0);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 aborted at each message that the server has not answered yet`, () =>
    withLog(async (db) => {
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      let isWhole = false;
      for (let unanswered = 1; !isWhole; unanswered += 1) {
        assert.ok(unanswered < 100, 'the export never ends');
        const run = aborting(lane, pool, { batchSize: 100 });
        const silence = new Promise<false>((resolve) => {
          let sentCount = 0;
          proxy.watch((direction) => {
            if (direction !== 'toServer' || (sentCount += 1) < unanswered) return;
            proxy.pause('toClient');
            resolve(false);
          });
        });
        isWhole = await Promise.race([silence, run.outcome.then(() => true)]);
        if (!isWhole) await run.abortAndSettle();
        // Also the connection that the pool may still be making.
        proxy.heal();
        // The next round begins with a new connection, and so at the first message.
        (await settlesWithin(pool.connect(), 1_000, 'The next borrower')).release(true);
        await assertReusable(pool);
        (await pool.connect()).release(true);
      }
    }));
}
