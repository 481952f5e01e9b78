// The port that rows come through: Postgres is one source, an array in a test another.

import type { ChangeRow } from '../format/change-row.js';
import { isSource } from './source-reader.js';

/**
 * Rows of one export, in the order of the log. Can be read once, either row by row or by batches;
 * a second reading is a `TypeError`. Reading ends (`done`) only when the source has proven that
 * these were all rows; anything else rejects. Leaving early (`break`) or disposing gives back
 * whatever the source holds.
 */
export interface ChangeSource extends AsyncIterable<ChangeRow> {
  /** The same rows in arrays of a size that the source finds good: fewer promises per row. */
  batches(): AsyncIterable<readonly ChangeRow[]>;
  /** Gives back what the source holds. Harmless after the end and when called again. */
  [Symbol.asyncDispose](): Promise<void>;
}

const groupSize = 500;

type Rows = Iterable<ChangeRow> | AsyncIterable<ChangeRow>;

/**
 * Makes a source of rows that are already there, so that a handler can be tested without a database.
 *
 * @param rows - in the order of the log; an error that it throws is passed on as it is. Leaving or
 * disposing closes its iterator, a read that is pending then rejects
 * @throws TypeError when `rows` cannot be iterated
 *
 * @example
 * ```ts
 * import { changeSourceFrom, JsonlSerializer, type ChangeRow } from 'backup-streams';
 * import { pipeline } from 'node:stream/promises';
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 *
 * async function write(rows: ChangeRow[]): Promise<void> {
 *   await pipeline(changeSourceFrom(rows), new JsonlSerializer(), createWriteStream('log.jsonl.part'));
 *   await rename('log.jsonl.part', 'log.jsonl');
 * }
 * ```
 */
export function changeSourceFrom(rows: Rows): ChangeSource {
  const take = onlyOnce();
  const puller = new IterablePuller(rows);
  return {
    batches: () => (take(), iterableOf(new BatchIterator(puller.by(groupSize)))),
    // One at a time: what fails at row n has handed on the n - 1 before it.
    [Symbol.asyncIterator]: () => (take(), new RowIterator(puller.by(1))),
    [Symbol.asyncDispose]: () => puller.close(),
  };
}

class IterablePuller implements BatchPuller {
  readonly #rows: Rows;
  #batchSize = 1;
  #iterator: Iterator<ChangeRow> | AsyncIterator<ChangeRow> | undefined;
  #abandon: (() => void) | undefined;
  #isDone = false;
  #isClosed = false;

  constructor(rows: Rows) {
    if (!isSource(rows)) throw new TypeError('changeSourceFrom takes an iterable of rows');
    this.#rows = rows;
  }

  by(batchSize: number): this {
    this.#batchSize = batchSize;
    return this;
  }

  next(): Promise<readonly ChangeRow[] | undefined> {
    return new Promise<readonly ChangeRow[] | undefined>((resolve, reject) => {
      this.#abandon = () => {
        reject(closedEarly());
      };
      this.#gather().then(resolve, reject);
    }).finally(() => {
      this.#abandon = undefined;
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const abandon = this.#abandon;
    abandon?.();
    if (this.#isDone || this.#iterator === undefined) return;
    const returned = Promise.resolve(this.#iterator.return?.());
    // A generator returns only after its pending next(), which may never come.
    if (abandon === undefined) await returned;
    else returned.catch(() => undefined);
  }

  async #gather(): Promise<readonly ChangeRow[] | undefined> {
    if (this.#isClosed) throw closedEarly();
    this.#iterator ??= iteratorOf(this.#rows);
    const batch: ChangeRow[] = [];
    while (batch.length < this.#batchSize && !this.#isDone) {
      const row = await this.#nextRow(this.#iterator);
      if (this.#isClosed) throw closedEarly();
      if (row.done !== true) batch.push(row.value);
    }
    return batch.length > 0 ? batch : undefined;
  }

  async #nextRow(
    iterator: Iterator<ChangeRow> | AsyncIterator<ChangeRow>,
  ): Promise<IteratorResult<ChangeRow>> {
    let isDone = true;
    try {
      const row = await iterator.next();
      isDone = row.done === true;
      return row;
    } finally {
      // An iterator that has thrown is through as well, and return() is not for it.
      this.#isDone = isDone;
    }
  }
}

function iteratorOf(rows: Rows): Iterator<ChangeRow> | AsyncIterator<ChangeRow> {
  return Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
}

/** What {@link changeSourceFromBatches} reads. Calls of `next` never overlap. */
export interface BatchPuller {
  /** The next rows, or undefined when it is proven that there are no more. */
  next(): Promise<readonly ChangeRow[] | undefined>;
  /**
   * Called for each row that is handed out of a batch, before it is: a sign that the reader is still
   * there. A throw ends the reading, without the rest of the batch.
   */
  onTake?(): void;
  /** Called when the reader leaves or is disposed: settles a pending `next` and frees everything. */
  close(): Promise<void>;
}

/** A source over something that gives batches: rows are handed out of them without extra waits. */
export function changeSourceFromBatches(puller: BatchPuller): ChangeSource {
  const take = onlyOnce();
  return {
    batches: () => (take(), iterableOf(new BatchIterator(puller))),
    [Symbol.asyncIterator]: () => (take(), new RowIterator(puller)),
    [Symbol.asyncDispose]: () => puller.close(),
  };
}

/** What a read rejects with after somebody has closed the source under the reader. */
export function closedEarly(): TypeError {
  return new TypeError('the change source was closed before its end');
}

function onlyOnce(): () => void {
  let isTaken = false;
  return () => {
    if (isTaken) throw new TypeError('a change source can be read once: make a new one');
    isTaken = true;
  };
}

function iterableOf<T>(iterator: AsyncIterator<T>): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => iterator };
}

// Hand-written instead of async generators: return() of a generator waits behind a pending next(),
// so that nobody could leave while a read hangs.
class BatchIterator implements AsyncIterator<readonly ChangeRow[], undefined> {
  readonly #puller: BatchPuller;
  #tail: Promise<unknown> = Promise.resolve();
  #isDone = false;

  constructor(puller: BatchPuller) {
    this.#puller = puller;
  }

  next(): Promise<IteratorResult<readonly ChangeRow[], undefined>> {
    const result = this.#tail.then(() => this.#pull());
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Nothing more is read from here on. */
  end(): void {
    this.#isDone = true;
  }

  async return(): Promise<IteratorResult<readonly ChangeRow[], undefined>> {
    this.end();
    await this.#puller.close();
    return { done: true, value: undefined };
  }

  async #pull(): Promise<IteratorResult<readonly ChangeRow[], undefined>> {
    if (this.#isDone) return { done: true, value: undefined };
    try {
      const batch = await this.#puller.next();
      // Who has left in the meantime gets no more rows, even if some have come.
      if (batch !== undefined && !this.#isDone) return { done: false, value: batch };
      this.#isDone = true;
      return { done: true, value: undefined };
    } catch (error) {
      this.#isDone = true;
      throw error;
    }
  }
}

class RowIterator implements AsyncIterableIterator<ChangeRow, undefined> {
  readonly #puller: BatchPuller;
  readonly #batches: BatchIterator;
  #batch: readonly ChangeRow[] = [];
  #index = 0;
  #advancing = 0;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(puller: BatchPuller) {
    this.#puller = puller;
    this.#batches = new BatchIterator(puller);
  }

  next(): Promise<IteratorResult<ChangeRow, undefined>> {
    if (this.#advancing === 0 && this.#index < this.#batch.length) {
      try {
        return Promise.resolve(this.#take());
      } catch (error) {
        return Promise.reject(error);
      }
    }
    // Calls that overlap wait for each other, so that none of them skips or repeats a row.
    this.#advancing += 1;
    const result = this.#tail.then(() => this.#advance());
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async return(): Promise<IteratorResult<ChangeRow, undefined>> {
    this.#batch = [];
    await this.#batches.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #advance(): Promise<IteratorResult<ChangeRow, undefined>> {
    try {
      while (this.#index >= this.#batch.length) {
        const next = await this.#batches.next();
        if (next.done === true) return { done: true, value: undefined };
        this.#batch = next.value;
        this.#index = 0;
      }
      return this.#take();
    } finally {
      // Before the promise settles: whoever asks again at once shall find the rest of the batch,
      // not another wait.
      this.#advancing -= 1;
    }
  }

  #take(): IteratorYieldResult<ChangeRow> {
    try {
      this.#puller.onTake?.();
    } catch (error) {
      this.#batch = [];
      this.#batches.end();
      throw error;
    }
    const value = this.#batch[this.#index] as ChangeRow;
    this.#index += 1;
    return { done: false, value };
  }
}
