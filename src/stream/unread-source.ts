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

/**
 * Refuses what would seem to hold nothing.
 *
 * @throws TypeError for a stream that has been read to its end before
 */
export function refuseSpent(source: unknown): void {
  if (source instanceof Readable && source.readableEnded) {
    throw new TypeError('the stream has been read to its end before');
  }
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
