// The end of a zip: where its directory lies. Strict: the end record is the file's last 22 bytes,
// without a comment, since a reader that searches for one can be made to find another. Readers also
// differ in whether they look for zip64 records that nothing defers to: those that are there count.

import { archiveInvalid, unsupportedFeature } from './archive-invalid.js';
import type { FileBytes } from './file-bytes.js';

/** Where the directory lies; it ends where the records of the end begin. */
export interface DirectoryPlace {
  readonly offset: number;
  readonly byteCount: number;
  readonly entryCount: number;
}

const endBytes = 22;
const locatorBytes = 20;
const end64Bytes = 56;

/** What else of this library's a file may be, by its first bytes. */
const otherKinds = [
  ['age-encryption.org/', 'it is sealed: unsealArchive opens it'],
  ['{"', 'it holds bare lines: parseJsonl and restoreToPostgres read them'],
] as const;

/**
 * Reads the end records (APPNOTE 6.3.10, sections 4.3.14 to 4.3.16).
 *
 * @throws BackupError `BACKUP_ARCHIVE_INVALID`, `BACKUP_FORMAT_UNSUPPORTED`
 */
export async function readDirectoryPlace(file: FileBytes): Promise<DirectoryPlace> {
  const endAt = file.byteCount - endBytes;
  if (endAt < 0) throw archiveInvalid('shorter than any zip');
  const end = await file.read(endAt, endBytes);
  if (end.readUInt32LE(0) !== 0x06054b50 || end.readUInt16LE(20) !== 0) {
    const start = await file.read(0, endBytes);
    const other = otherKinds.find(([firstBytes]) =>
      start.toString('latin1').startsWith(firstBytes),
    );
    if (other !== undefined) throw archiveInvalid(other[1]);
    throw archiveInvalid('no zip, or cut off, or with something after its end', {
      byteOffset: endAt,
    });
  }
  const place = {
    entryCount: end.readUInt16LE(10),
    byteCount: end.readUInt32LE(12),
    offset: end.readUInt32LE(16),
  };
  const disks = [end.readUInt16LE(4), end.readUInt16LE(6)];
  if (end.readUInt16LE(8) !== place.entryCount) throw multiDisk();
  const wide = await readWidePlace(file, endAt - locatorBytes);
  if (wide === undefined) {
    if (disks.some((disk) => disk !== 0)) throw multiDisk();
    if (place.offset + place.byteCount === endAt) return place;
    throw archiveInvalid('its directory does not end where the end record begins', {
      byteOffset: endAt,
    });
  }
  if (disks.some((disk) => disk !== 0 && disk !== 0xffff)) throw multiDisk();
  const agrees =
    isSameOr(place.entryCount, 0xffff, wide.entryCount) &&
    isSameOr(place.byteCount, 0xffffffff, wide.byteCount) &&
    isSameOr(place.offset, 0xffffffff, wide.offset);
  if (!agrees) throw archiveInvalid('its two end records disagree', { byteOffset: endAt });
  return wide;
}

/**
 * The place as the zip64 records tell it; undefined when no locator stands before the end record. One
 * that stands there as part of something else would be found by others, and is held to be one.
 */
async function readWidePlace(
  file: FileBytes,
  locatorAt: number,
): Promise<DirectoryPlace | undefined> {
  if (locatorAt < 0) return undefined;
  const locator = await file.read(locatorAt, locatorBytes);
  if (locator.readUInt32LE(0) !== 0x07064b50) return undefined;
  const recordAt = locatorAt - end64Bytes;
  const at = { byteOffset: locatorAt };
  if (recordAt < 0) throw archiveInvalid('its zip64 locator has no record before it', at);
  const records = await file.read(recordAt, end64Bytes);
  if (locator.readUInt32LE(4) !== 0 || locator.readUInt32LE(16) > 1) throw multiDisk();
  if (readCount(locator, 8) !== recordAt || records.readUInt32LE(0) !== 0x06064b50) {
    throw archiveInvalid('its zip64 end record is not where the locator says', at);
  }
  if (readCount(records, 4) !== end64Bytes - 12) {
    throw archiveInvalid('its zip64 end record has an unknown length', at);
  }
  if (records.readUInt32LE(16) !== 0 || records.readUInt32LE(20) !== 0) throw multiDisk();
  const entryCount = readCount(records, 32);
  if (readCount(records, 24) !== entryCount) throw multiDisk();
  const place = { entryCount, byteCount: readCount(records, 40), offset: readCount(records, 48) };
  if (place.offset + place.byteCount !== recordAt) {
    throw archiveInvalid('its directory does not end where the end records begin', at);
  }
  return place;
}

/** A count of 64 bits; one beyond what a number holds is Infinity, and then agrees with nothing. */
export function readCount(bytes: Buffer, at: number): number {
  const count = bytes.readBigUInt64LE(at);
  return count > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(count);
}

function isSameOr(value: number, deferred: number, wide: number): boolean {
  return value === wide || value === deferred;
}

function multiDisk(): Error {
  return unsupportedFeature('multi-disk', 'it is one part of a zip in several');
}
