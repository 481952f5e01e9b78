// Notices when somebody who is waited for stays silent too long. One timer, however often the side
// that is waited for changes.

// Imported, since the global of this name is looked up anew at each call, and rows sign one by one.
import { performance } from 'node:perf_hooks';
import { beforeAnotherLook } from '../stream/silence-timer.js';

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
  // The silence after this sign has been seen once.
  #seenSignMs = -1;
  #stopTimer: (() => void) | undefined;
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
    this.#stopTimer?.();
    this.#timerDueMs = Infinity;
  }

  #arm(dueMs: number): void {
    this.#stopTimer?.();
    this.#timerDueMs = dueMs;
    const waitMs = Math.max(1, Math.ceil(dueMs - performance.now()));
    const timer = setTimeout(() => {
      this.#look();
    }, waitMs);
    this.#stopTimer = () => {
      clearTimeout(timer);
    };
  }

  #look(): void {
    this.#timerDueMs = Infinity;
    const expectation = this.#expectation;
    if (expectation === undefined) return;
    const { limitMs } = expectation;
    const dueMs = this.#lastSignMs + limitMs;
    const lateMs = performance.now() - dueMs;
    if (lateMs < 0) {
      this.#arm(dueMs);
    } else if (this.#seenSignMs !== this.#lastSignMs) {
      this.#seenSignMs = this.#lastSignMs;
      this.#stopTimer = beforeAnotherLook(Math.min(lateMs, limitMs), () => {
        this.#look();
      });
    } else {
      this.stop();
      this.#onStall(expectation);
    }
  }
}
