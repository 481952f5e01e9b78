// F7, F8 and F18: the session dies, or its statement is cancelled, between reads and during one. The export fails;
// it never ends as if the rows so far were all.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pgChangeSource } from '../../src/postgres/index.js';
import {
  cancelBackend,
  isAsleep,
  terminateBackend,
  waitForBackend,
  waitForBackendAtRest,
  waitForBackendsGone,
  waitsForReader,
} from '../support/backends.js';
import { LONG_LOG, USER, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { sleepAtRow } from '../support/row-functions.js';

async function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, LONG_LOG);
    await use(db);
  });
}

/** Whatever was handed on before a failure is a beginning of the log, and not all of it. */
function assertBeginning(linesRead: readonly string[]): void {
  assert.ok(linesRead.length < LONG_LOG.rowCount);
  assert.deepEqual(
    linesRead.map((line) => line.slice(12, 48)),
    eventIdsUpTo(linesRead.length),
  );
}

for (const lane of lanes) {
  test(`${lane.name}: F7 hazards 1, 2 and 7: terminated between reads, while the reader pauses`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      await running.ready();
      const { pid } = await waitForBackend(db, waitsForReader);
      await terminateBackend(db, pid);
      await waitForBackendsGone(db);
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED', 2_000);
      assert.equal(error.details.stage, 'read');
      assertBeginning(running.linesRead);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F8 hazard 2: terminated during a read`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 120);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      const failure = failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      const { pid } = await waitForBackend(db, isAsleep);
      await terminateBackend(db, pid);
      const error = await settlesWithin(failure, 1_000);
      assert.equal(error.details.sqlState, '57P01');
      assertBeginning(running.linesRead);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F8 terminated during the first read, ready() tells it`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 1);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER });
      const failure = failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
      const { pid } = await waitForBackend(db, isAsleep);
      await terminateBackend(db, pid);
      const error = await settlesWithin(failure, 1_000);
      assert.equal(error.details.rowCount, 0);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F18 hazard 1: cancelled during a read`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 120);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 50 });
      const failure = failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      const { pid } = await waitForBackend(db, isAsleep);
      await cancelBackend(db, pid);
      const error = await settlesWithin(failure, 1_000);
      assert.equal(error.details.sqlState, '57014');
      assertBeginning(running.linesRead);
      await assertReusable(pool);
    }));
}

test('pgChangeSource: F7 the rows before the failure come in whole batches', () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    const source = pgChangeSource(pool, { userId: USER, batchSize: 50 });
    const sizes: number[] = [];
    const read = async (): Promise<void> => {
      for await (const batch of source.batches()) {
        sizes.push(batch.length);
        if (sizes.length > 1) continue;
        const { pid } = await waitForBackend(db, waitsForReader);
        await terminateBackend(db, pid);
        await waitForBackendsGone(db);
      }
    };
    await failsWith(read(), 'BACKUP_SOURCE_FAILED');
    assert.deepEqual(
      sizes,
      sizes.map(() => 50),
    );
    await assertReusable(pool);
  }));

test('pgChangeSource: F18 cancelled between reads, the export is whole: nothing was running', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 100 });
    let rowCount = 0;
    for await (const batch of pgChangeSource(db.pool(), {
      userId: USER,
      batchSize: 10,
    }).batches()) {
      rowCount += batch.length;
      const { pid } = await waitForBackendAtRest(db);
      await cancelBackend(db, pid);
    }
    assert.equal(rowCount, 100);
  }));
