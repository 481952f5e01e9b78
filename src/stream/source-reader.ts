// Reads what a host hands over as `for await` does, but by hand, so that it can be left while a read
// hangs.

import { Readable } from 'node:stream';
import { isThenable } from '../format/thenable.js';
import { closeUnread, hearErrors, refuseSpent } from './unread-source.js';

/** What can be read item by item. */
export type Source<T> = AsyncIterable<T> | Iterable<T>;

/** Whether something is a {@link Source}: bytes can be iterated too, but give numbers. */
export function isSource(value: unknown): value is Source<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !(value instanceof Uint8Array) &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}

/**
 * Reads a source, item by item. `next` is called for one item at a time; `close` at any time, and at
 * the latest when no more is to be read before the end.
 */
export class SourceReader<T> {
  readonly #source: Source<T>;
  #iterator: AsyncIterator<T> | Iterator<T> | undefined;
  #isOver = false;
  #isClosed = false;
  #abandon: (() => void) | undefined;

  /**
   * Errors of a stream are heard from now on, and told by `next`.
   *
   * @throws TypeError for a stream that has been read to its end before
   */
  constructor(source: Source<T>) {
    refuseSpent(source);
    this.#source = hearErrors(source);
  }

  /** Whether it was left before its end: then `next` tells an end that is none. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The next item, or the end; after `close` the end at once, also for a read that is pending. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#isOver) return Promise.resolve(noMore);
    const pulled = this.#pull();
    return new Promise((resolve, reject) => {
      this.#abandon = () => {
        resolve(noMore);
      };
      pulled.then(
        (result) => {
          this.#abandon = undefined;
          if (result.done === true) this.#isOver = true;
          resolve(result.done === true ? noMore : result);
        },
        (error: unknown) => {
          // An iterator that has thrown is through: return() is not for it.
          this.#abandon = undefined;
          this.#isOver = true;
          reject(error);
        },
      );
    });
  }

  /**
   * Leaves the source: a stream is destroyed, an iterator asked to return. What hangs is not waited for.
   * Harmless after the end and when called again.
   */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isClosed = true;
    if (this.#iterator === undefined) {
      closeUnread(this.#source);
      return;
    }
    const abandon = this.#abandon;
    abandon?.();
    // Its iterator would wait for the read that is pending.
    if (abandon !== undefined && this.#source instanceof Readable) this.#source.destroy();
    const returned = Promise.resolve(this.#iterator.return?.());
    if (abandon === undefined) await returned;
    else returned.catch(() => undefined);
  }

  // No async function: there is a call for each line.
  #pull(): Promise<IteratorResult<T>> {
    try {
      this.#iterator ??= iteratorOf(this.#source);
      const result = this.#iterator.next();
      return 'then' in result ? Promise.resolve(result) : settled(result);
    } catch (error) {
      return Promise.reject(error);
    }
  }
}

// A plain iterable may give promises.
async function settled<T>(result: IteratorResult<T>): Promise<IteratorResult<T>> {
  return isThenable(result.value) ? { value: (await result.value) as T } : result;
}

const noMore: IteratorReturnResult<undefined> = { done: true, value: undefined };

function iteratorOf<T>(source: Source<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
}
