// The flush hook in the byte lane: later lines wait for it, and a hook that fails takes the export with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import type { FlushProgress } from '../../src/index.js';
import { pgExportStream } from '../../src/postgres/index.js';
import { waitForBackend, waitForBackendsGone } from '../support/backends.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { collectText } from '../support/collect.js';
import { eventually } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { actAtRow } from '../support/row-functions.js';

async function withLog(
  rowCount: number,
  use: (db: TestDatabase) => Promise<void>,
  dataBytes = 100,
): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount, dataBytes });
    await use(db);
  });
}

test('the hook is called after each flushEvery lines and at the end for the rest, with totals', () =>
  withLog(25, async (db) => {
    for (const [flushEvery, expected] of [
      [10, [10, 20, 25]],
      [25, [25]],
      [5, [5, 10, 15, 20, 25]],
      [1000, [25]],
    ] as const) {
      const flushes: FlushProgress[] = [];
      const stream = pgExportStream(db.pool(), {
        userId: USER,
        flushEvery,
        onFlush: (progress) => flushes.push(progress),
      });
      const lines = (await collectText(stream)).split('\n').slice(0, -1);
      const bytesOf = (count: number): number =>
        Buffer.byteLength(
          lines
            .slice(0, count)
            .map((line) => `${line}\n`)
            .join(''),
        );
      assert.deepEqual(
        flushes,
        expected.map((count) => ({ lines: count, bytes: bytesOf(count) })),
      );
    }
  }));

test('an async hook holds back the lines after it, and calls never overlap', () =>
  withLog(
    500,
    async (db) => {
      let isRunning = false;
      let received = 0;
      const stream = pgExportStream(db.pool(), {
        userId: USER,
        flushEvery: 20,
        onFlush: async ({ lines, bytes }) => {
          assert.ok(!isRunning);
          isRunning = true;
          // The reader gets all that was flushed and not a byte more, however often it asks.
          await eventually(() => received === bytes, 2000, `The reader has ${bytes} bytes`);
          for (let turns = 0; turns < 3; turns += 1) await new Promise(setImmediate);
          assert.equal(received, bytes);
          assert.deepEqual(stream.progress, { lines, bytes });
          isRunning = false;
        },
      });
      stream.on('data', (piece: Buffer) => (received += piece.length));
      await once(stream, 'end');
      assert.equal(stream.summary().eventCount, 500);
      assert.equal(received, stream.summary().byteCount);
    },
    2000,
  ));

test('while a hook is under way the server waits, and nothing piles up', () =>
  withLog(
    3000,
    async (db) => {
      let letGo: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      const stream = pgExportStream(db.pool(), {
        userId: USER,
        flushEvery: 3000,
        flushIntervalMs: 1,
        onFlush: () => held,
      });
      const text = collectText(stream);
      await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Client/ClientWrite');
      const { bytes } = stream.progress;
      assert.ok(bytes < 10_000_000);
      letGo();
      assert.deepEqual(eventIdsOf(await text), eventIdsUpTo(3000));
    },
    10_000,
  ));

const failing: Readonly<Record<string, () => unknown>> = {
  throws: () => {
    throw new Error('canary');
  },
  rejects: () => Promise.reject(new Error('canary')),
  'never comes back': () => new Promise(() => undefined),
};

for (const [name, fail] of Object.entries(failing)) {
  for (const failsAt of [10, 2000]) {
    test(`a hook that ${name} at line ${failsAt} of 2000 fails the export`, () =>
      withLog(
        2000,
        async (db) => {
          const pool = db.pool();
          let calls = 0;
          const stream = pgExportStream(pool, {
            userId: USER,
            flushEvery: 10,
            hookTimeoutMs: 100,
            onFlush: ({ lines }) => {
              calls += 1;
              return lines === failsAt ? fail() : undefined;
            },
          });
          const error = await failsWith(collectText(stream), 'BACKUP_HOOK_FAILED');
          assert.deepEqual(error.details, {
            hook: 'onFlush',
            lineNumber: failsAt,
            ...(name === 'never comes back' && { limitMs: 100 }),
          });
          assert.equal(calls, failsAt / 10);
          assert.equal(stream.readableEnded, false);
          assert.throws(() => stream.summary(), TypeError);
          // In the middle the client is destroyed. (At the last line it may be through with its COMMIT.)
          if (failsAt === 10) {
            assert.equal(pool.totalCount, 0);
            await waitForBackendsGone(db);
          }
          await assertReusable(pool);
        },
        2000,
      ));
  }
}

test('the last hook may use the pool of one that the export came out of', () =>
  withLog(25, async (db) => {
    const pool = db.pool();
    const stream = pgExportStream(pool, {
      userId: USER,
      flushEvery: 1000,
      hookTimeoutMs: 3000,
      onFlush: () => pool.query('SELECT 1'),
    });
    assert.deepEqual(eventIdsOf(await collectText(stream)), eventIdsUpTo(25));
    await assertReusable(pool);
  }));

test('a hook slower than stallTimeoutMs is not the server’s fault, wherever it is called', () =>
  withLog(4, async (db) => {
    const stream = pgExportStream(db.pool(), {
      userId: USER,
      flushEvery: 1,
      stallTimeoutMs: 250,
      onFlush: () => new Promise((resolve) => setTimeout(resolve, 400)),
    });
    assert.deepEqual(eventIdsOf(await collectText(stream)), eventIdsUpTo(4));
  }));

test('flushIntervalMs hands on lines that wait for more, while the server sends no more', () =>
  withLog(20, async (db) => {
    // The server sends nothing on its own before 8 KiB: the first rows are fat enough for that.
    await db.admin.query(
      `UPDATE sync_changes SET data = to_jsonb(repeat('y', 9000)) WHERE record_id <> 'row-20'`,
    );
    await actAtRow(db, 20, 'PERFORM pg_sleep(1);');
    const flushes: number[] = [];
    const stream = pgExportStream(db.pool(), {
      userId: USER,
      maxBatchBytes: 100_000_000,
      flushIntervalMs: 20,
      onFlush: ({ lines }) => flushes.push(lines),
    });
    await collectText(stream);
    assert.equal(flushes.at(-1), 20);
    assert.ok(flushes.length >= 2 && flushes[0]! < 20, `flushes at ${flushes.join()}`);
    assert.equal(stream.summary().eventCount, 20);
  }));

test('a hook that reads the progress and asks for ready() finds both settled', () =>
  withLog(10, async (db) => {
    let readyAt: number | undefined;
    const stream: ReturnType<typeof pgExportStream> = pgExportStream(db.pool(), {
      userId: USER,
      flushEvery: 4,
      onFlush: async ({ lines }) => {
        await stream.ready();
        readyAt ??= lines;
      },
    });
    await collectText(stream);
    assert.equal(readyAt, 4);
  }));
