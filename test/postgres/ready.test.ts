// ready(): the host's chance to answer 503, since by the time it settles the database has given its first rows, the
// proof that there are none, or a typed refusal.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { eventually } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

for (const lane of lanes) {
  test(`${lane.name}: an export leases no client before ready() or the first read`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const pool = db.pool();
      lane.export(pool, { userId: USER });
      await assertReusable(pool);
      assert.equal(pool.totalCount - pool.idleCount, 0);
    }));

  test(`${lane.name}: ready() may be called any number of times, before, during and after reading`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 500 });
      const running = lane.export(db.pool(), { userId: USER, batchSize: 50 });
      await Promise.all([running.ready(), running.ready()]);
      await running.ready();
      const text = running.text();
      await running.ready();
      assert.deepEqual(eventIdsOf(await text), eventIdsUpTo(500));
      await running.ready();
    }));

  test(`${lane.name}: for an empty log ready() means that the client is back in the pool`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER });
      await running.ready();
      assert.equal(pool.idleCount, 1);
      await assertReusable(pool);
      assert.equal(await running.text(), '');
    }));

  test(`${lane.name}: after ready() has rejected, reading rejects with the same error`, () =>
    withDatabase(async (db) => {
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER });
      const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
      assert.equal(await failsWith(running.text(), 'BACKUP_SOURCE_FAILED'), error);
      assert.equal(await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED'), error);
      await assertReusable(pool);
    }));

  test(`${lane.name}: an export that nobody reads after ready() gives its client back within the limit`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 300, dataBytes: 100_000 });
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, sinkStallTimeoutMs: 200 });
      await running.ready();
      await eventually(() => pool.totalCount === 0, 1_000, 'The client is destroyed');
      const error = await failsWith(running.text(), 'BACKUP_SINK_STALLED');
      assert.equal(error.details.limit, 'sinkStallTimeoutMs');
      await assertReusable(pool);
    }));
}
