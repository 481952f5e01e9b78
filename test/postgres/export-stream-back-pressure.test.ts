// Hazard 12: the socket waits while the reader does, nothing is read beyond the bound, and no demand gets lost.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { SeededRandom } from '../../dev/random.js';
import { pgExportStream } from '../../src/postgres/index.js';
import { waitForBackend } from '../support/backends.js';
import { USER, fillLog } from '../support/change-log.js';
import { collectBytes } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable } from '../support/failures.js';

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

/** Reads by small sizes, pausing now and then for some turns of the loop. */
async function readInPieces(stream: Readable, random: SeededRandom): Promise<Buffer> {
  const ended = once(stream, 'end');
  const pieces: Buffer[] = [];
  const most = random.pick([10, 1000, 50_000]);
  while (!stream.readableEnded) {
    const size = random.integer(1, most);
    const piece = stream.read(Math.min(size, Math.max(1, stream.readableLength))) as Buffer | null;
    if (piece !== null) pieces.push(piece);
    if (piece === null) await Promise.race([once(stream, 'readable'), ended]);
    else if (random.chance(0.05)) for (let n = random.integer(0, 4); n > 0; n -= 1) await turn();
  }
  return Buffer.concat(pieces);
}

/** Lets it flow, and pauses and resumes at random, within and outside the data event. */
async function readInBursts(stream: Readable, random: SeededRandom): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const ended = once(stream, 'end');
  stream.on('data', (piece: Buffer) => {
    pieces.push(piece);
    if (!random.chance(0.5)) return;
    stream.pause();
    const resume = (): void => {
      stream.resume();
      // Reading and flowing mixed, as hosts do.
      if (random.chance(0.2)) stream.read(0);
    };
    if (random.chance(0.3)) process.nextTick(resume);
    else if (random.chance(0.5)) setImmediate(resume);
    else setTimeout(resume, random.integer(0, 3));
  });
  await ended;
  return Buffer.concat(pieces);
}

/** As `for await` does it, with turns between. */
async function readByIterator(stream: Readable, random: SeededRandom): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) {
    pieces.push(piece as Buffer);
    if (random.chance(0.3)) await turn();
  }
  return Buffer.concat(pieces);
}

test('hazard 12: readers of 30 odd patterns get every byte, and none of them hangs', () =>
  withLog({ rowCount: 1500, dataBytes: 400 }, async (db) => {
    const pool = db.pool();
    const whole = await collectBytes(pgExportStream(pool, { userId: USER }));
    assert.ok(whole.length > 900_000);
    const readers = [readInPieces, readInBursts, readByIterator];
    for (let seed = 1; seed <= 30; seed += 1) {
      const random = new SeededRandom(seed);
      const stream = pgExportStream(pool, {
        userId: USER,
        maxBatchBytes: random.pick([1, 100, 4000, 65_536, 262_144]),
        flushEvery: random.pick([1, 7, 500, 100_000]),
        onFlush: random.chance(0.5) ? undefined : () => (random.chance(0.2) ? turn() : undefined),
      });
      if (random.chance(0.5)) await stream.ready();
      const read = readers[seed % readers.length]!(stream, random);
      const bytes = await settlesWithin(read, 20_000, `the reader of seed ${seed}`);
      assert.ok(bytes.equals(whole), `seed ${seed}`);
    }
    await assertReusable(pool);
  }));

test('while nobody reads the server waits, and only the bound and a socket’s piece are held', () =>
  withLog({ rowCount: 3000, dataBytes: 10_000 }, async (db) => {
    const pool = db.pool();
    const maxBatchBytes = 100_000;
    const stream = pgExportStream(pool, { userId: USER, maxBatchBytes });
    await stream.ready();
    await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Client/ClientWrite');
    const held = stream.readableLength;
    // What pg takes off the socket in one go comes on top: 64 KiB and the row that it completes.
    assert.ok(held >= maxBatchBytes && held < maxBatchBytes + 200_000, `${held} bytes held`);
    assert.equal(stream.progress.bytes, held);
    for (let turns = 0; turns < 100; turns += 1) await turn();
    assert.equal(stream.readableLength, held);
    await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Client/ClientWrite');
    const bytes = await collectBytes(stream);
    assert.equal(bytes.length, stream.summary().byteCount);
    assert.equal(stream.summary().eventCount, 3000);
    await assertReusable(pool);
  }));

test('a reader of one piece at a time never finds more than the bound and a socket’s piece', () =>
  withLog({ rowCount: 2000, dataBytes: 5000 }, async (db) => {
    const maxBatchBytes = 50_000;
    const stream = pgExportStream(db.pool(), { userId: USER, maxBatchBytes });
    let most = 0;
    for await (const piece of stream) {
      assert.ok((piece as Buffer).length > 0);
      most = Math.max(most, stream.readableLength);
      await turn();
    }
    assert.ok(most < maxBatchBytes + 200_000, `${most} bytes waiting`);
    assert.equal(stream.summary().eventCount, 2000);
  }));

test('rows larger than the bound pass one by one', () =>
  withLog({ rowCount: 12, dataBytes: 3 << 20 }, async (db) => {
    const stream = pgExportStream(db.pool(), { userId: USER, maxBatchBytes: 1 });
    let most = 0;
    let bytes = 0;
    for await (const piece of stream) {
      bytes += (piece as Buffer).length;
      most = Math.max(most, stream.readableLength);
      await turn();
    }
    assert.ok(bytes > 12 * (3 << 20));
    assert.ok(most < 2 * (3 << 20), `${most} bytes waiting`);
    assert.equal(stream.summary().eventCount, 12);
  }));

test('a reader that stops at the very end holds no client, and the next export is not held up', () =>
  withLog({ rowCount: 10, dataBytes: 100 }, async (db) => {
    const pool = db.pool();
    const left: Readable[] = [];
    for (const maxBatchBytes of [1, 100, 2000, 5000, 262_144]) {
      const stream = pgExportStream(pool, { userId: USER, maxBatchBytes });
      await stream.ready();
      // More than the bound waits, but the server has sent all of it in one piece and is through.
      left.push(stream);
      await assertReusable(pool);
      const next = collectBytes(pgExportStream(pool, { userId: USER, maxBatchBytes }));
      await settlesWithin(next, 5000, `the next export at ${maxBatchBytes}`);
    }
    const [first, ...others] = await Promise.all(left.map((stream) => collectBytes(stream)));
    for (const other of others) assert.ok(other.equals(first!));
  }));
