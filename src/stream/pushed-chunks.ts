// The chunks of a Readable one by one, as they were pushed.

import { finished } from 'node:stream';
import type { Readable } from 'node:stream';

/**
 * Reads a stream as `for await` does, except that chunks which wait are not put together. That would
 * copy them into memory of their own, and so much memory outside of its heap in so little time makes V8
 * collect the whole heap again and again.
 */
export async function* pushedChunks(stream: Readable): AsyncGenerator<unknown, void, undefined> {
  // A stream with such a listener, which may do no more than look, never flows.
  if (stream.listenerCount('readable') > 0) {
    yield* stream as AsyncIterable<unknown>;
    return;
  }
  const waiting: unknown[] = [];
  let end: { readonly error: Error | null | undefined } | undefined;
  let wake: (() => void) | undefined;
  const onData = (chunk: unknown): void => {
    stream.pause();
    waiting.push(chunk);
    wake?.();
  };
  const unwatch = finished(stream, { writable: false }, (error) => {
    end = { error };
    wake?.();
  });
  stream.on('data', onData);
  try {
    for (;;) {
      while (waiting.length > 0) yield waiting.shift();
      if (end !== undefined) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
        stream.resume();
      });
    }
    if (end.error) throw end.error;
  } finally {
    stream.off('data', onData);
    unwatch();
    if (!stream.readableEnded) stream.destroy();
  }
}
