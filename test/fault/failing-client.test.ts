// Fails at the n-th query for n = 0 … until the export passes: by rejecting, by throwing, by never answering. And an
// abort after the k-th microtask, wherever that falls between two steps of the export.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

type Query = (...args: readonly unknown[]) => unknown;

const FAILURES: Readonly<Record<string, Query>> = {
  rejects(query) {
    const error = new Error('canary');
    if (!isSubmittable(query)) return Promise.reject(error);
    process.nextTick(() => query.handleError(error));
    return query;
  },
  throws() {
    throw new Error('canary');
  },
  'never answers': () => new Promise(() => undefined),
};

function isSubmittable(query: unknown): query is { handleError(error: Error): void } {
  return typeof query === 'object' && query !== null && 'submit' in query;
}

/** Makes each new client of the pool ask its queries through `wrap`. */
function wrapQueries(pool: pg.Pool, wrap: (query: Query) => Query): void {
  pool.on('connect', (client) => {
    client.query = wrap(client.query.bind(client)) as typeof client.query;
  });
}

for (const lane of lanes) {
  for (const [how, failure] of Object.entries(FAILURES)) {
    test(`${lane.name}: a client whose n-th query ${how}: a typed failure for every n`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 5 });
        for (let failAt = 0; ; failAt += 1) {
          assert.ok(failAt < 20, 'the export never ends');
          const pool = db.pool();
          let count = 0;
          wrapQueries(pool, (query) => (...args) => {
            count += 1;
            return count - 1 === failAt ? failure(...args) : query(...args);
          });
          const running = lane.export(pool, { userId: USER, stallTimeoutMs: 100 });
          const text = await running.text().catch(() => undefined);
          if (text !== undefined) {
            assert.ok(failAt >= 5);
            assert.deepEqual(eventIdsOf(text), eventIdsUpTo(5));
            break;
          }
          const code = how === 'never answers' ? 'BACKUP_SOURCE_STALLED' : 'BACKUP_SOURCE_FAILED';
          await failsWith(running.text(), code);
          assert.equal(pool.totalCount, 0);
        }
      }));
  }

  test(`${lane.name}: F32 aborted after the k-th microtask: no query goes to a client that was given back`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const pool = db.pool();
      let isReleased = false;
      let lateCount = 0;
      let turn = 0;
      let controller = new AbortController();
      const reason = new Error('abort');
      const abortSoon = (): void => {
        let left = turn;
        const step = (): void => {
          if ((left -= 1) < 0) controller.abort(reason);
          else queueMicrotask(step);
        };
        step();
      };
      wrapQueries(pool, (query) => (...args) => {
        if (isReleased) lateCount += 1;
        const answer = query(...args);
        // The answer to the last query before the export's own: the hand-over between two steps.
        const isCheck = String(args[0]).includes('row_security_active');
        if (isCheck) void (answer as Promise<unknown>).then(abortSoon);
        return answer;
      });
      pool.on('acquire', () => (isReleased = false));
      pool.on('release', () => (isReleased = true));
      for (; turn < 40; turn += 1) {
        controller = new AbortController();
        const running = lane.export(pool, { userId: USER, signal: controller.signal });
        assert.equal(await failureOf(running.text()), reason);
        await assertReusable(pool);
      }
      assert.equal(lateCount, 0);
    }));
}
