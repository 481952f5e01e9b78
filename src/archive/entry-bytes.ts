// The content of an entry: inflated within limits, and proven by its sizes and CRC at its end.

import { pipeline } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { isBackupError } from '../errors.js';
import { archiveInvalid, limitExceeded } from './archive-invalid.js';
import type { ArchiveLimits } from './archive-limits.js';
import type { FileBytes } from './file-bytes.js';
import type { ZipEntry } from './zip-directory.js';

const readBytes = 256 * 1024;
const inflatedBytes = 256 * 1024;
const freeBytes = 1024 * 1024;

/**
 * Refuses an entry for what its header says, before anything is inflated.
 *
 * @throws BackupError `BACKUP_LIMIT_EXCEEDED`
 */
export function checkEntryLimits(entry: ZipEntry, limits: ArchiveLimits): void {
  const { name, byteCount, compressedBytes } = entry;
  const { maxEntryBytes, maxRatio } = limits;
  if (byteCount > maxEntryBytes) throw limitExceeded('maxEntryBytes', maxEntryBytes, name);
  if (byteCount > Math.max(freeBytes, compressedBytes * maxRatio)) {
    throw limitExceeded('maxRatio', maxRatio, name);
  }
}

/**
 * Reads an entry's content. Ends only when it was all of it: exactly the bytes that the header
 * tells, with its CRC, out of exactly the compressed bytes that it tells.
 *
 * @throws BackupError `BACKUP_ARCHIVE_INVALID`, `BACKUP_LIMIT_EXCEEDED`, `BACKUP_SOURCE_FAILED`
 */
export async function* readEntry(
  file: FileBytes,
  entry: ZipEntry,
): AsyncGenerator<Buffer, void, undefined> {
  const content = entry.isStored ? compressed(file, entry) : inflated(file, entry);
  let crc = 0;
  let byteCount = 0;
  for await (const chunk of content) {
    byteCount += chunk.length;
    // What is inflated never passes the size that was checked against the limits.
    if (byteCount > entry.byteCount) {
      throw limitExceeded('declaredBytes', entry.byteCount, entry.name);
    }
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (byteCount !== entry.byteCount) throw wrong(entry, 'shorter than its header tells');
  if (crc !== entry.crc32) throw wrong(entry, 'its CRC-32 is not that of its content');
}

async function* compressed(
  file: FileBytes,
  { dataOffset, compressedBytes }: ZipEntry,
): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < compressedBytes; at += readBytes) {
    yield await file.read(dataOffset + at, Math.min(readBytes, compressedBytes - at));
  }
}

async function* inflated(
  file: FileBytes,
  entry: ZipEntry,
): AsyncGenerator<Buffer, void, undefined> {
  const inflate = createInflateRaw({ chunkSize: inflatedBytes });
  // Its errors come out of the reading below.
  pipeline(compressed(file, entry), inflate, () => undefined);
  try {
    yield* inflate as AsyncIterable<Buffer>;
  } catch (error) {
    if (isBackupError(error)) throw error;
    throw archiveInvalid(
      'an entry cannot be inflated',
      { entry: entry.name, byteOffset: entry.dataOffset },
      error,
    );
  } finally {
    inflate.destroy();
  }
  // zlib stops at the end of the deflate stream, whatever comes after it.
  if (inflate.bytesWritten !== entry.compressedBytes) {
    throw wrong(entry, 'something follows its deflate stream');
  }
}

function wrong({ name, dataOffset }: ZipEntry, reason: string): Error {
  return archiveInvalid(reason, { entry: name, byteOffset: dataOffset });
}
