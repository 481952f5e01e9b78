// F12: the network goes silent without a goodbye, at each message in turn. The export gives up at the limit that
// holds there, and the pool is usable when the network is back.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { waitForBackendsIdle } from '../support/backends.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { startWireProxy } from '../support/wire-proxy.js';

const LIMIT_MS = 150;
const SLACK_MS = 250;

for (const lane of lanes) {
  test(`${lane.name}: F12 silence after each message of the client's ends within the limit`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 30 });
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      const limits = { connectTimeoutMs: LIMIT_MS, stallTimeoutMs: LIMIT_MS };
      const stages = new Set<string>();
      for (let unanswered = 1; ; unanswered += 1) {
        assert.ok(unanswered < 100, 'the export never ends');
        let silentSinceMs: number | undefined;
        let sentCount = 0;
        proxy.watch((direction) => {
          if (direction !== 'toServer' || (sentCount += 1) !== unanswered) return;
          proxy.pause();
          silentSinceMs = performance.now();
        });
        const running = lane.export(pool, { userId: USER, batchSize: 10, ...limits });
        const outcome = running.text().catch((error: unknown) => Promise.reject(error as Error));
        const settled = await settlesWithin(
          outcome.then(
            (text) => text,
            () => undefined,
          ),
          5_000,
        );
        if (settled !== undefined) {
          assert.deepEqual(eventIdsOf(settled), eventIdsUpTo(30));
          break;
        }
        const passedMs = performance.now() - (silentSinceMs ?? Infinity);
        assert.ok(
          passedMs < LIMIT_MS + SLACK_MS,
          `message ${String(unanswered)}: ${String(passedMs)} ms`,
        );
        const error = await failsWith(outcome, 'BACKUP_SOURCE_STALLED');
        assert.equal(error.details.limitMs, LIMIT_MS);
        stages.add(error.details.stage);
        proxy.heal();
        // A connection that the pool was still making has died with the network.
        (await settlesWithin(pool.connect(), 1_000, 'The next borrower')).release(true);
        await assertReusable(pool);
        (await pool.connect()).release(true);
        await waitForBackendsIdle(db);
      }
      assert.deepEqual([...stages], ['connect', 'begin', 'check', 'read', 'end']);
    }));
}
