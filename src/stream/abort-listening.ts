// Hears the abort of a host's signal: with one listener, however many exports share the signal. Node warns
// of a leak from the eleventh listener on.

/** What is told of the abort of one signal. */
interface Hearing {
  readonly listeners: Set<() => void>;
  readonly onAbort: () => void;
}

const hearings = new WeakMap<AbortSignal, Hearing>();

/**
 * Calls `listener` when the signal is aborted, unless stopped before; not when it has been already. A
 * listener must not throw.
 *
 * @returns stops the listening: harmless when called again, or without a signal
 */
export function listenForAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined || signal.aborted) return () => undefined;
  const { listeners } = hearings.get(signal) ?? begin(signal);
  listeners.add(listener);
  return () => {
    // The signal may have got another hearing since this one became empty.
    if (!listeners.delete(listener) || listeners.size > 0) return;
    const hearing = hearings.get(signal);
    if (hearing?.listeners !== listeners) return;
    hearings.delete(signal);
    signal.removeEventListener('abort', hearing.onAbort);
  };
}

function begin(signal: AbortSignal): Hearing {
  const listeners = new Set<() => void>();
  const onAbort = (): void => {
    hearings.delete(signal);
    for (const listener of listeners) listener();
    listeners.clear();
  };
  const hearing = { listeners, onAbort };
  hearings.set(signal, hearing);
  signal.addEventListener('abort', onAbort, { once: true });
  return hearing;
}
