// Hard timers for tests: "never ends" is a failure with a sentence, not a hang.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * What `promise` settles to, or a rejection once it is still pending after `limitMs`.
 *
 * @param what - names the promise in the message
 */
export async function settlesWithin<T>(
  promise: PromiseLike<T>,
  limitMs: number,
  what = 'The promise',
): Promise<T> {
  const timer = new AbortController();
  const tooLate = delay(limitMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`${what} was still pending after ${String(limitMs)} ms`);
  });
  tooLate.catch(() => undefined); // when the promise was faster, the aborted timer is nobody's error
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    timer.abort();
  }
}

/**
 * Asks again and again until the answer is neither `undefined` nor `false`, and gives that answer.
 *
 * @param ask - what is waited for
 * @param limitMs - a rejection follows once this has passed
 * @param what - names it in the message; a function is called at the end, to say what was last seen
 */
export async function eventually<T>(
  ask: () => T | Promise<T>,
  limitMs: number,
  what: string | (() => string),
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) {
      return answer as Exclude<T, undefined | false>;
    }
    if (performance.now() > deadline) {
      const subject = typeof what === 'string' ? what : what();
      throw new Error(`${subject}: not so after ${String(limitMs)} ms`);
    }
    await delay(10);
  }
}
