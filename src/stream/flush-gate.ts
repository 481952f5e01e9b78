// Calls the host's flush hook: one call at a time, within a limit, its failure typed.

import { BackupError } from '../errors.js';
import type { FlushPolicy, FlushProgress } from './flush-policy.js';

/** What a lane needs to know to flush when it is due. */
export class FlushGate {
  readonly #policy: FlushPolicy;
  readonly #onInterval: () => void;
  #flushedLines = 0;
  #timer: NodeJS.Timeout | undefined;
  #hookTimer: NodeJS.Timeout | undefined;

  /** @param onInterval - called when lines have waited for `flushIntervalMs` */
  constructor(policy: FlushPolicy, onInterval: () => void) {
    this.#policy = policy;
    this.#onInterval = onInterval;
  }

  /** To be called for each line; true when a flush is due. `lines`: the total, this one included. */
  isDue(lines: number): boolean {
    const { flushEvery, flushIntervalMs } = this.#policy;
    if (flushIntervalMs !== undefined) {
      this.#timer ??= setTimeout(this.#onInterval, flushIntervalMs);
    }
    return lines - this.#flushedLines >= flushEvery;
  }

  /** Whether lines have come since the last flush. */
  hasUnflushed(lines: number): boolean {
    return lines > this.#flushedLines;
  }

  /**
   * Takes note that all bytes of `progress` were handed on, and calls the hook.
   *
   * @returns a promise only when the hook is async, so that a lane without one never waits
   * @throws BackupError `BACKUP_HOOK_FAILED`, also as a rejection
   */
  flushed(progress: FlushProgress): Promise<void> | undefined {
    this.#flushedLines = progress.lines;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { onFlush } = this.#policy;
    if (onFlush === undefined) return undefined;
    let result: unknown;
    try {
      result = onFlush(progress);
    } catch (error) {
      throw hookFailed(progress, error);
    }
    return isThenable(result) ? this.#settled(result, progress) : undefined;
  }

  /** Stops the timers; a hook that is under way is no longer waited for. */
  close(): void {
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
      result.then(
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

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  );
}
