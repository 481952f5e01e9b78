// When to flush: after so many lines, or when the oldest waiting line has waited long enough.

import { functionOption, integerOption, timeOption } from '../options.js';

/**
 * How far an export is: whole lines that were handed on, and their bytes. The last of them may still
 * wait in the stream's own buffer: its `readableLength` says how many bytes no reader has taken. So this
 * is no position to resume from.
 */
export interface FlushProgress {
  readonly lines: number;
  readonly bytes: number;
}

/** Options that both lanes share. */
export interface FlushOptions {
  /** Flush after this many lines: an integer from 1. Default 500. */
  readonly flushEvery?: number | undefined;
  /** Flush at the latest this long after a line came, in milliseconds. No time limit by default. */
  readonly flushIntervalMs?: number | undefined;
  /**
   * Called after each flush: every `flushEvery` lines, on the time limit, and at the end for the
   * lines since the last one. `lines` and `bytes` are totals of what was handed on, which a reader
   * that is slow or not there yet need not have taken: see {@link FlushProgress}. May be async: the
   * next line waits for it, and calls never overlap. A `BackupError` that it throws or rejects with
   * fails the stream unchanged, any other throw or rejection with `BACKUP_HOOK_FAILED`.
   */
  readonly onFlush?: ((progress: FlushProgress) => unknown) | undefined;
  /** How long one call of `onFlush` may take, in milliseconds. Default 30,000. */
  readonly hookTimeoutMs?: number | undefined;
}

/** The names of {@link FlushOptions}. */
export const flushOptionNames = [
  'flushEvery',
  'flushIntervalMs',
  'onFlush',
  'hookTimeoutMs',
] as const;

/** {@link FlushOptions} with their defaults, checked. */
export interface FlushPolicy {
  readonly flushEvery: number;
  readonly flushIntervalMs: number | undefined;
  readonly onFlush: ((progress: FlushProgress) => unknown) | undefined;
  readonly hookTimeoutMs: number;
}

/** Checks the options and fills in the defaults. */
export function flushPolicyOf(options: FlushOptions): FlushPolicy {
  const { flushEvery = 500, flushIntervalMs, onFlush, hookTimeoutMs = 30_000 } = options;
  return {
    flushEvery: integerOption('flushEvery', flushEvery, { min: 1 }),
    flushIntervalMs:
      flushIntervalMs === undefined ? undefined : timeOption('flushIntervalMs', flushIntervalMs),
    onFlush: functionOption('onFlush', onFlush),
    hookTimeoutMs: timeOption('hookTimeoutMs', hookTimeoutMs),
  };
}
