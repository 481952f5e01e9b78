// Calls the host's flush hook: one call at a time, within a limit, its failure typed.

import { BackupError } from '../errors.js';
import { isThenable, leaveUnawaited } from '../format/thenable.js';
import type { FlushPolicy, FlushProgress } from './flush-policy.js';

/** Says when to flush, and calls the hook when it was done. */
export class FlushGate {
  readonly #policy: FlushPolicy;
  readonly #onInterval: () => void;
  #markedLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #hookTimer: NodeJS.Timeout | undefined;
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
   * @throws BackupError `BACKUP_HOOK_FAILED`, also as a rejection
   */
  flushed(progress: FlushProgress): Promise<void> | undefined {
    // The reader may have destroyed the lane while it was handed these bytes.
    if (this.#isClosed) return undefined;
    const { onFlush } = this.#policy;
    let result: unknown;
    try {
      result = onFlush?.(progress);
      if (!isThenable(result)) return undefined;
    } catch (error) {
      throw hookFailed(progress, error);
    }
    if (!this.#isClosed) return this.#settled(result, progress);
    // The hook has closed the lane that calls it: nobody waits for the rest of it.
    leaveUnawaited(result);
    return undefined;
  }

  /** Stops the timers; a hook that is under way is no longer waited for. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#hookTimer);
  }

  #settled(result: PromiseLike<unknown>, progress: FlushProgress): Promise<void> {
    const { hookTimeoutMs } = this.#policy;
    return new Promise((resolve, reject) => {
      this.#hookTimer = setTimeout(() => {
        const message = `onFlush did not come back within ${hookTimeoutMs} ms (hookTimeoutMs)`;
        reject(
          new BackupError('BACKUP_HOOK_FAILED', message, {
            hook: 'onFlush',
            lineNumber: progress.lines,
            limitMs: hookTimeoutMs,
          }),
        );
      }, hookTimeoutMs);
      // Promise.resolve, since the host's thenable may throw from then() itself.
      Promise.resolve(result).then(
        () => {
          clearTimeout(this.#hookTimer);
          resolve();
        },
        (error: unknown) => {
          clearTimeout(this.#hookTimer);
          reject(hookFailed(progress, error));
        },
      );
    });
  }
}

function hookFailed(progress: FlushProgress, cause: unknown): BackupError<'BACKUP_HOOK_FAILED'> {
  return new BackupError(
    'BACKUP_HOOK_FAILED',
    `onFlush failed after line ${progress.lines}: the host's own hook threw or rejected`,
    { hook: 'onFlush', lineNumber: progress.lines },
    cause,
  );
}
