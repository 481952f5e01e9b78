// The object lane's batches: bounded by rows and by bytes, one read ahead, and the reader's own time is its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable } from '../support/failures.js';

test('pgChangeSource: a batch has batchSize rows, the last one the rest', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 25 });
    const pool = db.pool();
    for (const [batchSize, expected] of [
      [1, Array.from({ length: 25 }, () => 1)],
      [10, [10, 10, 5]],
      [25, [25]],
      [26, [25]],
    ] as const) {
      const sizes: number[] = [];
      for await (const batch of pgChangeSource(pool, { userId: USER, batchSize }).batches()) {
        sizes.push(batch.length);
      }
      assert.deepEqual(sizes, expected);
    }
  }));

test('pgChangeSource: a batch ends with the row that fills maxBatchBytes', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 10, dataBytes: 10_000 });
    const pool = db.pool();
    for (const [maxBatchBytes, expected] of [
      [1, Array.from({ length: 10 }, () => 1)],
      [15_000, [2, 2, 2, 2, 2]],
      [25_000, [3, 3, 3, 1]],
      [1_000_000, [10]],
    ] as const) {
      const sizes: number[] = [];
      for await (const batch of pgChangeSource(pool, { userId: USER, maxBatchBytes }).batches()) {
        sizes.push(batch.length);
      }
      assert.deepEqual(sizes, expected);
    }
  }));

test('pgChangeSource: rows that wait at the end of the log do not make the server seem silent', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 20 });
    const pool = db.pool();
    // All rows and the end arrive at once; the socket is paused, since they are 20 batches.
    const source = pgChangeSource(pool, { userId: USER, maxBatchBytes: 1, stallTimeoutMs: 200 });
    await source.ready();
    await delay(450);
    const ids: string[] = [];
    for await (const row of source) ids.push(row.id);
    assert.deepEqual(ids, eventIdsUpTo(20));
    await assertReusable(pool);
  }));
