// The small sources, sinks and timers that other tests are made of.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';

import {
  chunked,
  collect,
  collectBytes,
  collectText,
  failAfter,
  stallAfter,
} from '../support/collect.js';
import { eventually, settlesWithin } from '../support/deadline.js';

test('collect takes all of an iterable, async or not, and of a stream', async () => {
  assert.deepEqual(await collect([1, 2]), [1, 2]);
  assert.deepEqual(await collect(Readable.from(['a', 'b'])), ['a', 'b']);
});

test('chunked and collectBytes are each other’s inverse, for every size', async () => {
  const bytes = Buffer.from('Zoë 買い物');
  for (let size = 1; size <= bytes.length + 1; size += 1) {
    const pieces = [...chunked(bytes, size)];
    assert.equal(pieces.length, Math.ceil(bytes.length / size));
    assert.deepEqual(await collectBytes(pieces), bytes);
    assert.equal(await collectText(pieces), bytes.toString());
  }
  assert.deepEqual([...chunked('', 3)], []);
  assert.throws(() => [...chunked(bytes, 0)], RangeError);
});

test('collectText keeps a byte order mark and refuses what is no UTF-8', async () => {
  assert.equal(await collectText([Buffer.from('\ufeffa')]), '\ufeffa');
  await assert.rejects(collectText([Buffer.from([0xff])]), TypeError);
});

test('failAfter gives so many items and then the error', async () => {
  const error = new Error('mine');
  for (const count of [0, 1, 2]) {
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of failAfter([1, 2, 3], count, error)) seen.push(item);
    })();
    await assert.rejects(reading, error);
    assert.deepEqual(seen, [1, 2, 3].slice(0, count));
  }
  assert.deepEqual(await collect(failAfter([1, 2], 3)), [1, 2]);
});

test('stallAfter gives so many items and then nothing, not even an end', async () => {
  const items = stallAfter([1, 2], 2);
  assert.equal((await items.next()).value, 1);
  assert.equal((await items.next()).value, 2);
  await assert.rejects(settlesWithin(items.next(), 20, 'The read'), /The read .* pending after 20/);
});

test('settlesWithin passes on what the promise settles to', async () => {
  assert.equal(await settlesWithin(Promise.resolve(1), 1_000), 1);
  const error = new Error('mine');
  await assert.rejects(settlesWithin(Promise.reject(error), 1_000), error);
});

test('eventually gives the first answer that is neither undefined nor false', async () => {
  let asked = 0;
  const answer = await eventually(() => [undefined, false, 0][asked++], 1_000, 'An answer');
  assert.equal(answer, 0);
  assert.equal(asked, 3);
});

test('eventually says what it waited for and last saw', async () => {
  let asked = 0;
  const waiting = eventually(
    () => {
      asked += 1;
      return false;
    },
    20,
    () => `${String(asked)} questions`,
  );
  await assert.rejects(waiting, /^Error: \d+ questions: not so after 20 ms$/);
});
