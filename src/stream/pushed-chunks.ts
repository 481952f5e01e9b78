// The chunks of a Readable one by one, as they were pushed.

import { finished } from 'node:stream';
import type { Readable } from 'node:stream';
import { outputOf } from './line-bytes.js';

/**
 * Reads a stream as `for await` does, except that chunks which wait are not put together. That would
 * copy them into memory of their own, and so much memory outside of its heap in so little time makes V8
 * collect the whole heap again and again. For the same reason a chunk of this library's lanes is the
 * reader's only until the next one is asked for: its memory is used again then, unless somebody else was
 * handed the chunk as well.
 */
export async function* pushedChunks(stream: Readable): AsyncGenerator<unknown, void, undefined> {
  // A stream with such a listener, which may do no more than look, never flows.
  if (stream.listenerCount('readable') > 0) {
    yield* stream as AsyncIterable<unknown>;
    return;
  }
  const waiting: unknown[] = [];
  // Where somebody else was or is handed chunks, none goes back any more: they may have been kept.
  const isOurs = stream.listenerCount('data') === 0 && !stream.readableDidRead;
  let output = isOurs ? outputOf(stream) : undefined;
  const onNewListener = (name: string | symbol): void => {
    if (name === 'data') output = undefined;
  };
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
  stream.on('newListener', onNewListener);
  try {
    for (;;) {
      while (waiting.length > 0) {
        const chunk = waiting.shift();
        yield chunk;
        output?.giveBack(chunk as Uint8Array);
      }
      if (end !== undefined) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
        stream.resume();
      });
    }
    if (end.error) throw end.error;
  } finally {
    stream.off('newListener', onNewListener);
    stream.off('data', onData);
    unwatch();
    if (!stream.readableEnded) stream.destroy();
  }
}
