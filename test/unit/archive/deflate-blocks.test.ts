// One deflate stream made block by block: the same whatever the chunks were and whoever's memory they lay in,
// in order, and no further ahead than it may.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

import { deflateBlocks } from '../../../src/archive/deflate-blocks.js';
import type { CompressionLevel } from '../../../src/archive/index.js';
import { chunked } from '../../support/collect.js';
import { failureOf } from '../../support/failures.js';

const BLOCK = 2 * 1024 * 1024;
const WINDOW = 16 * 1024;

/** Lines that repeat some of what is up to 32 KiB before them. */
function logOf(byteCount: number): Buffer {
  let seed = 1;
  const bytes = Buffer.alloc(byteCount);
  for (let at = 0; at < byteCount;) {
    seed = (seed * 48_271) % 0x7fffffff;
    const from = at - 16 * (1 + (seed % 2000));
    if (from < 0 || seed % 3 === 0) at += bytes.write(seed.toString(36).padEnd(16, '"'), at);
    else at += bytes.copy(bytes, at, from, from + 16);
  }
  return bytes;
}

/** What comes of it by zlib's own means: each block with the end of the one before as its dictionary. */
function expectedOf(bytes: Buffer, level: number): readonly Buffer[] {
  const count = Math.floor(bytes.length / BLOCK) + 1;
  return Array.from({ length: count }, (_, index) => {
    const start = index * BLOCK;
    const finishFlush = index + 1 === count ? constants.Z_FINISH : constants.Z_SYNC_FLUSH;
    const dictionary = index === 0 ? {} : { dictionary: bytes.subarray(start - WINDOW, start) };
    // What is stored is cut where the memory for it is full.
    const fixed = { chunkSize: 768 * 1024, windowBits: 14, memLevel: 9 };
    const options = { level, ...fixed, finishFlush, ...dictionary };
    const block = bytes.subarray(start, start + BLOCK);
    const deflated = deflateRawSync(block, options);
    const isBomb = deflated.length * 200 < block.length;
    return isBomb ? deflateRawSync(block, { ...options, level: 0 }) : deflated;
  });
}

/** What is written for these chunks, each of which is overwritten once the next is asked for. */
async function deflatedOf(
  chunks: Iterable<Uint8Array>,
  level: CompressionLevel,
): Promise<readonly Buffer[]> {
  const memory = Buffer.alloc(3 * BLOCK);
  async function* reused(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      memory.set(chunk);
      yield memory.subarray(0, chunk.length);
      memory.fill(0xff, 0, chunk.length);
      await turn();
    }
  }
  const written: Buffer[] = [];
  await deflateBlocks(reused(), {
    level,
    write: async (deflated) => {
      written.push(Buffer.from(deflated));
      await turn();
    },
  });
  return written;
}

const log = logOf(9 * BLOCK + 1000);

for (const level of [0, 1, 6] as const) {
  test(`blocks deflated at level ${level} are one stream of the same bytes, however they were cut`, async () => {
    const bytes = log.subarray(0, 2 * BLOCK + 5000);
    const expected = Buffer.concat(expectedOf(bytes, level));
    for (const size of [BLOCK - 1, BLOCK, BLOCK + 1, 70_000, bytes.length]) {
      const deflated = Buffer.concat(await deflatedOf(chunked(bytes, size), level));
      assert.ok(deflated.equals(expected), `chunks of ${size} bytes`);
    }
    assert.ok(inflateRawSync(expected).equals(bytes));
  });
}

test('more blocks than are in flight at once keep their order and their bytes', async () => {
  const written = await deflatedOf(chunked(log, 100_000), 1);
  assert.equal(written.length, 10);
  assert.ok(inflateRawSync(Buffer.concat(written)).equals(log));
});

test('a stream ends, whatever its length', async () => {
  for (const length of [0, 1, BLOCK - 1, BLOCK, BLOCK + 1]) {
    const bytes = log.subarray(0, length);
    const written = await deflatedOf([Buffer.alloc(0), bytes, Buffer.alloc(0)], 1);
    assert.equal(written.length, length < BLOCK ? 1 : 2);
    assert.ok(inflateRawSync(Buffer.concat(written)).equals(bytes), `${length} bytes`);
  }
});

test('a block that would look like a bomb is stored, and no other', async () => {
  const bytes = Buffer.concat([Buffer.alloc(BLOCK), log.subarray(0, BLOCK), Buffer.alloc(1000)]);
  const written = await deflatedOf([bytes], 6);
  const sizes = written.map(({ length }) => length);
  assert.deepEqual(
    sizes,
    expectedOf(bytes, 6).map(({ length }) => length),
  );
  assert.ok(sizes[0]! > BLOCK && sizes[1]! < BLOCK && sizes[2]! < 100, String(sizes));
  assert.ok(inflateRawSync(Buffer.concat(written)).equals(bytes));
});

test('four blocks are read ahead of what is written, which is one at a time', async () => {
  let given = 0;
  function* blocks(): Generator<Uint8Array> {
    while (given < 8) {
      given += 1;
      yield log.subarray((given - 1) * BLOCK, given * BLOCK);
    }
  }
  const release: (() => void)[] = [];
  const reached = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (release.length >= count) resolve();
        else setImmediate(look);
      };
      look();
    });
  const ends = deflateBlocks(asyncOf(blocks()), {
    level: 1,
    write: () => new Promise((resolve) => release.push(resolve)),
  });
  for (let count = 1; count <= 9; count += 1) {
    await reached(count);
    for (let turns = 0; turns < 20; turns += 1) await turn();
    assert.equal(release.length, count);
    assert.equal(given, Math.min(count + 3, 8));
    release.at(-1)?.();
  }
  await ends;
});

async function* asyncOf(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    yield chunk;
    await turn();
  }
}

test('what reading or writing fails with is what all fails with, and told once', async () => {
  const gone = new Error('gone');
  const full = new Error('full');
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* asyncOf([log.subarray(0, BLOCK)]);
    throw gone;
  }
  const written = (): Promise<void> => Promise.resolve();
  assert.equal(await failureOf(deflateBlocks(failing(), { level: 1, write: written })), gone);
  // A write that nobody waits for any more fails too, which would end the process.
  let write: (() => void) | undefined;
  const wrote = new Promise<void>((resolve) => (write = resolve));
  const refuse = (): Promise<void> => {
    write?.();
    return Promise.reject(full);
  };
  assert.equal(await failureOf(deflateBlocks(failing(), { level: 1, write: refuse })), gone);
  await wrote;
  await turn();
  for (const bytes of [log, log.subarray(0, 10)]) {
    const chunks = asyncOf(chunked(bytes, BLOCK));
    assert.equal(await failureOf(deflateBlocks(chunks, { level: 1, write: refuse })), full);
  }
});
