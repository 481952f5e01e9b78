// The headers of a zip's entries, out of bytes (APPNOTE 6.3.10, sections 4.3.7 and 4.3.12).

import { archiveInvalid } from './archive-invalid.js';
import { readCount } from './zip-end.js';

/** What local and central header of an entry both tell. */
export interface EntryHeader {
  readonly nameBytes: Buffer;
  readonly versionNeeded: number;
  readonly flags: number;
  readonly method: number;
  readonly crc32: number;
  readonly compressedBytes: number;
  readonly byteCount: number;
  /** Length of the header, name and extra fields included. */
  readonly headerBytes: number;
}

/** What only the directory tells. */
export interface CentralHeader extends EntryHeader {
  readonly offset: number;
  /** Mode bits, which readers heed whichever system the entry was made on; 0 where there are none. */
  readonly unixMode: number;
  readonly isDosDirectory: boolean;
}

const max32 = 0xffffffff;

/** Reads the central header at `at`. */
export function readCentralHeader(
  directory: Buffer,
  at: number,
  fileOffset: number,
): CentralHeader {
  const place = { byteOffset: fileOffset + at };
  if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50) {
    throw archiveInvalid('its directory holds something else than entries', place);
  }
  const common = readCommon(directory.subarray(at + 6));
  const commentLength = directory.readUInt16LE(at + 32);
  const headerBytes = 46 + common.nameLength + common.extraLength + commentLength;
  if (at + headerBytes > directory.length) {
    throw archiveInvalid('an entry of its directory is longer than the directory', place);
  }
  if (directory.readUInt16LE(at + 34) !== 0) {
    throw archiveInvalid('an entry lies on another disk', place);
  }
  const extraAt = at + 46 + common.nameLength;
  const nameBytes = directory.subarray(at + 46, extraAt);
  const extra = directory.subarray(extraAt, extraAt + common.extraLength);
  const wide = new WideValues(readExtra(extra, nameBytes, place), place);
  const [byteCount, compressedBytes] = wide.sizes(common);
  const offset = directory.readUInt32LE(at + 42);
  const attributes = directory.readUInt32LE(at + 38);
  return {
    ...common,
    nameBytes,
    byteCount,
    compressedBytes,
    offset: offset === max32 ? wide.take() : offset,
    headerBytes,
    unixMode: attributes >>> 16,
    isDosDirectory: (attributes & 0x10) !== 0,
  };
}

/** Length of the local header that starts with `bytes`, which are at least 30. */
export function localHeaderBytes(bytes: Buffer, fileOffset: number): number {
  if (bytes.readUInt32LE(0) !== 0x04034b50) {
    throw archiveInvalid('an entry does not begin where the directory says', {
      byteOffset: fileOffset,
    });
  }
  return 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
}

/** Reads a whole local header. */
export function readLocalHeader(bytes: Buffer, fileOffset: number): EntryHeader {
  const place = { byteOffset: fileOffset };
  const common = readCommon(bytes.subarray(4));
  const extraAt = 30 + common.nameLength;
  const nameBytes = bytes.subarray(30, extraAt);
  const field = readExtra(bytes.subarray(extraAt), nameBytes, place);
  checkBothSizes(field, common, place);
  const [byteCount, compressedBytes] = new WideValues(field, place).sizes(common);
  return {
    ...common,
    nameBytes,
    byteCount,
    compressedBytes,
    headerBytes: bytes.length,
  };
}

// From the version on, both headers are alike. Times are skipped: nothing depends on them.
function readCommon(bytes: Buffer): Omit<EntryHeader, 'nameBytes' | 'headerBytes'> & {
  readonly nameLength: number;
  readonly extraLength: number;
} {
  return {
    versionNeeded: bytes.readUInt16LE(0),
    flags: bytes.readUInt16LE(2),
    method: bytes.readUInt16LE(4),
    crc32: bytes.readUInt32LE(10),
    compressedBytes: bytes.readUInt32LE(14),
    byteCount: bytes.readUInt32LE(18),
    nameLength: bytes.readUInt16LE(22),
    extraLength: bytes.readUInt16LE(24),
  };
}

type Sizes = Pick<EntryHeader, 'byteCount' | 'compressedBytes'>;

const zip64Field = 0x0001;
const unicodePathField = 0x7075;

/**
 * The content of the zip64 field among extra fields; undefined when there is none. The others are
 * nobody's business here, except Info-ZIP's Unicode Path (section 4.6.9): a name that some readers
 * prefer must be the entry's own.
 */
function readExtra(
  extra: Buffer,
  nameBytes: Buffer,
  place: { readonly byteOffset: number },
): Buffer | undefined {
  let found: Buffer | undefined;
  for (let at = 0; at + 4 <= extra.length;) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    const id = extra.readUInt16LE(at);
    if (id === zip64Field) {
      if (found !== undefined) throw archiveInvalid('an entry tells its sizes twice', place);
      if (end > extra.length) throw archiveInvalid('a zip64 field is cut off', place);
      found = extra.subarray(at + 4, end);
    }
    if (id === unicodePathField) {
      // Before the name stand a version and the CRC-32 of the other name.
      const isSame = end <= extra.length && extra.subarray(at + 9, end).equals(nameBytes);
      if (!isSame) throw archiveInvalid('an entry has a second name', place);
    }
    at = end;
  }
  return found;
}

// Of a local header it holds both sizes, and Java's ZipInputStream takes them from there also where the
// header itself tells them.
function checkBothSizes(
  field: Buffer | undefined,
  header: Sizes,
  place: { readonly byteOffset: number },
): void {
  if (field === undefined || field.length < 16) return;
  for (const [index, told] of [header.byteCount, header.compressedBytes].entries()) {
    if (told !== max32 && told !== readCount(field, 8 * index)) {
      throw archiveInvalid('an entry tells its sizes twice', place);
    }
  }
}

// The zip64 field holds only those values, in a fixed order, whose places in the header say so
// (section 4.5.3).
class WideValues {
  readonly #field: Buffer;
  readonly #place: { readonly byteOffset: number };
  #at = 0;

  constructor(field: Buffer | undefined, place: { readonly byteOffset: number }) {
    this.#field = field ?? Buffer.alloc(0);
    this.#place = place;
  }

  sizes(header: Sizes): readonly [byteCount: number, compressedBytes: number] {
    const byteCount = header.byteCount === max32 ? this.take() : header.byteCount;
    return [byteCount, header.compressedBytes === max32 ? this.take() : header.compressedBytes];
  }

  take(): number {
    if (this.#at + 8 > this.#field.length) {
      throw archiveInvalid('a 64-bit size is announced and not there', this.#place);
    }
    this.#at += 8;
    const count = readCount(this.#field, this.#at - 8);
    if (count === Infinity)
      throw archiveInvalid('a size or an offset of 2^53 or more', this.#place);
    return count;
  }
}
