// Calls a function of the host: its throw, its rejection and its silence become one typed error.

import { BackupError } from '../errors.js';
import type { BackupErrorDetails } from '../errors.js';
import { listenForAbort } from './abort-listening.js';

/** Which hook is called, where, and how long it may take. */
export interface HookCall {
  readonly hook: BackupErrorDetails['BACKUP_HOOK_FAILED']['hook'];
  /** The line that the call is about, from 1. */
  readonly lineNumber: number;
  readonly limitMs: number;
  /** Ends the waiting, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls a hook and waits for it.
 *
 * @throws BackupError `BACKUP_HOOK_FAILED`; a `BackupError` of the hook's own is passed on as it is
 */
export async function callHook<T>(
  hook: () => T | PromiseLike<T>,
  { hook: name, lineNumber, limitMs, signal }: HookCall,
): Promise<T> {
  signal?.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let stopListening: (() => void) | undefined;
  const isGivenUp = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `${name} did not come back within ${limitMs} ms (hookTimeoutMs)`;
      reject(new BackupError('BACKUP_HOOK_FAILED', message, { hook: name, lineNumber, limitMs }));
    }, limitMs);
    stopListening = listenForAbort(signal, () => {
      reject(signal?.reason);
    });
  });
  try {
    return await Promise.race([attempt(hook, name, lineNumber), isGivenUp]);
  } finally {
    clearTimeout(timer);
    stopListening?.();
  }
}

async function attempt<T>(
  hook: () => T | PromiseLike<T>,
  name: HookCall['hook'],
  lineNumber: number,
): Promise<T> {
  try {
    return await hook();
  } catch (cause) {
    if (cause instanceof BackupError) throw cause;
    const message = `${name} failed at line ${lineNumber}: the host's own hook threw or rejected`;
    throw new BackupError('BACKUP_HOOK_FAILED', message, { hook: name, lineNumber }, cause);
  }
}
