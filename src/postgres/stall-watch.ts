// Notices when somebody who is waited for stays silent too long. One timer, however often the side
// that is waited for changes.

// Imported, since the global of this name is looked up anew at each call, and rows sign one by one.
import { performance } from 'node:perf_hooks';

/** Who is waited for, and how long that may take. */
export interface Expectation {
  readonly limit: 'connectTimeoutMs' | 'stallTimeoutMs' | 'sinkStallTimeoutMs';
  readonly limitMs: number;
}

/** Calls back once when an expectation was not met in time. */
export class StallWatch {
  readonly #onStall: (expectation: Expectation) => void;
  #expectation: Expectation | undefined;
  #lastSignMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs = Infinity;

  constructor(onStall: (expectation: Expectation) => void) {
    this.#onStall = onStall;
  }

  /** From now on this is waited for, instead of what was before. */
  expect(expectation: Expectation): void {
    this.#expectation = expectation;
    this.sign();
    const dueMs = this.#lastSignMs + expectation.limitMs;
    // A timer that comes earlier finds out for itself that it has to wait longer.
    if (dueMs < this.#timerDueMs) this.#arm(dueMs);
  }

  /** A sign of life: the wait starts anew. */
  sign(): void {
    this.#lastSignMs = performance.now();
  }

  /** Nothing is waited for. */
  stop(): void {
    this.#expectation = undefined;
    clearTimeout(this.#timer);
    this.#timerDueMs = Infinity;
  }

  #arm(dueMs: number): void {
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = setTimeout(
      () => {
        this.#check();
      },
      Math.max(1, Math.ceil(dueMs - performance.now())),
    );
  }

  #check(): void {
    this.#timerDueMs = Infinity;
    const expectation = this.#expectation;
    if (expectation === undefined) return;
    const dueMs = this.#lastSignMs + expectation.limitMs;
    if (performance.now() < dueMs) {
      this.#arm(dueMs);
      return;
    }
    this.stop();
    this.#onStall(expectation);
  }
}
