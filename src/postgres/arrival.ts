// What ready() waits for: the first rows, or the proof that there are none.

/** A promise that is settled once from outside, and whose rejection nobody has to handle. */
export class Arrival {
  readonly promise: Promise<void>;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A host that never calls ready() gets the error from reading.
    this.promise.catch(() => undefined);
  }

  /** Whether neither {@link arrive} nor {@link fail} has been called. */
  get isPending(): boolean {
    return this.#settle !== undefined;
  }

  /** The first rows or the end are there. */
  arrive(): void {
    this.#settle?.resolve();
    this.#settle = undefined;
  }

  /** They will not come. */
  fail(error: unknown): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}
