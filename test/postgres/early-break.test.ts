// Leaving early, in every way that there is, gives the client back: a pool of one is usable straight afterwards.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';

import { pgChangeSource } from '../../src/postgres/index.js';
import {
  isAsleep,
  waitForBackend,
  waitForBackendsGone,
  waitForBackendsIdle,
} from '../support/backends.js';
import { LONG_LOG, USER, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failureOf } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { sleepAtRow } from '../support/row-functions.js';

async function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, LONG_LOG);
    await use(db);
  });
}

for (const lane of lanes) {
  test(`${lane.name}: hazards 2, 4 and 13: leaving after the first bytes three times, with a pool of one`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      for (let round = 1; round <= 3; round += 1) {
        const { stream } = lane.export(pool, { userId: USER });
        for await (const chunk of stream) {
          assert.ok((chunk as Buffer).length > 0);
          break;
        }
        assert.ok(stream.destroyed);
      }
      await assertReusable(pool);
      await waitForBackendsIdle(db);
      const { stream } = lane.export(pool, { userId: USER, tables: ['none'] });
      assert.equal((await stream.toArray()).length, 0);
    }));

  test(`${lane.name}: F34 a sink that fails frees the client, and its error stays that error`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const mine = new Error('the sink failed');
      let writeCount = 0;
      const sink = new Writable({
        write: (_chunk, _encoding, callback) => callback((writeCount += 1) > 3 ? mine : null),
      });
      const { stream } = lane.export(pool, { userId: USER, batchSize: 50 });
      assert.equal(await failureOf(pipeline(stream, sink)), mine);
      await assertReusable(pool);
      await waitForBackendsIdle(db);
    }));

  test(`${lane.name}: F34 a sink that closes without an error is a premature close for the host`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const sink = new Writable({
        write(_chunk, _encoding, callback) {
          this.destroy();
          callback();
        },
      });
      const { stream } = lane.export(pool, { userId: USER, batchSize: 50 });
      const error = (await failureOf(pipeline(stream, sink))) as NodeJS.ErrnoException;
      assert.equal(error.code, 'ERR_STREAM_PREMATURE_CLOSE');
      await assertReusable(pool);
      await waitForBackendsIdle(db);
    }));

  test(`${lane.name}: destroying the stream before its first byte frees the client`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const { stream } = lane.export(pool, { userId: USER });
      stream.destroy();
      await settlesWithin(once(stream, 'close'), 1_000);
      await assertReusable(pool);
    }));

  test(`${lane.name}: hazard 8: destroying the stream while a read is pending ends the server's work too`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 5);
      const pool = db.pool();
      const { stream } = lane.export(pool, { userId: USER, batchSize: 2 });
      stream.resume();
      await waitForBackend(db, isAsleep);
      stream.destroy();
      await settlesWithin(once(stream, 'close'), 1_000);
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }));
}

test('pgChangeSource: hazards 2 and 4: break after one row three times, with a pool of one', () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    for (let round = 1; round <= 3; round += 1) {
      for await (const row of pgChangeSource(pool, { userId: USER, batchSize: 10 })) {
        assert.equal(row.recordId, 'row-1');
        break;
      }
    }
    await assertReusable(pool);
    await waitForBackendsIdle(db);
  }));

test('pgChangeSource: break after one batch three times, with a pool of one', () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    for (let round = 1; round <= 3; round += 1) {
      for await (const batch of pgChangeSource(pool, { userId: USER, batchSize: 10 }).batches()) {
        assert.equal(batch.length, 10);
        break;
      }
    }
    await assertReusable(pool);
  }));

test('pgChangeSource: break at the last row, before the end was told, frees the client', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 20 });
    const pool = db.pool();
    for (let round = 1; round <= 3; round += 1) {
      for await (const row of pgChangeSource(pool, { userId: USER, batchSize: 10 })) {
        if (row.recordId === 'row-20') break;
      }
    }
    await assertReusable(pool);
  }));

test("pgChangeSource: an error of the reader's own frees the client and stays that error", () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    const mine = new Error('the reader failed');
    const read = async (): Promise<void> => {
      for await (const row of pgChangeSource(pool, { userId: USER })) {
        if (row.recordId === 'row-3') throw mine;
      }
    };
    assert.equal(await failureOf(read()), mine);
    await assertReusable(pool);
  }));

test('pgChangeSource: await using frees the client, and is harmless after the end', () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    {
      await using source = pgChangeSource(pool, { userId: USER });
      await source.ready();
    }
    await assertReusable(pool);
    {
      await using source = pgChangeSource(pool, { userId: USER, tables: ['none'] });
      for await (const row of source) assert.fail(row.recordId);
      await source[Symbol.asyncDispose]();
    }
    await assertReusable(pool);
  }));

test('pgChangeSource: hazard 6: return() during a pending read settles at once', () =>
  withLongLog(async (db) => {
    await sleepAtRow(db, 5);
    const pool = db.pool();
    const rows = pgChangeSource(pool, { userId: USER, batchSize: 2 })[Symbol.asyncIterator]();
    for (let n = 1; n <= 4; n += 1) await rows.next();
    const pending = failureOf(rows.next());
    await waitForBackend(db, isAsleep);
    await settlesWithin(rows.return?.() ?? Promise.reject(new Error('no return')), 250);
    assert.ok((await pending) instanceof TypeError);
    assert.deepEqual(await rows.next(), { done: true, value: undefined });
    await waitForBackendsGone(db);
    await assertReusable(pool);
  }));

test('pgChangeSource: hazard 3: reads that overlap get each row once, in order', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 95 });
    const rows = pgChangeSource(db.pool(), { userId: USER, batchSize: 10 })[Symbol.asyncIterator]();
    const results = await settlesWithin(
      Promise.all(Array.from({ length: 100 }, () => rows.next())),
      5_000,
    );
    const ids = results.flatMap((result) => (result.done === true ? [] : [result.value.id]));
    assert.deepEqual(ids, eventIdsUpTo(95));
  }));

test('nothing of the server comes out of a socket that a break has destroyed', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 40, dataBytes: 20_000 });
    const pool = db.pool({ max: 1 });
    let lateCount = 0;
    pool.on('connect', (client) => {
      const { stream } = (client as unknown as { readonly connection: { readonly stream: Socket } })
        .connection;
      stream.on('data', () => {
        if (stream.destroyed) lateCount += 1;
      });
    });
    for (let last = 1; last <= 40; last += 1) {
      let count = 0;
      for await (const row of pgChangeSource(pool, { userId: USER, maxBatchBytes: 1 })) {
        assert.equal(row.userId, USER);
        count += 1;
        if (count === last) break;
        // Time for what comes next to arrive at a socket that does not hand it out.
        for (let turn = 0; turn < 20; turn += 1) await setImmediate();
      }
    }
    await assertReusable(pool);
    assert.equal(lateCount, 0);
  }));
