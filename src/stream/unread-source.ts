// What a host hands over to be read, before the first read: it may fail in the meantime, or never be
// read at all.

import { Readable } from 'node:stream';

/**
 * Listens for errors of a stream that come before it is read: with nobody listening they would end the
 * process. Reading tells of them.
 */
export function hearErrors<Source>(source: Source): Source {
  if (source instanceof Readable) source.on('error', () => undefined);
  return source;
}

/** Closes what will not be read: a stream is destroyed, an iterator is asked to return. */
export function closeUnread(source: AsyncIterable<unknown> | Iterable<unknown>): void {
  if (source instanceof Readable) {
    source.destroy();
    return;
  }
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  // Nobody waits for it: what it says belongs to a reading that there is not.
  void Promise.resolve(iterator.return?.()).catch(() => undefined);
}
