// A reader that takes its time for each row of a large batch is no reader that has stopped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable } from '../support/failures.js';

test('pgChangeSource: F26 a batch may take longer than sinkStallTimeoutMs when its rows are taken', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 20 });
    const pool = db.pool();
    const options = { userId: USER, batchSize: 10, sinkStallTimeoutMs: 300 };
    let rowCount = 0;
    for await (const row of pgChangeSource(pool, options)) {
      assert.equal(row.userId, USER);
      rowCount += 1;
      await delay(80); // 10 rows of a batch: 800 ms, the pace that is tested
    }
    assert.equal(rowCount, 20);
    await assertReusable(pool);
  }));

test('pgChangeSource: F32 an abort ends the reading within a batch, with its reason', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 20 });
    const pool = db.pool();
    const aborter = new AbortController();
    const reason = new Error('enough');
    let rowCount = 0;
    await assert.rejects(
      async () => {
        const source = pgChangeSource(pool, { userId: USER, batchSize: 7, signal: aborter.signal });
        for await (const row of source) {
          assert.equal(row.userId, USER);
          rowCount += 1;
          if (rowCount === 3) aborter.abort(reason);
        }
      },
      (error) => error === reason,
    );
    assert.equal(rowCount, 3);
    await assertReusable(pool);
  }));
