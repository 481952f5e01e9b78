// Bytes of Node as a web stream that can be stopped while a read hangs.

import { Readable } from 'node:stream';
import { closeUnread, hearErrors } from '../stream/unread-source.js';

/** Options of {@link StoppableBytes}. */
export interface StoppableBytesOptions {
  /** Called with each piece before it is handed on; what it throws fails the reading. */
  readonly check: (bytes: Uint8Array) => void;
  /** Called at the end; what it throws fails the reading. */
  readonly checkEnd?: () => void;
  /** What the reading fails with instead of an error of the source. Default: with that. */
  readonly explained?: (error: unknown) => unknown;
}

/**
 * Reads a source through a `ReadableStream`; remembers why it failed. Errors of the source are heard
 * from the beginning, and told when it is read.
 */
export class StoppableBytes {
  /** The bytes; read only when somebody does. */
  readonly stream: ReadableStream<Uint8Array>;
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #options: StoppableBytesOptions;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>, options: StoppableBytesOptions) {
    this.#source = hearErrors(source);
    this.#options = options;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => {
          this.stop(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** What the source, or whoever stopped it, gave as the reason. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Ends the reading, also one that is pending, and closes the source. Harmless after the end. */
  stop(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#controller?.error(error);
    this.#close(error);
  }

  #close(error: unknown): void {
    if (this.#source instanceof Readable) {
      // Not by its iterator, which would wait for the read that is pending.
      this.#source.destroy(error as Error);
    } else if (this.#iterator === undefined) {
      try {
        closeUnread(this.#source);
      } catch {
        // A web stream that somebody else reads is closed by them.
      }
    } else {
      // An iterable that hangs may never answer.
      this.#iterator.return?.().catch(() => undefined);
    }
  }

  async #pull(): Promise<void> {
    const { check, checkEnd, explained = (error: unknown) => error } = this.#options;
    try {
      this.#iterator ??= this.#source[Symbol.asyncIterator]();
      const next: IteratorResult<unknown, unknown> = await this.#iterator.next();
      if (this.#failure !== undefined) return;
      if (next.done === true) {
        checkEnd?.();
        this.#controller?.close();
      } else if (next.value instanceof Uint8Array) {
        check(next.value);
        this.#controller?.enqueue(next.value);
      } else {
        throw new TypeError('the input must be a stream of bytes');
      }
    } catch (error) {
      this.stop(explained(error));
    }
  }
}
