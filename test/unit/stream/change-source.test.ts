// Change sources: read once, in order, and given back however the reading ends.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { changeSourceFrom, JsonlSerializer } from '../../../src/index.js';
import type { ChangeRow, ChangeSource } from '../../../src/index.js';
import { changeSourceFromBatches, closedEarly } from '../../../src/stream/change-source.js';
import type { BatchPuller } from '../../../src/stream/change-source.js';
import { changeRows, jsonlOf } from '../../support/change-rows.js';
import { collect, collectText, failAfter, stallAfter } from '../../support/collect.js';
import { settlesWithin } from '../../support/deadline.js';
import { failureOf } from '../../support/failures.js';

const NEVER_ENDS_MS = 5_000;
const rows = changeRows(1203);
const three = rows.slice(0, 3);

function within<T>(promise: Promise<T>): Promise<T> {
  return settlesWithin(promise, NEVER_ENDS_MS);
}

/** Rows that tell what is done to their iterator. */
class Recorder implements AsyncIterable<ChangeRow> {
  readonly calls: string[] = [];
  readonly #rows: Iterable<ChangeRow> | AsyncIterable<ChangeRow>;

  constructor(of: Iterable<ChangeRow> | AsyncIterable<ChangeRow> = rows) {
    this.#rows = of;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChangeRow> {
    this.calls.push('open');
    try {
      yield* this.#rows;
      this.calls.push('end');
    } finally {
      this.calls.push('close');
    }
  }
}

/** The two ways to read a source: row by row. */
function rowIterator(source: ChangeSource): AsyncIterator<ChangeRow> {
  return source[Symbol.asyncIterator]();
}

/** … and by batches. */
function batchIterator(source: ChangeSource): AsyncIterator<readonly ChangeRow[]> {
  return source.batches()[Symbol.asyncIterator]();
}

const ways: Readonly<Record<string, (source: ChangeSource) => AsyncIterator<unknown>>> = {
  'row by row': rowIterator,
  'by batches': batchIterator,
};

describe('changeSourceFrom gives all rows in order', () => {
  const kinds: Readonly<Record<string, () => Iterable<ChangeRow> | AsyncIterable<ChangeRow>>> = {
    'an array': () => rows,
    'a set': () => new Set(rows),
    'a generator': function* () {
      yield* rows;
    },
    'an async generator': async function* () {
      for (const row of rows) {
        yield row;
        if (row === rows[7]) await turn();
      }
    },
    'a Readable': () => Readable.from(rows),
    'another source': () => changeSourceFrom(rows),
    nothing: () => [],
  };
  for (const [kind, make] of Object.entries(kinds)) {
    test(`of ${kind}`, async () => {
      const all = kind === 'nothing' ? [] : rows;
      assert.deepEqual(await collect(changeSourceFrom(make())), all);
      const batches = await collect(changeSourceFrom(make()).batches());
      assert.deepEqual(batches.flat(), all);
      assert.ok(batches.every((batch) => batch.length > 0));
    });
  }

  test('to a serialiser in a pipeline, whole or by batches', async () => {
    const text = pipeline(changeSourceFrom(rows), new JsonlSerializer(), collectText);
    assert.equal(await text, jsonlOf(rows));
    const again = pipeline(changeSourceFrom(rows).batches(), new JsonlSerializer(), collectText);
    assert.equal(await again, jsonlOf(rows));
  });

  test('one by one as they come: none is held back for the next', async () => {
    const iterator = rowIterator(changeSourceFrom(stallAfter(rows, 2)));
    assert.deepEqual(await within(iterator.next()), { done: false, value: rows[0] });
    assert.deepEqual(await within(iterator.next()), { done: false, value: rows[1] });
  });
});

describe('changeSourceFrom takes what can be iterated', () => {
  test('and nothing else', () => {
    for (const other of [undefined, null, 7, {}, () => rows, Promise.resolve(rows)]) {
      const make = (): unknown => changeSourceFrom(other as ChangeRow[]);
      assert.throws(make, TypeError, inspect(other));
    }
  });

  test('and does not touch it before it is read', async () => {
    const recorder = new Recorder();
    const source = changeSourceFrom(recorder);
    source[Symbol.asyncIterator]();
    await turn();
    assert.deepEqual(recorder.calls, []);
  });
});

for (const [way, read] of Object.entries(ways)) {
  describe(`a source that is read ${way}`, () => {
    test('is a TypeError to read again, in either way', async () => {
      const source = changeSourceFrom(rows);
      read(source);
      assert.throws(() => source[Symbol.asyncIterator](), TypeError);
      assert.throws(() => source.batches(), TypeError);
    });

    test('closes its rows once when the reader leaves', async () => {
      const recorder = new Recorder();
      const iterator = read(changeSourceFrom(recorder));
      await iterator.next();
      assert.deepEqual(recorder.calls, ['open']);
      assert.deepEqual(await iterator.return?.(), { done: true, value: undefined });
      assert.deepEqual(recorder.calls, ['open', 'close']);
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
      await iterator.return?.();
      assert.deepEqual(recorder.calls, ['open', 'close']);
    });

    test('closes its rows once when it is disposed, and does not pretend that they ended', async () => {
      const recorder = new Recorder();
      const source = changeSourceFrom(recorder);
      const iterator = read(source);
      await iterator.next();
      await source[Symbol.asyncDispose]();
      assert.deepEqual(recorder.calls, ['open', 'close']);
      assert.ok((await failureOf(iterator.next())) instanceof TypeError);
      await source[Symbol.asyncDispose]();
      assert.deepEqual(recorder.calls, ['open', 'close']);
    });

    test('hazard 6: lets the reader leave and be disposed while a read is pending', async () => {
      for (const leave of ['return', 'dispose'] as const) {
        const source = changeSourceFrom(stallAfter(rows, 0));
        const iterator = read(source);
        const pending = failureOf(within(iterator.next()));
        await turn();
        if (leave === 'dispose') await within(source[Symbol.asyncDispose]());
        else await within(Promise.resolve(iterator.return?.()));
        assert.ok((await pending) instanceof TypeError, leave);
      }
    });

    test('closes its rows once the pending read comes back after all', async () => {
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const recorder = new Recorder(
        (async function* () {
          await gate;
          yield* rows;
        })(),
      );
      const source = changeSourceFrom(recorder);
      const pending = failureOf(read(source).next());
      await turn();
      await source[Symbol.asyncDispose]();
      await pending;
      release();
      for (let turns = 0; turns < 5; turns += 1) await turn();
      assert.deepEqual(recorder.calls, ['open', 'close']);
    });

    test('disposed before it is read, rejects, though there are no rows', async () => {
      for (const of of [rows, []]) {
        const recorder = new Recorder(of);
        const source = changeSourceFrom(recorder);
        await source[Symbol.asyncDispose]();
        assert.ok((await failureOf(read(source).next())) instanceof TypeError);
        assert.deepEqual(recorder.calls, []);
      }
    });

    test('disposed after its end, leaves its rows alone', async () => {
      const recorder = new Recorder();
      const source = changeSourceFrom(recorder);
      const iterator = read(source);
      while ((await iterator.next()).done !== true);
      await source[Symbol.asyncDispose]();
      assert.deepEqual(recorder.calls, ['open', 'end', 'close']);
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    });

    test('passes an error of its rows on as it is, and is through then', async () => {
      const failure = new Error('the file is gone');
      for (const count of [0, 2]) {
        const recorder = new Recorder(failAfter(rows, count, failure));
        const source = changeSourceFrom(recorder);
        const iterator = read(source);
        const seen: unknown[] = [];
        const reading = (async (): Promise<void> => {
          for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
            seen.push(next.value);
          }
        })();
        assert.equal(await failureOf(reading), failure);
        if (way === 'row by row') assert.deepEqual(seen, rows.slice(0, count));
        assert.deepEqual(await iterator.next(), { done: true, value: undefined });
        await source[Symbol.asyncDispose]();
        assert.deepEqual(recorder.calls, ['open', 'close']);
      }
    });

    test('asks its rows to close once at most, and never after their end or their error', async () => {
      for (const [ending, returns] of [
        ['leaves', 1],
        ['ends', 0],
        ['fails', 0],
      ] as const) {
        const calls = { next: 0, return: 0 };
        const plain: AsyncIterable<ChangeRow> = {
          [Symbol.asyncIterator]: () => ({
            next: async () => {
              calls.next += 1;
              if (ending === 'fails') throw new Error('on purpose');
              return ending === 'ends'
                ? { done: true, value: undefined }
                : { done: false, value: rows[0]! };
            },
            return: async () => {
              calls.return += 1;
              return { done: true, value: undefined };
            },
          }),
        };
        const source = changeSourceFrom(plain);
        const iterator = read(source);
        await iterator.next().catch(() => undefined);
        await iterator.return?.();
        await source[Symbol.asyncDispose]();
        await source[Symbol.asyncDispose]();
        assert.equal(calls.return, returns, ending);
      }
    });

    test('reads nothing more once it is disposed, from rows without a return() too', async () => {
      let reads = 0;
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      const bare: AsyncIterable<ChangeRow> = {
        [Symbol.asyncIterator]: () => ({
          next: async () => {
            reads += 1;
            await gate;
            return { done: false, value: rows[0]! };
          },
        }),
      };
      const source = changeSourceFrom(bare);
      const pending = failureOf(read(source).next());
      await turn();
      await source[Symbol.asyncDispose]();
      await pending;
      release();
      for (let turns = 0; turns < 5; turns += 1) await turn();
      assert.equal(reads, 1);
    });

    test('passes an error of closing its rows on to who leaves', async () => {
      const failure = new Error('cannot be closed');
      const stubborn: Iterable<ChangeRow> = {
        [Symbol.iterator]: () => ({
          next: () => ({ done: false, value: rows[0]! }),
          return: () => {
            throw failure;
          },
        }),
      };
      const iterator = read(changeSourceFrom(stubborn));
      await iterator.next();
      assert.equal(await failureOf(Promise.resolve(iterator.return?.())), failure);
    });

    test('does not pass it on while a read is pending: nobody waits for it', async () => {
      let returnCount = 0;
      const stubborn: AsyncIterable<ChangeRow> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => undefined),
          return: () => {
            returnCount += 1;
            return Promise.reject(new Error('cannot be closed'));
          },
        }),
      };
      const source = changeSourceFrom(stubborn);
      const pending = failureOf(within(read(source).next()));
      await turn();
      await within(source[Symbol.asyncDispose]());
      assert.ok((await pending) instanceof TypeError);
      await turn();
      assert.equal(returnCount, 1);
    });

    test('takes rows whose iterator has no return()', async () => {
      const bare: Iterable<ChangeRow> = {
        [Symbol.iterator]: () => ({ next: () => ({ done: false, value: rows[0]! }) }),
      };
      const iterator = read(changeSourceFrom(bare));
      await iterator.next();
      assert.deepEqual(await iterator.return?.(), { done: true, value: undefined });
    });
  });
}

describe('a loop over a source', () => {
  test('that is left with break closes the rows', async () => {
    const recorder = new Recorder();
    for await (const row of changeSourceFrom(recorder)) {
      assert.equal(row, rows[0]);
      break;
    }
    assert.deepEqual(recorder.calls, ['open', 'close']);
    const batched = new Recorder();
    for await (const batch of changeSourceFrom(batched).batches()) {
      assert.equal(batch[0], rows[0]);
      break;
    }
    assert.deepEqual(batched.calls, ['open', 'close']);
  });

  test('that throws closes the rows', async () => {
    const recorder = new Recorder();
    const failure = new Error('on purpose');
    const loop = async (): Promise<void> => {
      for await (const row of changeSourceFrom(recorder)) {
        if (row === rows[0]) throw failure;
      }
    };
    assert.equal(await failureOf(loop()), failure);
    assert.deepEqual(recorder.calls, ['open', 'close']);
  });

  test('does not begin an iterable that fails to begin twice', async () => {
    let begun = 0;
    const broken: Iterable<ChangeRow> = {
      [Symbol.iterator]: () => {
        begun += 1;
        throw new Error('no iterator');
      },
    };
    const iterator = rowIterator(changeSourceFrom(broken));
    await failureOf(iterator.next());
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    assert.equal(begun, 1);
  });
});

/** Batches that come when the test says so; it knows whether two reads were ever under way. */
class ScriptedPuller implements BatchPuller {
  pulls = 0;
  closes = 0;
  overlaps = 0;
  #settle:
    | {
        readonly resolve: (batch: readonly ChangeRow[] | undefined) => void;
        readonly reject: (error: Error) => void;
      }
    | undefined;
  #whenPulled: () => void = () => undefined;
  readonly #onClose: 'reject' | 'give';

  constructor(onClose: 'reject' | 'give' = 'reject') {
    this.#onClose = onClose;
  }

  next(): Promise<readonly ChangeRow[] | undefined> {
    this.pulls += 1;
    if (this.#settle !== undefined) this.overlaps += 1;
    const result = new Promise<readonly ChangeRow[] | undefined>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#whenPulled();
    return result;
  }

  close(): Promise<void> {
    this.closes += 1;
    if (this.#onClose === 'give') this.#settle?.resolve(three);
    else this.#settle?.reject(closedEarly());
    this.#settle = undefined;
    return Promise.resolve();
  }

  /** Once a read is pending, settles it. */
  async answer(batch: readonly ChangeRow[] | undefined | Error): Promise<void> {
    if (this.#settle === undefined) {
      await within(
        new Promise<void>((resolve) => {
          this.#whenPulled = resolve;
        }),
      );
    }
    const settle = this.#settle;
    this.#settle = undefined;
    if (batch instanceof Error) settle?.reject(batch);
    else settle?.resolve(batch);
    await turn();
  }
}

const values = (results: readonly IteratorResult<unknown>[]): unknown[] =>
  results.map(({ done, value }) => (done === true ? 'done' : value));

describe('changeSourceFromBatches', () => {
  test('hazard 3: gives rows in order to reads that overlap, and never reads twice at a time', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(changeSourceFromBatches(puller));
    const reads = Promise.all(Array.from({ length: 7 }, () => iterator.next()));
    await puller.answer(rows.slice(0, 2));
    await puller.answer([]);
    await puller.answer(rows.slice(2, 5));
    await puller.answer(undefined);
    assert.deepEqual(values(await within(reads)), [...rows.slice(0, 5), 'done', 'done']);
    assert.deepEqual([puller.pulls, puller.overlaps, puller.closes], [4, 0, 0]);
  });

  test('gives rows in order to reads that overlap in part', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(changeSourceFromBatches(puller));
    const first = [iterator.next(), iterator.next()];
    await puller.answer(rows.slice(0, 4));
    const results = values(await within(Promise.all(first)));
    const second = [iterator.next(), iterator.next(), iterator.next()];
    await puller.answer(rows.slice(4, 6));
    results.push(...values(await within(Promise.all(second))));
    results.push(...values([await within(iterator.next())]));
    assert.deepEqual(results, rows.slice(0, 6));
    assert.equal(puller.overlaps, 0);
  });

  test('gives rows in order to a read that begins while others are being answered', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(changeSourceFromBatches(puller));
    const first = iterator.next();
    const second = iterator.next();
    const third = first.then(() => iterator.next());
    await puller.answer(three);
    assert.deepEqual(values(await within(Promise.all([first, second, third]))), three);
  });

  test('gives batches in order to reads that overlap', async () => {
    const puller = new ScriptedPuller();
    const iterator = batchIterator(changeSourceFromBatches(puller));
    const reads = Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    await puller.answer(three);
    await puller.answer(rows.slice(3, 5));
    await puller.answer(undefined);
    assert.deepEqual(values(await within(reads)), [three, rows.slice(3, 5), 'done']);
    assert.equal(puller.overlaps, 0);
  });

  test('hands rows of a batch out without asking for the next one', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(changeSourceFromBatches(puller));
    const first = iterator.next();
    await puller.answer(three);
    const results = [await first, await iterator.next(), await iterator.next()];
    assert.deepEqual(values(results), three);
    assert.equal(puller.pulls, 1);
  });

  test('hands out the rest of a batch without a wait, as soon as its first row has come', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(changeSourceFromBatches(puller));
    // Asked again in the very turn in which the first row came, as a loop does.
    const found = iterator.next().then(async () => {
      let second: ChangeRow | undefined;
      void iterator.next().then(({ value }) => (second = value as ChangeRow));
      await Promise.resolve(); // one turn of the microtask queue: there was nothing to wait for
      return second;
    });
    await puller.answer(three);
    assert.equal(await within(found), three[1]);
  });

  test('tells of each row that is handed out of a batch, before it is', async () => {
    const puller = new ScriptedPuller();
    let taken = 0;
    const watched = Object.assign(puller, { onTake: () => void (taken += 1) });
    const iterator = rowIterator(changeSourceFromBatches(watched));
    const first = iterator.next();
    assert.equal(taken, 0);
    await puller.answer(three);
    await first;
    assert.equal(taken, 1);
    await iterator.next();
    assert.equal(taken, 2);
  });

  test('ends with the error of onTake, and neither gives nor asks for anything after it', async () => {
    const failure = new Error('aborted');
    for (const failsAt of [1, 2]) {
      const puller = new ScriptedPuller();
      let taken = 0;
      const watched = Object.assign(puller, {
        onTake: () => {
          taken += 1;
          if (taken === failsAt) throw failure;
        },
      });
      const iterator = rowIterator(changeSourceFromBatches(watched));
      const reads = [iterator.next(), iterator.next(), iterator.next()].map(async (read) =>
        read.then(
          ({ value }) => value as unknown,
          (error: unknown) => error,
        ),
      );
      await puller.answer(three);
      const expected = [...three.slice(0, failsAt - 1), failure, undefined, undefined];
      assert.deepEqual(await within(Promise.all(reads)), expected.slice(0, 3));
      assert.deepEqual(await within(iterator.next()), { done: true, value: undefined });
      assert.deepEqual([puller.pulls, taken], [1, failsAt]);
    }
  });

  test('ends with the error of onTake in the middle of a batch', async () => {
    const puller = new ScriptedPuller();
    const failure = new Error('aborted');
    let isAborted = false;
    const watched = Object.assign(puller, {
      onTake: () => {
        if (isAborted) throw failure;
      },
    });
    const iterator = rowIterator(changeSourceFromBatches(watched));
    const first = iterator.next();
    await puller.answer(three);
    assert.deepEqual(values([await first]), three.slice(0, 1));
    isAborted = true;
    assert.equal(await failureOf(iterator.next()), failure);
    assert.deepEqual(await within(iterator.next()), { done: true, value: undefined });
    assert.equal(puller.pulls, 1);
  });

  for (const [way, read] of Object.entries(ways)) {
    test(`read ${way}, asks nothing more after the end`, async () => {
      const puller = new ScriptedPuller();
      const iterator = read(changeSourceFromBatches(puller));
      const end = iterator.next();
      await puller.answer(undefined);
      assert.deepEqual(values([await end, await iterator.next(), await iterator.next()]), [
        'done',
        'done',
        'done',
      ]);
      assert.deepEqual([puller.pulls, puller.closes], [1, 0]);
    });

    test(`read ${way}, passes an error on once, and asks nothing more`, async () => {
      const puller = new ScriptedPuller();
      const failure = new Error('the connection is gone');
      const iterator = read(changeSourceFromBatches(puller));
      const failed = failureOf(iterator.next());
      const next = iterator.next();
      await puller.answer(failure);
      assert.equal(await failed, failure);
      assert.deepEqual(values([await next, await iterator.next()]), ['done', 'done']);
      assert.equal(puller.pulls, 1);
    });

    test(`hazard 6: read ${way}, lets the reader leave while a read is pending`, async () => {
      const puller = new ScriptedPuller();
      const iterator = read(changeSourceFromBatches(puller));
      const pending = failureOf(iterator.next());
      await turn();
      assert.equal(puller.pulls, 1);
      assert.deepEqual(await within(Promise.resolve(iterator.return?.())), {
        done: true,
        value: undefined,
      });
      assert.equal(puller.closes, 1);
      assert.ok((await within(pending)) instanceof TypeError);
      assert.deepEqual(await within(iterator.next()), { done: true, value: undefined });
      assert.equal(puller.pulls, 1);
    });

    test(`read ${way}, gives no rows to who has left, though some come`, async () => {
      const puller = new ScriptedPuller('give');
      const iterator = read(changeSourceFromBatches(puller));
      const pending = iterator.next();
      await turn();
      await within(Promise.resolve(iterator.return?.()));
      assert.deepEqual(values([await pending, await iterator.next()]), ['done', 'done']);
      assert.equal(puller.pulls, 1);
    });

    test(`read ${way}, closes once the reader leaves or disposes`, async () => {
      const puller = new ScriptedPuller();
      const source = changeSourceFromBatches(puller);
      const iterator = read(source);
      const first = iterator.next();
      await puller.answer(three);
      await first;
      await iterator.return?.();
      assert.equal(puller.closes, 1);
      assert.deepEqual(await iterator.next(), { done: true, value: undefined });
      await source[Symbol.asyncDispose]();
      assert.equal(puller.closes, 2);
      assert.equal(puller.pulls, 1);
    });
  }

  test('read row by row, is itself iterable and disposable', async () => {
    const puller = new ScriptedPuller();
    const iterator = rowIterator(
      changeSourceFromBatches(puller),
    ) as AsyncIterableIterator<ChangeRow> & AsyncDisposable;
    assert.equal(iterator[Symbol.asyncIterator](), iterator);
    await iterator[Symbol.asyncDispose]();
    assert.equal(puller.closes, 1);
  });

  test('is a TypeError to read again', () => {
    const source = changeSourceFromBatches(new ScriptedPuller());
    source.batches();
    assert.throws(() => source.batches(), TypeError);
    assert.throws(() => source[Symbol.asyncIterator](), TypeError);
  });
});
