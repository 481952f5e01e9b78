// Calls a function of the host: its throw, its rejection and its silence become one typed error.

import { BackupError, isBackupError } from '../errors.js';
import type { BackupErrorDetails } from '../errors.js';
import { listenForAbort } from './abort-listening.js';
import { afterSilence } from './silence-timer.js';

/** Which hook is called, and where. */
export interface HookPlace {
  readonly hook: BackupErrorDetails['BACKUP_HOOK_FAILED']['hook'];
  /** The line that the call is about, from 1. */
  readonly lineNumber: number;
}

/** A call of a hook: how long it may take besides. */
export interface HookCall extends HookPlace {
  readonly limitMs: number;
  /** Ends the waiting, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls a hook and waits for it.
 *
 * @throws BackupError `BACKUP_HOOK_FAILED`; a `BackupError` of the hook's own is passed on as it is
 */
export async function callHook<T>(hook: () => T | PromiseLike<T>, call: HookCall): Promise<T> {
  const { limitMs, signal } = call;
  signal?.throwIfAborted();
  let stopTimer: (() => void) | undefined;
  let stopListening: (() => void) | undefined;
  const isGivenUp = new Promise<never>((_, reject) => {
    stopTimer = afterSilence(limitMs, () => {
      reject(hookTimedOut(call));
    });
    stopListening = listenForAbort(signal, () => {
      reject(signal?.reason);
    });
  });
  try {
    return await Promise.race([attempt(hook, call), isGivenUp]);
  } finally {
    stopTimer?.();
    stopListening?.();
  }
}

async function attempt<T>(hook: () => T | PromiseLike<T>, place: HookPlace): Promise<T> {
  try {
    return await hook();
  } catch (cause) {
    throw hookThrew(place, cause);
  }
}

/**
 * The error of a hook that threw or rejected: its own where that is a `BackupError`, which is typed and
 * safe to pass on; anything else is `BACKUP_HOOK_FAILED`.
 */
export function hookThrew(place: HookPlace, cause: unknown): BackupError {
  return isBackupError(cause) ? cause : hookFailed(place, 'threw or rejected', cause);
}

/** The error of a hook that did something else than it may. */
export function hookFailed(
  { hook, lineNumber }: HookPlace,
  what: string,
  cause?: unknown,
): BackupError<'BACKUP_HOOK_FAILED'> {
  const message = `${hook} failed at line ${lineNumber}: the host's own function ${what}`;
  return new BackupError('BACKUP_HOOK_FAILED', message, { hook, lineNumber }, cause);
}

/** The error of a hook that was waited for long enough. */
export function hookTimedOut({
  hook,
  lineNumber,
  limitMs,
}: HookPlace & { readonly limitMs: number }): BackupError<'BACKUP_HOOK_FAILED'> {
  const message = `${hook} did not come back within ${limitMs} ms (hookTimeoutMs)`;
  return new BackupError('BACKUP_HOOK_FAILED', message, { hook, lineNumber, limitMs });
}
