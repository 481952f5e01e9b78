// Reading a Readable as `for await` does, but chunk by chunk.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { LineBytes, offerOutput } from '../../../src/stream/line-bytes.js';
import { pushedChunks } from '../../../src/stream/pushed-chunks.js';

function pushing(...chunks: readonly Buffer[]): Readable {
  const stream = new Readable({ read: () => undefined });
  for (const chunk of chunks) stream.push(chunk);
  return stream;
}

async function collected(stream: Readable): Promise<unknown[]> {
  const chunks: unknown[] = [];
  for await (const chunk of pushedChunks(stream)) chunks.push(chunk);
  return chunks;
}

const one = Buffer.from('one');
const two = Buffer.from('two');
const three = Buffer.from('three');

test('chunks that wait together come one by one, in the memory that they were pushed in', async () => {
  const stream = pushing(one, two);
  const chunks: unknown[] = [];
  for await (const chunk of pushedChunks(stream)) {
    chunks.push(chunk);
    if (chunk === one) stream.push(three);
    if (chunk === three) stream.push(null);
    await turn();
  }
  assert.equal(chunks.length, 3);
  assert.ok(chunks.every((chunk, index) => chunk === [one, two, three][index]));
  assert.equal(stream.readableEnded, true);
});

test('no more is taken than was asked for', async () => {
  const stream = pushing(one, two, three);
  const chunks = pushedChunks(stream);
  assert.equal((await chunks.next()).value, one);
  await turn();
  await turn();
  assert.equal(stream.readableLength, two.length + three.length);
  assert.equal((await chunks.next()).value, two);
  await turn();
  assert.equal(stream.readableLength, three.length);
  await chunks.return();
});

test('an error comes after the chunks before it were read, and as it is', async () => {
  const failure = new Error('gone');
  const stream = pushing(one);
  const chunks = pushedChunks(stream);
  assert.equal((await chunks.next()).value, one);
  stream.destroy(failure);
  await assert.rejects(chunks.next(), (error) => error === failure);
  assert.deepEqual(await chunks.next(), { done: true, value: undefined });
});

test('a stream that is destroyed without an error has ended before its end', async () => {
  const stream = pushing(one);
  const reading = collected(stream);
  await once(stream, 'data');
  stream.destroy();
  await assert.rejects(reading, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
});

test('what has happened to a stream before is told too', async () => {
  const failed = pushing(one).on('error', () => undefined);
  const failure = new Error('before');
  failed.destroy(failure);
  await turn();
  assert.equal(failed.closed, true);
  await assert.rejects(collected(failed), (error) => error === failure);

  const closed = pushing(one).destroy();
  await turn();
  assert.equal(closed.closed, true);
  await assert.rejects(collected(closed), { code: 'ERR_STREAM_PREMATURE_CLOSE' });

  const spent = pushing(one);
  spent.push(null);
  await collected(spent);
  assert.deepEqual(await collected(spent), []);
});

test('leaving early destroys the stream and leaves nothing on it', async () => {
  const stream = pushing(one, two);
  const listenersBefore = stream.eventNames();
  for await (const chunk of pushedChunks(stream)) {
    assert.equal(chunk, one);
    break;
  }
  assert.equal(stream.destroyed, true);
  assert.deepEqual(stream.eventNames(), listenersBefore);
});

test('a stream that was paused is read, and one that another listener looks at', async () => {
  const paused = pushing(one, two).pause();
  paused.push(null);
  assert.deepEqual(await collected(paused), [one, two]);

  const seen: unknown[] = [];
  const tapped = pushing(one, two).on('data', (chunk) => seen.push(chunk));
  tapped.push(null);
  assert.deepEqual(await collected(tapped), [one, two]);
  assert.deepEqual(seen, [one, two]);

  let readable = 0;
  const watched = new PassThrough().on('readable', () => {
    readable += 1;
  });
  watched.end(one);
  assert.deepEqual(await collected(watched), [one]);
  assert.ok(readable > 0);
});

test('a stream that still takes something in is left so when it has been read to its end', async () => {
  const taken: unknown[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write(chunk, _encoding, callback): void {
      taken.push(chunk);
      callback();
    },
  });
  stream.push(one);
  stream.push(null);
  assert.deepEqual(await collected(stream), [one]);
  assert.equal(stream.destroyed, false);
  stream.end(two);
  await once(stream, 'finish');
  assert.deepEqual(taken, [two]);
});

// Hands on `count` chunks of 64 KiB each, the first filled with 1, the second with 2 and so on.
function lending(count: number): Readable {
  const output = new LineBytes();
  let given = 0;
  const stream = new Readable({
    read(): void {
      if (given === count) this.push(null);
      else {
        output.reserve(chunkBytes);
        given += 1;
        output.bytes.fill(given, output.end, (output.end += chunkBytes));
        this.push(output.take());
      }
    },
  });
  offerOutput(stream, output);
  return stream;
}

const chunkBytes = 64 * 1024;

function isFilled(chunk: Uint8Array, value: number): boolean {
  return chunk.length === chunkBytes && chunk.every((byte) => byte === value);
}

test('a chunk goes back to the stream whose memory it is, once the next one is asked for', async () => {
  const memories = new Set<ArrayBufferLike>();
  let count = 0;
  const stream = lending(100);
  for await (const chunk of pushedChunks(stream) as AsyncIterable<Buffer>) {
    count += 1;
    // Who listens for something else is handed none.
    if (count === 2) stream.on('close', () => undefined);
    await turn();
    assert.ok(isFilled(chunk, count));
    memories.add(chunk.buffer);
  }
  assert.equal(count, 100);
  assert.ok(memories.size < 5, `${memories.size} slabs`);
});

test('a chunk that another listener was handed too does not go back', async () => {
  const stream = lending(100);
  const held: Buffer[] = [];
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    // From its tenth on the listener is not there any more, and still holds what it has.
    if (held.length === 10) stream.off('data', hold);
  };
  stream.on('data', hold);
  for await (const chunk of pushedChunks(stream)) assert.ok(chunk);
  assert.equal(held.length, 10);
  assert.ok(held.every((chunk, index) => isFilled(chunk, index + 1)));
});

test('a chunk that a listener of later times is handed does not go back', async () => {
  const stream = lending(100);
  let held: Buffer | undefined;
  let value: number | undefined;
  let count = 0;
  for await (const chunk of pushedChunks(stream)) {
    assert.ok(chunk);
    count += 1;
    if (count !== 50) continue;
    // It is a listener no more by the time that it is called.
    stream.once('data', (later: Buffer) => {
      held = later;
      value = later[0];
    });
  }
  assert.ok(held !== undefined && value !== undefined);
  assert.ok(isFilled(held, value));
});

test('a chunk that somebody has looked at and put back does not go back', async () => {
  const stream = lending(100);
  await once(stream, 'readable');
  const peeked = stream.read(chunkBytes) as Buffer;
  stream.unshift(peeked);
  assert.equal(stream.listenerCount('readable'), 0);
  let count = 0;
  for await (const chunk of pushedChunks(stream)) {
    assert.ok(chunk);
    count += 1;
  }
  assert.equal(count, 100);
  assert.ok(isFilled(peeked, 1));
});
