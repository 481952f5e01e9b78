// Bytes of Node as a web stream that can be stopped while a read hangs.

/** Reads an iterable through a `ReadableStream`; remembers why it failed. */
export class StoppableBytes {
  /** The bytes; read only when somebody does. */
  readonly stream: ReadableStream<Uint8Array>;
  readonly #open: () => AsyncIterable<Uint8Array>;
  #iterator: AsyncIterator<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(open: () => AsyncIterable<Uint8Array>) {
    this.#open = open;
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

  /** What the iterable, or whoever stopped it, gave as the reason. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Ends the reading, also one that is pending. Harmless after the end. */
  stop(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#controller?.error(error);
    // An iterable that hangs may never answer; a stream of Node closes at once.
    this.#iterator?.return?.().catch(() => undefined);
  }

  async #pull(): Promise<void> {
    try {
      this.#iterator ??= this.#open()[Symbol.asyncIterator]();
      const next: IteratorResult<unknown, unknown> = await this.#iterator.next();
      if (this.#failure !== undefined) return;
      if (next.done === true) this.#controller?.close();
      else if (next.value instanceof Uint8Array) this.#controller?.enqueue(next.value);
      else throw new TypeError('the input must be a stream of bytes');
    } catch (error) {
      this.stop(error);
    }
  }
}
