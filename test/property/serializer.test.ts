// JsonlSerializer: the same bytes however the rows come, the flushes fall and the reader reads.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';

import { changeSourceFrom, JsonlSerializer } from '../../src/index.js';
import type { ChangeRow, FlushProgress } from '../../src/index.js';
import { anyRow } from '../support/arbitraries.js';
import { changeRows, jsonlOf } from '../support/change-rows.js';
import { collect, collectBytes } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';

const NEVER_ENDS_MS = 10_000;

/** Ways to read all of a stream. */
const readers: Readonly<Record<string, (stream: Readable) => Promise<Buffer>>> = {
  'as it comes': collectBytes,
  'a few bytes at a time': async (stream) => {
    const pieces: Buffer[] = [];
    stream.on('readable', () => {
      for (let piece = take(stream); piece !== null; piece = take(stream)) pieces.push(piece);
    });
    await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
    return Buffer.concat(pieces);
  },
  'one look at a time': async (stream) => {
    const pieces: Buffer[] = [];
    while (!stream.readableEnded && !stream.destroyed) {
      const piece = stream.read() as Buffer | null;
      if (piece !== null) pieces.push(piece);
      await turn();
    }
    return Buffer.concat(pieces);
  },
  'into a slow sink': async (stream) => {
    const pieces: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 1,
      write(piece: Buffer, _encoding, callback) {
        pieces.push(Buffer.from(piece));
        setImmediate(callback);
      },
    });
    await pipeline(stream, sink);
    return Buffer.concat(pieces);
  },
};

function take(stream: Readable): Buffer | null {
  return (stream.read(Math.min(stream.readableLength, 40_000)) ?? stream.read()) as Buffer | null;
}

/** The rows cut into arrays of these sizes, in turn; 0 is a single row. */
function cut(rows: readonly ChangeRow[], sizes: readonly number[]): (ChangeRow | ChangeRow[])[] {
  const items: (ChangeRow | ChangeRow[])[] = [];
  for (let start = 0, turnNumber = 0; start < rows.length; turnNumber += 1) {
    const size = sizes[turnNumber % sizes.length] ?? 0;
    items.push(size === 0 ? rows[start]! : rows.slice(start, start + size));
    start += Math.max(size, 1);
  }
  return items;
}

const sizesOf = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 5 });
const hook = fc.constantFrom('none' as const, 'sync', 'microtask', 'turn');

function hookOf(
  kind: 'none' | 'sync' | 'microtask' | 'turn',
  seen: FlushProgress[],
): undefined | ((p: FlushProgress) => unknown) {
  if (kind === 'none') return undefined;
  let running = 0;
  return (progress) => {
    seen.push(progress);
    running += 1;
    assert.equal(running, 1);
    const leave = (): void => {
      running -= 1;
    };
    if (kind === 'sync') leave();
    else return (kind === 'turn' ? turn() : Promise.resolve()).then(leave);
    return undefined;
  };
}

describe('a JsonlSerializer', () => {
  for (const [how, read] of Object.entries(readers)) {
    test(`gives the same bytes and flushes for any rows, in any arrays, read ${how}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            count: fc.integer({ min: 0, max: 1500 }),
            dataBytes: fc.constantFrom(0, 100, 1000),
            fat: fc.array(fc.constantFrom(70_000, 300_000), { maxLength: 2 }),
            sizes: sizesOf,
            flushEvery: fc.integer({ min: 1, max: 600 }),
            flushIntervalMs: fc.constantFrom(undefined, 1),
            hook,
          }),
          async ({ count, dataBytes, fat, sizes, flushEvery, flushIntervalMs, hook: kind }) => {
            const rows = [
              ...changeRows(count, dataBytes),
              ...fat.flatMap((size) => changeRows(1, size)),
              ...changeRows(3),
            ];
            const flushes: FlushProgress[] = [];
            const serializer = new JsonlSerializer({
              flushEvery,
              flushIntervalMs,
              onFlush: hookOf(kind, flushes),
            });
            const writing = pipeline(Readable.from(cut(rows, sizes)), serializer);
            const [bytes] = await settlesWithin(
              Promise.all([read(serializer), writing]),
              NEVER_ENDS_MS,
            );
            const expected = Buffer.from(jsonlOf(rows));
            assert.ok(bytes.equals(expected));
            const summary = serializer.summary();
            assert.equal(summary.eventCount, rows.length);
            assert.equal(summary.byteCount, expected.length);
            assert.equal(summary.sha256, createHash('sha256').update(expected).digest('hex'));
            if (kind === 'none') return;
            assert.deepEqual(flushes.at(-1), { lines: rows.length, bytes: expected.length });
            for (const [index, { lines, bytes: byteCount }] of flushes.entries()) {
              const before = flushes[index - 1]?.lines ?? 0;
              assert.ok(lines > before && lines - before <= flushEvery);
              assert.equal(
                expected.subarray(0, byteCount).toString().split('\n').length,
                lines + 1,
              );
              const isLast = index === flushes.length - 1;
              if (flushIntervalMs === undefined && !isLast)
                assert.equal(lines - before, flushEvery);
            }
          },
        ),
        { numRuns: 25 },
      );
    });
  }

  test('gives for any row the line of that row', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 20 }), sizesOf, async (rows, sizes) => {
        const serializer = new JsonlSerializer({ flushEvery: 3 });
        const writing = pipeline(Readable.from(cut(rows, sizes)), serializer);
        const [bytes] = await Promise.all([collectBytes(serializer), writing]);
        assert.equal(bytes.toString(), jsonlOf(rows));
      }),
    );
  });

  test('that is destroyed at any moment closes once and tells no other error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          turns: fc.nat(12),
          flushEvery: fc.integer({ min: 1, max: 50 }),
          hook,
          isRead: fc.boolean(),
          isFailure: fc.boolean(),
        }),
        async ({ turns, flushEvery, hook: kind, isRead, isFailure }) => {
          const serializer = new JsonlSerializer({
            flushEvery,
            flushIntervalMs: 60_000,
            onFlush: hookOf(kind, []),
          });
          const failure = new Error('on purpose');
          const heard: unknown[] = [];
          serializer
            .on('error', (error) => heard.push(error))
            .on('close', () => heard.push('close'));
          serializer.write(changeRows(400, 1000));
          serializer.write(changeRows(1)[0]);
          if (isRead) serializer.resume();
          for (let count = 0; count < turns; count += 1) await turn();
          serializer.destroy(isFailure ? failure : undefined);
          for (let count = 0; count < 4; count += 1) await turn();
          assert.deepEqual(heard, isFailure ? [failure, 'close'] : ['close']);
        },
      ),
    );
  });
});

describe('a source', () => {
  test('gives all rows in order to reads that overlap in any way', async () => {
    const rows = changeRows(40);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        fc.boolean(),
        async (overlaps, isAsync) => {
          const given = isAsync ? Readable.from(rows) : rows;
          const iterator = changeSourceFrom(given)[Symbol.asyncIterator]();
          const seen: ChangeRow[] = [];
          for (let round = 0; seen.length < rows.length; round += 1) {
            const width = overlaps[round % overlaps.length] ?? 1;
            const results = await Promise.all(Array.from({ length: width }, () => iterator.next()));
            for (const result of results) if (result.done !== true) seen.push(result.value);
          }
          assert.deepEqual(seen, rows);
          assert.equal((await iterator.next()).done, true);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('gives the same rows by batches', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1600 }), async (count) => {
        const rows = changeRows(count, 1);
        const batches = await collect(changeSourceFrom(rows).batches());
        assert.deepEqual(batches.flat(), rows);
      }),
      { numRuns: 20 },
    );
  });
});
