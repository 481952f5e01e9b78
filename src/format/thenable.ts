// What a host's function gives where the result itself was asked for: a promise of it.

/** Whether somebody would have to wait for a value: what an async function gives, or anything alike. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

/** Leaves a promise that nobody waits for: a rejection that nobody handles would end the process. */
export function leaveUnawaited(promise: PromiseLike<unknown>): void {
  Promise.resolve(promise).catch(() => undefined);
}
