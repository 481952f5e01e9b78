// F26 and F27: a reader that is slow gets everything; one that takes nothing is given up at the limit, and what the
// server sends ahead meanwhile does not count for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { waitForBackend, waitForBackendsGone } from '../support/backends.js';
import {
  LONG_LOG,
  USER,
  eventIdsOf,
  eventIdsUpTo,
  fillLog,
  linesOf,
} from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { actAtEachRow } from '../support/row-functions.js';

for (const lane of lanes) {
  test(`${lane.name}: F27 a reader that stops is given up within the limit, and no snapshot is held`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, LONG_LOG);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, sinkStallTimeoutMs: 300 });
      for await (const chunk of running.stream.iterator({ destroyOnReturn: false })) {
        assert.ok((chunk as Buffer).length > 0);
        break;
      }
      await waitForBackend(db, ({ hasSnapshot }) => hasSnapshot);
      await waitForBackendsGone(db, 300 + 1_000);
      const error = await failsWith(running.text(), 'BACKUP_SINK_STALLED');
      assert.deepEqual([error.details.limit, error.details.limitMs], ['sinkStallTimeoutMs', 300]);
      assert.ok(running.stream.destroyed);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F27 rows that go on coming are no sign of a reader that stopped`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      // Each row fills the server's send buffer, so that it is sent when it is read: one every 50 ms.
      await fillLog(db, { rowCount: 200, dataBytes: 20_000 });
      await actAtEachRow(db, `IF record_id <> 'row-1' THEN PERFORM pg_sleep(0.05); END IF;`);
      const pool = db.pool();
      const startMs = performance.now();
      const running = lane.export(pool, {
        userId: USER,
        maxBatchBytes: 1,
        batchSize: 200,
        sinkStallTimeoutMs: 300,
      });
      await running.ready();
      await waitForBackendsGone(db, 3_000);
      assert.ok(performance.now() - startMs < 3_000);
      await failsWith(running.text(), 'BACKUP_SINK_STALLED');
      await assertReusable(pool);
    }));

  for (const dataBytes of [20, 20_000]) {
    test(`${lane.name}: F26 pauses beyond stallTimeoutMs after each piece of ${String(dataBytes)}-byte rows are fine`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 12, dataBytes });
        const pool = db.pool();
        const options = { userId: USER, batchSize: 5, maxBatchBytes: 1, stallTimeoutMs: 200 };
        const running = lane.export(pool, options);
        await running.ready();
        await delay(450);
        const pieces: Buffer[] = [];
        for await (const chunk of running.stream) {
          if (pieces.push(chunk as Buffer) <= 3) await delay(450);
        }
        const text = Buffer.concat(pieces).toString();
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(12));
        assert.equal(linesOf(text).length, 12);
        await assertReusable(pool);
      }));
  }
}
