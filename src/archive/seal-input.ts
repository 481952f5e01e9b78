// What is sealed or unsealed, as bytes that can be stopped, whichever form it comes in.

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { systemCodeOf } from '../error-cause.js';
import { BackupError, isBackupError } from '../errors.js';
import { StoppableBytes } from './stoppable-bytes.js';
import type { StoppableBytesOptions } from './stoppable-bytes.js';

/** Bytes to seal or to unseal: a path, the bytes, or a stream of them. */
export type SealInput = string | Uint8Array | AsyncIterable<Uint8Array>;

/** What is looked at on the way: see {@link StoppableBytesOptions}. */
export type SealChecks = Pick<StoppableBytesOptions, 'check' | 'checkEnd'>;

/**
 * Takes an input over: from here on its errors are heard. A path is opened.
 *
 * @throws TypeError for what is no input, which then stays as it was
 */
export function sealBytesOf(input: SealInput, checks: SealChecks): StoppableBytes {
  if (typeof input === 'string') {
    return new StoppableBytes(fileBytes(input), { ...checks, explained: pathFailed });
  }
  if (input instanceof Uint8Array) return new StoppableBytes(inOneChunk(input), checks);
  if (typeof input === 'object' && input !== null && Symbol.asyncIterator in input) {
    return new StoppableBytes(input, checks);
  }
  throw new TypeError('the input must be a path, bytes, or a stream of bytes');
}

function fileBytes(path: string): Readable {
  try {
    return createReadStream(path);
  } catch (error) {
    // A path with NUL, which fails like one that is not there.
    return new Readable({ read: () => undefined }).destroy(error as Error);
  }
}

async function* inOneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

function pathFailed(cause: unknown): unknown {
  if (isBackupError(cause)) return cause;
  const what = (cause as NodeJS.ErrnoException).syscall === 'read' ? 'read' : 'opened';
  const message = `the input could not be ${what}: ${systemCodeOf(cause) ?? 'see cause'}`;
  return new BackupError('BACKUP_SOURCE_FAILED', message, { stage: 'read', rowCount: 0 }, cause);
}
