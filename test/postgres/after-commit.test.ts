// After COMMIT the client is the pool's again, and the export is not over: its lines still wait for a reader. Until the
// end signal, stall limit and duration hold as before; an export below 256 KiB waits nowhere else.
import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import type pg from 'pg';

import { pgChangeSource, pgExportStream } from '../../src/postgres/index.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { collectText } from '../support/collect.js';
import { eventually } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { type LaneExport, type LaneOptions, lanes } from '../support/lanes.js';

const SETTLES_WITHIN_MS = 2_000;

async function withPool(use: (pool: pg.Pool) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 200, dataBytes: 200 });
    await use(db.pool());
  });
}

/** Settles when all rows are here, and the client is the pool's again. */
async function committed(pool: pg.Pool, running: Pick<LaneExport, 'ready'>): Promise<void> {
  await running.ready();
  await eventually(() => pool.idleCount === 1, SETTLES_WITHIN_MS, 'The client is back');
}

/** Settles when the export listens no more: it is over. Reading would be a sign of life, so nobody reads. */
async function letGo(signal: AbortSignal): Promise<void> {
  const isOver = (): boolean => getEventListeners(signal, 'abort').length === 0;
  await eventually(isOver, SETTLES_WITHIN_MS, 'The export is over');
}

/** A destination that takes one chunk and never says that it is through with it. */
function stuckSink(): Writable {
  return new Writable({ highWaterMark: 1, write: () => undefined });
}

for (const lane of lanes) {
  const begin = (pool: pg.Pool, options: Partial<LaneOptions> = {}): LaneExport =>
    lane.export(pool, { userId: USER, batchSize: 1000, ...options });

  test(`${lane.name}: F32 aborted after COMMIT and before the first read, reading rejects with the reason`, () =>
    withPool(async (pool) => {
      const controller = new AbortController();
      const running = begin(pool, { signal: controller.signal });
      await committed(pool, running);
      const reason = { name: 'a reason of the host, no error at all' };
      controller.abort(reason);
      assert.equal(await failureOf(running.text(), SETTLES_WITHIN_MS), reason);
      // The client is another borrower's, and the failure is none of its business.
      assert.equal(pool.totalCount, 1);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F27 nobody reads after COMMIT: given up at the limit, the client unharmed`, () =>
    withPool(async (pool) => {
      const { signal } = new AbortController();
      const running = begin(pool, { signal, sinkStallTimeoutMs: 200 });
      await committed(pool, running);
      await letGo(signal);
      const error = await failsWith(running.text(), 'BACKUP_SINK_STALLED');
      assert.deepEqual([error.details.limit, error.details.limitMs], ['sinkStallTimeoutMs', 200]);
      assert.equal(error.details.rowCount, 200);
      assert.equal(pool.totalCount, 1);
      await assertReusable(pool);
    }));

  test(`${lane.name}: maxDurationMs goes on after COMMIT`, () =>
    withPool(async (pool) => {
      const { signal } = new AbortController();
      const running = begin(pool, { signal, maxDurationMs: 1_000 });
      await committed(pool, running);
      await letGo(signal);
      const error = await failsWith(running.text(), 'BACKUP_SOURCE_STALLED');
      assert.deepEqual([error.details.limit, error.details.stage], ['maxDurationMs', 'end']);
      await assertReusable(pool);
    }));

  test(`${lane.name}: F32 aborted in the end event and after it, the export stays whole`, () =>
    withPool(async (pool) => {
      const controller = new AbortController();
      const running = begin(pool, { signal: controller.signal, sinkStallTimeoutMs: 100 });
      await committed(pool, running);
      running.stream.prependListener('end', () => {
        controller.abort();
      });
      assert.deepEqual(eventIdsOf(await running.text()), eventIdsUpTo(200));
      assert.equal(running.stream.errored, null);
      assert.equal(pool.totalCount, 1);
    }));
}

test('pgExportStream: F27 a pipeline into a sink that takes nothing more rejects at the limit', () =>
  withPool(async (pool) => {
    const stream = pgExportStream(pool, { userId: USER, sinkStallTimeoutMs: 200 });
    const sink = stuckSink();
    const piped = pipeline(stream, sink);
    await failsWith(piped, 'BACKUP_SINK_STALLED', SETTLES_WITHIN_MS);
    assert.ok(sink.destroyed);
    assert.equal(pool.idleCount, 1);
  }));

test('pgExportStream: F32 a pipeline into a sink that takes nothing more rejects with the reason', () =>
  withPool(async (pool) => {
    const controller = new AbortController();
    const stream = pgExportStream(pool, { userId: USER, signal: controller.signal });
    const piped = pipeline(stream, stuckSink());
    piped.catch(() => undefined); // looked at below
    await committed(pool, stream);
    const reason = new Error('the host has had enough');
    controller.abort(reason);
    assert.equal(await failureOf(piped, SETTLES_WITHIN_MS), reason);
    await assertReusable(pool);
  }));

test('pgExportStream: F32 aborted in a flush hook that is called after COMMIT', () =>
  withPool(async (pool) => {
    const controller = new AbortController();
    const reason = new Error('the host has had enough');
    const stream = pgExportStream(pool, {
      userId: USER,
      signal: controller.signal,
      onFlush: () => {
        setImmediate(() => {
          controller.abort(reason);
        });
        return new Promise(() => undefined);
      },
    });
    assert.equal(await failureOf(collectText(stream), SETTLES_WITHIN_MS), reason);
    assert.equal(pool.idleCount, 1);
  }));

test('pgExportStream: a hook after COMMIT that is slower than the limits of others is not given up', () =>
  withPool(async (pool) => {
    const stream = pgExportStream(pool, {
      userId: USER,
      stallTimeoutMs: 200,
      sinkStallTimeoutMs: 200,
      onFlush: () => new Promise((resolve) => setTimeout(resolve, 500)),
    });
    assert.deepEqual(eventIdsOf(await collectText(stream)), eventIdsUpTo(200));
  }));

test('pgExportStream: F26 a reader that takes the last lines in sips is not one that stalls', () =>
  withPool(async (pool) => {
    const stream = pgExportStream(pool, { userId: USER, sinkStallTimeoutMs: 500 });
    await committed(pool, stream);
    const startMs = performance.now();
    const sips: Buffer[] = [];
    while (performance.now() - startMs < 1_200) {
      sips.push(stream.read(100) as Buffer);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    sips.push(Buffer.from(await collectText(stream)));
    assert.deepEqual(eventIdsOf(Buffer.concat(sips).toString()), eventIdsUpTo(200));
  }));

test('pgExportStream: destroyed after COMMIT, the client stays in the pool', () =>
  withPool(async (pool) => {
    const stream = pgExportStream(pool, { userId: USER });
    await committed(pool, stream);
    stream.destroy();
    if (!stream.closed) await once(stream, 'close');
    assert.equal(stream.readableEnded, false);
    assert.equal(pool.idleCount, 1);
    await assertReusable(pool);
  }));

test('pgChangeSource: F32 aborted within the last batch, no further row is given', () =>
  withPool(async (pool) => {
    const controller = new AbortController();
    const source = pgChangeSource(pool, { userId: USER, signal: controller.signal });
    await committed(pool, source);
    const reason = new Error('the host has had enough');
    let rowCount = 0;
    const read = async (): Promise<void> => {
      for await (const row of source) {
        assert.equal(row.userId, USER);
        if ((rowCount += 1) === 3) controller.abort(reason);
      }
    };
    assert.equal(await failureOf(read(), SETTLES_WITHIN_MS), reason);
    assert.equal(rowCount, 3);
    await assertReusable(pool);
  }));

test('pgChangeSource: disposed after COMMIT, nothing more is read and the client stays', () =>
  withPool(async (pool) => {
    const { signal } = new AbortController();
    const source = pgChangeSource(pool, { userId: USER, signal });
    await committed(pool, source);
    await source[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    assert.ok((await failureOf(source[Symbol.asyncIterator]().next())) instanceof TypeError);
    assert.equal(pool.idleCount, 1);
  }));
