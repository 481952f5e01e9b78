// Tells the silence of others from that of this process: a timer that comes late was held up by it, busy
// or asleep as it was, and what came in the meantime has not been looked at yet.

// Imported, since the global of this name is looked up anew at each call.
import { performance } from 'node:perf_hooks';

/**
 * Calls back when somebody else has been silent for so long, and after another look.
 *
 * @param limitMs - above 0
 * @returns stops it
 */
export function afterSilence(limitMs: number, onSilence: () => void): () => void {
  const dueMs = performance.now() + limitMs;
  let stop = (): void => {
    clearTimeout(timer);
  };
  const timer = setTimeout(() => {
    const lateMs = Math.min(performance.now() - dueMs, limitMs);
    stop = beforeAnotherLook(lateMs, onSilence);
  }, limitMs);
  return () => {
    stop();
  };
}

/**
 * Waits for as long as a timer was late, and until the event loop has looked for what has come.
 *
 * @returns stops it
 */
export function beforeAnotherLook(lateMs: number, look: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    // The loop comes from its timers to these after it has looked at its sockets.
    immediate = setImmediate(look);
  }, lateMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
