// Calls the host's flush hook: one call at a time, within a limit, its failure typed.

import { isThenable, leaveUnawaited } from '../format/thenable.js';
import type { FlushPolicy, FlushProgress } from './flush-policy.js';
import { hookThrew, hookTimedOut } from './host-hook.js';
import type { HookPlace } from './host-hook.js';
import { afterSilence } from './silence-timer.js';

/** Says when to flush, and calls the hook when it was done. */
export class FlushGate {
  readonly #policy: FlushPolicy;
  readonly #onInterval: () => void;
  #markedLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopHookTimer: (() => void) | undefined;
  #isClosed = false;

  /** @param onInterval - called when lines have waited for `flushIntervalMs` */
  constructor(policy: FlushPolicy, onInterval: () => void) {
    this.#policy = policy;
    this.#onInterval = onInterval;
  }

  /** To be called for each line; true when a flush is due. `lines`: the total, this one included. */
  isDue(lines: number): boolean {
    const { flushEvery, flushIntervalMs } = this.#policy;
    if (flushIntervalMs !== undefined && !this.#isClosed) {
      this.#timer ??= setTimeout(this.#onInterval, flushIntervalMs);
    }
    return lines - this.#markedLines >= flushEvery;
  }

  /** Whether lines have come since the last mark. */
  hasUnmarked(lines: number): boolean {
    return lines > this.#markedLines;
  }

  /** A flush is made after this line: counting starts anew. */
  mark(lines: number): void {
    this.#markedLines = lines;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * All bytes of `progress` were handed on: calls the hook.
   *
   * @returns a promise only when the hook is async, so that a lane without one never waits
   * @throws BackupError `BACKUP_HOOK_FAILED`, or the hook's own, also as a rejection
   */
  flushed(progress: FlushProgress): Promise<void> | undefined {
    // The reader may have destroyed the lane while it was handed these bytes.
    if (this.#isClosed) return undefined;
    const { onFlush } = this.#policy;
    const place = { hook: 'onFlush', lineNumber: progress.lines } as const;
    let result: unknown;
    try {
      result = onFlush?.(progress);
      if (!isThenable(result)) return undefined;
    } catch (error) {
      throw hookThrew(place, error);
    }
    if (!this.#isClosed) return this.#settled(result, place);
    // The hook has closed the lane that calls it: nobody waits for the rest of it.
    leaveUnawaited(result);
    return undefined;
  }

  /** Stops the timers; a hook that is under way is no longer waited for. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#stopHookTimer?.();
  }

  #settled(result: PromiseLike<unknown>, place: HookPlace): Promise<void> {
    const { hookTimeoutMs: limitMs } = this.#policy;
    return new Promise((resolve, reject) => {
      this.#stopHookTimer = afterSilence(limitMs, () => {
        reject(hookTimedOut({ ...place, limitMs }));
      });
      // Promise.resolve, since the host's thenable may throw from then() itself.
      Promise.resolve(result).then(
        () => {
          this.#stopHookTimer?.();
          resolve();
        },
        (error: unknown) => {
          this.#stopHookTimer?.();
          reject(hookThrew(place, error));
        },
      );
    });
  }
}
