// The records of a zip, out of numbers into bytes (APPNOTE 6.3.10, section 4.3). Times are fixed, so
// that the same content gives the same bytes; sizes beyond 4 GiB go into the zip64 extra field.

import type { DirectoryPlace } from './zip-end.js';

/** The names that an archive's entries can have. */
export type EntryName = 'events.jsonl' | 'manifest.json' | 'manifest.sig';

/** One entry, as the directory tells it. */
export interface EntryRecord {
  readonly name: EntryName;
  readonly isStored: boolean;
  /** Whether its CRC and sizes follow its content, because they were not known before. */
  readonly hasDescriptor: boolean;
  /** Whether its local header announced 64-bit sizes. */
  readonly isZip64Announced: boolean;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly byteCount: number;
  /** Where its local header begins. */
  readonly offset: number;
}

const max16 = 0xffff;
const max32 = 0xffffffff;
const version20 = 20;
const version45 = 45;
const utf8Flag = 0x0800;
const descriptorFlag = 0x0008;
// 1980-01-01 00:00, the earliest that a zip can tell. yazl and others write local time here.
const dosTime = 0;
const dosDate = 0x0021;
const regularFile = (0o100644 << 16) >>> 0;
const madeOnUnix = 3 << 8;

/** What stands before an entry's content. */
export function localHeader(entry: Omit<EntryRecord, 'offset'>): Buffer {
  const isLater = entry.hasDescriptor;
  const isZip64 = entry.isZip64Announced;
  const extra = isZip64
    ? zip64Extra(isLater ? [0, 0] : [entry.byteCount, entry.compressedBytes])
    : noBytes;
  const fixed = Buffer.alloc(30);
  fixed.writeUInt32LE(0x04034b50, 0);
  writeCommon(fixed.subarray(4), entry, {
    version: isZip64 ? version45 : version20,
    crc32: isLater ? 0 : entry.crc32,
    compressedBytes: isZip64 ? max32 : isLater ? 0 : entry.compressedBytes,
    byteCount: isZip64 ? max32 : isLater ? 0 : entry.byteCount,
    extraBytes: extra.length,
  });
  return Buffer.concat([fixed, Buffer.from(entry.name), extra]);
}

/**
 * What stands after the content of an entry whose sizes were not known before. The sizes have 64
 * bits when the local header said so, or when they need them: that is the rule by which a reader
 * that does not know the directory yet finds the next entry.
 */
export function dataDescriptor(entry: Omit<EntryRecord, 'offset'>): Buffer {
  const { crc32, compressedBytes, byteCount } = entry;
  const isWide = entry.isZip64Announced || compressedBytes > max32 || byteCount > max32;
  const record = Buffer.alloc(isWide ? 24 : 16);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(crc32, 4);
  if (isWide) {
    record.writeBigUInt64LE(BigInt(compressedBytes), 8);
    record.writeBigUInt64LE(BigInt(byteCount), 16);
  } else {
    record.writeUInt32LE(compressedBytes, 8);
    record.writeUInt32LE(byteCount, 12);
  }
  return record;
}

/** The directory and what ends the file, for entries whose records end at `offset`. */
export function centralDirectory(entries: readonly EntryRecord[], offset: number): Buffer {
  const directory = Buffer.concat(entries.map(centralHeader));
  const place = { offset, byteCount: directory.length, entryCount: entries.length };
  const isZip64 = offset >= max32;
  return Buffer.concat([directory, ...(isZip64 ? zip64End(place) : []), endRecord(place)]);
}

const noBytes = Buffer.alloc(0);

function centralHeader(entry: EntryRecord): Buffer {
  const { byteCount, compressedBytes, offset } = entry;
  // Both sizes or none: 7-Zip and older readers expect them together.
  const isLarge = byteCount >= max32 || compressedBytes >= max32;
  const isFar = offset >= max32;
  const wide = [...(isLarge ? [byteCount, compressedBytes] : []), ...(isFar ? [offset] : [])];
  const extra = wide.length === 0 ? noBytes : zip64Extra(wide);
  const fixed = Buffer.alloc(46);
  const version = wide.length > 0 || entry.isZip64Announced ? version45 : version20;
  fixed.writeUInt32LE(0x02014b50, 0);
  fixed.writeUInt16LE(madeOnUnix | version, 4);
  writeCommon(fixed.subarray(6), entry, {
    version,
    crc32: entry.crc32,
    compressedBytes: isLarge ? max32 : compressedBytes,
    byteCount: isLarge ? max32 : byteCount,
    extraBytes: extra.length,
  });
  fixed.writeUInt32LE(regularFile, 38);
  fixed.writeUInt32LE(isFar ? max32 : offset, 42);
  return Buffer.concat([fixed, Buffer.from(entry.name), extra]);
}

// The part that local and central header have in common, from the version on.
function writeCommon(
  into: Buffer,
  entry: Omit<EntryRecord, 'offset'>,
  told: {
    readonly version: number;
    readonly crc32: number;
    readonly compressedBytes: number;
    readonly byteCount: number;
    readonly extraBytes: number;
  },
): void {
  into.writeUInt16LE(told.version, 0);
  into.writeUInt16LE(utf8Flag | (entry.hasDescriptor ? descriptorFlag : 0), 2);
  into.writeUInt16LE(entry.isStored ? 0 : 8, 4);
  into.writeUInt16LE(dosTime, 6);
  into.writeUInt16LE(dosDate, 8);
  into.writeUInt32LE(told.crc32, 10);
  into.writeUInt32LE(told.compressedBytes, 14);
  into.writeUInt32LE(told.byteCount, 18);
  into.writeUInt16LE(entry.name.length, 22);
  into.writeUInt16LE(told.extraBytes, 24);
}

function zip64Extra(values: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + values.length * 8);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(values.length * 8, 2);
  values.forEach((value, index) => extra.writeBigUInt64LE(BigInt(value), 4 + index * 8));
  return extra;
}

function zip64End({ offset, byteCount, entryCount }: DirectoryPlace): readonly Buffer[] {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(44), 4);
  record.writeUInt16LE(madeOnUnix | version45, 12);
  record.writeUInt16LE(version45, 14);
  record.writeBigUInt64LE(BigInt(entryCount), 24);
  record.writeBigUInt64LE(BigInt(entryCount), 32);
  record.writeBigUInt64LE(BigInt(byteCount), 40);
  record.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + byteCount), 8);
  locator.writeUInt32LE(1, 16);
  return [record, locator];
}

function endRecord({ offset, byteCount, entryCount }: DirectoryPlace): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(Math.min(entryCount, max16), 8);
  record.writeUInt16LE(Math.min(entryCount, max16), 10);
  record.writeUInt32LE(byteCount, 12);
  record.writeUInt32LE(Math.min(offset, max32), 16);
  return record;
}
