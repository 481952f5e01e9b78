// A file as bytes that can be read from anywhere: from disk, or already in memory.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { systemCodeOf } from '../error-cause.js';
import { BackupError, isBackupError } from '../errors.js';
import { archiveInvalid } from './archive-invalid.js';

/** Bytes that stay where they are. From a path the file is opened once: what is verified is read. */
export interface FileBytes {
  readonly byteCount: number;
  /**
   * @throws BackupError `BACKUP_SOURCE_FAILED` when reading failed, `BACKUP_ARCHIVE_INVALID` when the
   * file has become shorter
   */
  read(offset: number, byteCount: number): Promise<Buffer>;
  close(): Promise<void>;
}

// Opening a pipe waits for who writes to it, unless told not to. Windows has no such flag.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens a file, or takes bytes as one.
 *
 * @throws TypeError for what is neither a path nor bytes; BackupError `BACKUP_SOURCE_FAILED`, also for
 * a path of no regular file: a folder, a pipe, a device
 */
export async function openFileBytes(file: string | Uint8Array): Promise<FileBytes> {
  if (file instanceof Uint8Array) return inMemory(file);
  if (typeof file !== 'string') throw new TypeError('an archive is a path or a Uint8Array');
  try {
    const handle = await open(file, openFlags);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw noRegularFile();
      return onDisk(handle, stats.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw isBackupError(error) ? error : sourceFailed('opened', error);
  }
}

function inMemory(bytes: Uint8Array): FileBytes {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    byteCount: whole.length,
    read: async (offset, byteCount) => {
      // Others have their turn between two reads, as they have with a file on disk.
      await setImmediate();
      return whole.subarray(offset, offset + byteCount);
    },
    close: () => Promise.resolve(),
  };
}

function onDisk(handle: FileHandle, byteCount: number): FileBytes {
  let closing: Promise<void> | undefined;
  return {
    byteCount,
    read: (offset, wanted) => readFully(handle, offset, wanted),
    close: () => (closing ??= handle.close()),
  };
}

async function readFully(handle: FileHandle, offset: number, wanted: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(wanted);
  let length = 0;
  while (length < wanted) {
    const { bytesRead } = await readSome(handle, bytes.subarray(length), offset + length);
    if (bytesRead === 0) {
      throw archiveInvalid('the file has become shorter since it was opened', {
        byteOffset: offset + length,
      });
    }
    length += bytesRead;
  }
  return bytes;
}

async function readSome(
  handle: FileHandle,
  into: Buffer,
  position: number,
): Promise<{ readonly bytesRead: number }> {
  try {
    return await handle.read(into, 0, into.length, position);
  } catch (error) {
    throw sourceFailed('read', error);
  }
}

function sourceFailed(what: 'opened' | 'read', cause: unknown): BackupError {
  const message = `the archive could not be ${what}: ${systemCodeOf(cause) ?? 'see cause'}`;
  return new BackupError('BACKUP_SOURCE_FAILED', message, { stage: 'read', rowCount: 0 }, cause);
}

function noRegularFile(): BackupError {
  const message = 'the archive could not be opened: its path is that of no regular file';
  return new BackupError('BACKUP_SOURCE_FAILED', message, { stage: 'read', rowCount: 0 });
}
