// A failure in the middle destroys the stream and never ends it: what came before are whole lines, or parts of one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import type pg from 'pg';

import { isBackupError } from '../../src/index.js';
import { pgExportStream } from '../../src/postgres/index.js';
import { waitForBackend, waitForBackendsGone } from '../support/backends.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { collect, collectText } from '../support/collect.js';
import { eventually, settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { raiseAtRow } from '../support/row-functions.js';
import { countEndings } from '../support/stream-compliance.js';
import { startWireProxy } from '../support/wire-proxy.js';

async function withLog(
  options: { rowCount: number; dataBytes: number },
  use: (db: TestDatabase) => Promise<void>,
): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, options);
    await use(db);
  });
}

for (const row of [1, 2, 1500, 2000]) {
  test(`an error of the server at row ${row} of 2000 destroys the stream, which never ends`, () =>
    withLog({ rowCount: 2000, dataBytes: 300 }, async (db) => {
      await raiseAtRow(db, row, 'P0042');
      const pool = db.pool();
      const stream = pgExportStream(pool, { userId: USER });
      const counts = countEndings(stream);
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      const error = await failsWith(once(stream, 'end'), 'BACKUP_SOURCE_FAILED');
      assert.deepEqual(error.details, {
        stage: 'read',
        rowCount: error.details.rowCount,
        relation: 'public.sync_changes',
        sqlState: 'P0042',
      });
      assert.ok(error.details.rowCount < row);
      if (!stream.closed) await once(stream, 'close');
      assert.deepEqual(counts, { finish: 0, end: 0, error: 1, close: 1, late: 0 });
      // Only whole lines are handed on, each of them once and in order.
      const text = Buffer.concat(chunks).toString();
      const ids = text === '' ? [] : eventIdsOf(text);
      assert.deepEqual(ids, eventIdsUpTo(ids.length));
      assert.ok(ids.length < row);
      assert.throws(() => stream.summary(), TypeError);
      await assertReusable(pool);
    }));
}

test('an error of the server destroys the destination of a pipeline', () =>
  withLog({ rowCount: 2000, dataBytes: 300 }, async (db) => {
    await raiseAtRow(db, 1500, 'P0042');
    const sink = new PassThrough();
    sink.resume();
    const piped = pipeline(pgExportStream(db.pool(), { userId: USER }), sink);
    await failsWith(piped, 'BACKUP_SOURCE_FAILED');
    assert.ok(sink.destroyed);
    assert.equal(sink.readableEnded, false);
  }));

for (const kind of ['end', 'reset'] as const) {
  test(`a connection that is cut (${kind}) anywhere never looks like an end`, () =>
    withLog({ rowCount: 300, dataBytes: 100 }, async (db) => {
      const proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      try {
        await collect(pgExportStream(pool, { userId: USER }));
        await pool.query('SELECT 1');
        const { toClient } = proxy.byteCounts;
        // The last bytes belong to COMMIT and to the query after it.
        for (let share = 1; share <= 12; share += 1) {
          proxy.heal();
          await eventually(() => pool.totalCount === 0, 2000, 'The pool has noticed');
          proxy.cutAfter(Math.floor((toClient * 0.95 * share) / 12), { kind });
          const stream = pgExportStream(pool, { userId: USER, stallTimeoutMs: 3000 });
          await failsWith(collectText(stream), 'BACKUP_SOURCE_FAILED');
        }
        proxy.heal();
        await eventually(() => pool.totalCount === 0, 2000, 'The pool has noticed');
        const text = await collectText(pgExportStream(pool, { userId: USER }));
        assert.deepEqual(eventIdsOf(text), eventIdsUpTo(300));
      } finally {
        await pool.end();
        await proxy.close();
      }
    }));
}

test('nobody reads after ready(): the stream fails in time, the client and its backend are gone', () =>
  withLog({ rowCount: 3000, dataBytes: 10_000 }, async (db) => {
    const pool = db.pool();
    const stream = pgExportStream(pool, { userId: USER, sinkStallTimeoutMs: 200 });
    const failure = once(stream, 'error');
    await stream.ready();
    const backend = await waitForBackend(db);
    assert.match(backend.query, /^COPY/);
    const [error] = (await settlesWithin(failure, 2000, 'the failure')) as unknown[];
    assert.ok(isBackupError(error, 'BACKUP_SINK_STALLED'));
    assert.equal(error.details.limit, 'sinkStallTimeoutMs');
    assert.equal(error.details.limitMs, 200);
    assert.equal(pool.totalCount, 0);
    await waitForBackendsGone(db);
    await assertReusable(pool);
  }));

test('a reader that takes something now and then is not one that stalls', () =>
  withLog({ rowCount: 300, dataBytes: 10_000 }, async (db) => {
    const stream = pgExportStream(db.pool(), {
      userId: USER,
      sinkStallTimeoutMs: 500,
      maxBatchBytes: 100_000,
    });
    const startedMs = performance.now();
    for await (const piece of stream) {
      assert.ok((piece as Buffer).length > 0);
      // Far less than the limit each time, far more in all: 3 MB in pieces of about 100 kB.
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    assert.ok(performance.now() - startedMs > 500);
    assert.equal(stream.summary().eventCount, 300);
  }));

test('who awaits ready() and gets its error need not listen to the stream as well', async () => {
  const refused = Object.assign(new Error('canary'), { code: 'ECONNREFUSED' });
  const connect = (): Promise<pg.PoolClient> => Promise.reject(refused);
  const stream = pgExportStream({ connect }, { userId: USER });
  const error = await failsWith(stream.ready(), 'BACKUP_SOURCE_FAILED');
  // An 'error' event without a listener would be an uncaught exception, and fail this test.
  if (!stream.closed) await once(stream, 'close');
  assert.equal(stream.errored, error);
  assert.equal(await failureOf(collectText(stream)), error);
  assert.equal(await failureOf(pipeline(stream, new PassThrough())), error);
});

test('a failure after ready() is told to whoever reads, once somebody does', () =>
  withLog({ rowCount: 3000, dataBytes: 1000 }, async (db) => {
    await raiseAtRow(db, 2900, 'P0042');
    const stream = pgExportStream(db.pool(), { userId: USER });
    await stream.ready();
    await failsWith(collectText(stream), 'BACKUP_SOURCE_FAILED');
  }));

test('a failure between ready() and the first read waits for the reader', () =>
  withLog({ rowCount: 3, dataBytes: 10 }, async (db) => {
    await db.admin.query(
      `UPDATE sync_changes SET created_at = 'infinity' WHERE record_id = 'row-3'`,
    );
    const stream = pgExportStream(db.pool(), { userId: USER });
    await stream.ready().catch(() => undefined);
    if (!stream.closed) await once(stream, 'close');
    const sink = new PassThrough();
    await failsWith(pipeline(stream, sink), 'BACKUP_ROW_UNMAPPABLE');
    assert.ok(sink.destroyed);
  }));

test('an empty log is zero bytes, an end, and a summary', () =>
  withLog({ rowCount: 0, dataBytes: 0 }, async (db) => {
    const pool = db.pool();
    for (let round = 1; round <= 3; round += 1) {
      const flushes: unknown[] = [];
      const onFlush = (progress: unknown): void => void flushes.push(progress);
      const stream = pgExportStream(pool, { userId: USER, onFlush });
      const counts = countEndings(stream);
      await stream.ready();
      assert.throws(() => stream.summary(), TypeError);
      assert.deepEqual(await collect(stream), []);
      assert.deepEqual(flushes, []);
      assert.deepEqual(stream.progress, { lines: 0, bytes: 0 });
      assert.deepEqual(stream.summary(), {
        eventCount: 0,
        byteCount: 0,
        sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
        apps: [],
      });
      assert.deepEqual(counts, { finish: 0, end: 1, error: 0, close: 1, late: 0 });
    }
    await assertReusable(pool);
  }));

test('summary() is there from the end on, not while lines still wait for the reader', () =>
  withLog({ rowCount: 50, dataBytes: 50 }, async (db) => {
    const pool = db.pool();
    const stream = pgExportStream(pool, { userId: USER });
    assert.throws(() => stream.summary(), TypeError);
    await stream.ready();
    await eventually(() => pool.idleCount === 1, 2000, 'The client is back');
    assert.equal(stream.progress.lines, 50);
    assert.throws(() => stream.summary(), TypeError);
    let atEnd: number | undefined;
    stream.once('end', () => (atEnd = stream.summary().eventCount));
    const text = await collectText(stream);
    assert.equal(atEnd, 50);
    assert.equal(stream.summary().byteCount, Buffer.byteLength(text));
  }));

test('progress counts what was handed on, whole lines at a time, and only ever grows', () =>
  withLog({ rowCount: 2000, dataBytes: 400 }, async (db) => {
    const stream = pgExportStream(db.pool(), { userId: USER, maxBatchBytes: 10_000 });
    assert.deepEqual(stream.progress, { lines: 0, bytes: 0 });
    let last = stream.progress;
    let bytes = 0;
    let newlines = 0;
    for await (const piece of stream) {
      bytes += (piece as Buffer).length;
      newlines += (piece as Buffer).toString('latin1').split('\n').length - 1;
      const { progress } = stream;
      assert.ok(progress.lines >= last.lines && progress.bytes >= last.bytes);
      assert.ok(progress.bytes >= bytes && progress.lines >= newlines);
      last = progress;
    }
    assert.deepEqual(stream.progress, { lines: 2000, bytes });
    assert.equal(newlines, 2000);
  }));
