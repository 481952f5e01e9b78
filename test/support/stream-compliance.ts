// What every stream of the library keeps to, whatever it carries: one ending, told once, and told to everybody.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, type Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { settlesWithin } from './deadline.js';
import { failureOf } from './failures.js';

const NEVER_ENDS_MS = 10_000;

/** A stream under test. */
export interface ComplianceSubject {
  /** A fresh stream; asked once for each test. */
  readonly make: () => Readable | Promise<Readable>;
  /** What is written into it and then ended, if it is a Duplex. Must give at least one chunk. */
  readonly input?: readonly unknown[];
  /** The same, for an input on which the stream itself fails. */
  readonly failingInput?: readonly unknown[];
}

/** Counts what a stream tells of its ending, from now on. */
export interface EndingCounts {
  readonly finish: number;
  readonly end: number;
  readonly error: number;
  readonly close: number;
  /** Chunks that came after `close`, or after `end`. */
  readonly late: number;
}

/** Listens to a stream's endings without making it flow. */
export function countEndings(stream: Readable): EndingCounts {
  const counts = { finish: 0, end: 0, error: 0, close: 0, late: 0 };
  for (const event of ['finish', 'end', 'error', 'close'] as const) {
    stream.on(event, () => {
      counts[event] += 1;
    });
  }
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, ...rest) => {
    if (chunk !== null && (counts.close > 0 || counts.end > 0)) counts.late += 1;
    return push(chunk, ...rest);
  };
  return counts;
}

/** Lets everything run that is already due, so that a second ending would show. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await turn();
}

function within<T>(promise: Promise<T>, what: string): Promise<T> {
  return settlesWithin(promise, NEVER_ENDS_MS, what);
}

function feed(stream: Readable, input: readonly unknown[]): void {
  if (!(stream instanceof Duplex)) return;
  for (const item of input) stream.write(item);
  stream.end();
}

/** Once the first chunk is there to be read. */
async function firstChunk(stream: Readable): Promise<void> {
  if (stream.readableLength === 0) await within(once(stream, 'readable'), 'The first chunk');
}

/** Registers the tests that any stream must pass. */
export function testStreamCompliance(name: string, subject: ComplianceSubject): void {
  const { make, input = [], failingInput } = subject;

  /** A stream, its counts, and whether it has a writable side. */
  async function begin(items = input): Promise<{ stream: Readable; counts: EndingCounts }> {
    const stream = await make();
    const counts = countEndings(stream);
    feed(stream, items);
    return { stream, counts };
  }
  const finishesOf = (stream: Readable): number => (stream instanceof Duplex ? 1 : 0);

  async function assertDestroyed(
    { stream, counts }: { stream: Readable; counts: EndingCounts },
    errors: number | 'at most one',
  ): Promise<void> {
    if (!stream.closed) await within(once(stream, 'close'), 'close');
    await settled();
    // Node itself tells an AbortError of a Duplex that is left by a loop or a pipeline.
    const error = errors === 'at most one' ? Math.min(counts.error, 1) : errors;
    assert.deepEqual({ ...counts, finish: 0 }, { finish: 0, end: 0, error, close: 1, late: 0 });
    assert.ok(stream.destroyed);
  }

  describe(`${name}, as any stream,`, () => {
    test('read to its end tells finish, end and close once and no error', async () => {
      const { stream, counts } = await begin();
      stream.resume();
      await within(once(stream, 'close'), 'close');
      await settled();
      assert.deepEqual(counts, { finish: finishesOf(stream), end: 1, error: 0, close: 1, late: 0 });
    });

    test('does not end before it is read', async () => {
      const { stream, counts } = await begin();
      await firstChunk(stream);
      await settled();
      assert.deepEqual([counts.end, counts.error, counts.close], [0, 0, 0]);
      stream.destroy();
      await assertDestroyed({ stream, counts }, 0);
    });

    test('takes part in pipeline and finished', async () => {
      const { stream, counts } = await begin();
      let bytes = 0;
      const sink = new Writable({
        write(chunk: Uint8Array, _encoding, callback) {
          bytes += chunk.length;
          setImmediate(callback);
        },
      });
      await within(Promise.all([pipeline(stream, sink), finished(stream)]), 'pipeline');
      await settled();
      assert.ok(bytes > 0);
      assert.deepEqual(counts, { finish: finishesOf(stream), end: 1, error: 0, close: 1, late: 0 });
    });

    test('is destroyed by a pipeline whose sink fails, which rejects with the error of the sink', async () => {
      const { stream, counts } = await begin();
      const failure = new Error('the disk is full');
      const sink = new Writable({
        write(_chunk, _encoding, callback) {
          callback(failure);
        },
      });
      assert.equal(await failureOf(pipeline(stream, sink)), failure);
      await assertDestroyed({ stream, counts }, 'at most one');
    });

    test('destroyed before anything was written or read tells close only', async () => {
      const stream = await make();
      const counts = countEndings(stream);
      stream.destroy();
      stream.destroy();
      await assertDestroyed({ stream, counts }, 0);
      assert.equal(counts.finish, 0);
    });

    test('destroyed with an error before the first byte tells that error once, then close', async () => {
      const { stream, counts } = await begin();
      const failure = new Error('on purpose');
      const told = once(stream, 'close', { signal: AbortSignal.timeout(NEVER_ENDS_MS) });
      stream.once('error', (error) => {
        assert.equal(error, failure);
        assert.equal(counts.close, 0);
      });
      stream.destroy(failure);
      stream.destroy(new Error('too late'));
      assert.equal(await failureOf(told.then(() => finished(stream))), failure);
      await assertDestroyed({ stream, counts }, 1);
    });

    test('destroyed after the first byte tells close only, and finished rejects', async () => {
      const { stream, counts } = await begin();
      await firstChunk(stream);
      stream.read(1);
      const ending = failureOf(finished(stream));
      stream.destroy();
      assert.equal(((await ending) as NodeJS.ErrnoException).code, 'ERR_STREAM_PREMATURE_CLOSE');
      await assertDestroyed({ stream, counts }, 0);
    });

    test('destroyed with an error after the first byte tells that error once', async () => {
      const { stream, counts } = await begin();
      await firstChunk(stream);
      stream.read(1);
      stream.destroy(new Error('on purpose'));
      await assertDestroyed({ stream, counts }, 1);
    });

    test('is destroyed by a reader that leaves its loop', async () => {
      const { stream, counts } = await begin();
      for await (const chunk of stream) {
        assert.ok((chunk as Uint8Array).length > 0);
        break;
      }
      await assertDestroyed({ stream, counts }, 'at most one');
    });

    if (failingInput === undefined) return;
    test('that fails tells one error, then close, and never an end', async () => {
      const { stream, counts } = await begin(failingInput);
      await failureOf(
        pipeline(
          stream,
          new Writable({
            write: (_c, _e, done) => {
              done();
            },
          }),
        ),
      );
      await assertDestroyed({ stream, counts }, 1);
    });

    test('that fails makes a loop over it throw', async () => {
      const { stream, counts } = await begin(failingInput);
      await failureOf(stream.forEach(() => undefined));
      await assertDestroyed({ stream, counts }, 1);
    });
  });
}
