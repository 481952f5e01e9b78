// The container, read strictly: directory and local headers agree, and the entries fill the file
// from its first byte to the directory, so that every reader sees the same.

import { BackupError } from '../errors.js';
import { archiveInvalid, limitExceeded, unsupportedFeature } from './archive-invalid.js';
import type { ArchiveLimits } from './archive-limits.js';
import type { FileBytes } from './file-bytes.js';
import { readDirectoryPlace } from './zip-end.js';
import type { DirectoryPlace } from './zip-end.js';
import { localHeaderBytes, readCentralHeader, readLocalHeader } from './zip-headers.js';
import type { CentralHeader, EntryHeader } from './zip-headers.js';
import type { EntryName } from './zip-records.js';

/** Where an entry's content lies, and what it must be. */
export interface ZipEntry {
  readonly name: EntryName;
  readonly isStored: boolean;
  readonly crc32: number;
  readonly byteCount: number;
  readonly compressedBytes: number;
  /** Where the content, compressed, begins in the file. */
  readonly dataOffset: number;
}

/** The entries of an archive, each once, and what is wrong with others beside them. */
export interface ZipDirectory {
  readonly entries: ReadonlyMap<EntryName, ZipEntry>;
  /** What does not keep the entries from being read: an unexpected one, a missing one. */
  readonly problems: readonly BackupError[];
}

const knownNames: readonly EntryName[] = ['events.jsonl', 'manifest.json', 'manifest.sig'];
const neededNames: readonly EntryName[] = ['manifest.json', 'events.jsonl'];
const maxVersion = 45;
const descriptorFlag = 0x0008;
// Bits of the flags that mean nothing for reading: compression level (1, 2), descriptor (3), UTF-8 (11).
const harmlessFlags = 0x080e;
// Name, extra fields and comment of a central header have at most this many bytes each.
const maxFieldBytes = 0xffff;

/**
 * Reads and checks the container.
 *
 * @throws BackupError `BACKUP_ARCHIVE_INVALID`, `BACKUP_FORMAT_UNSUPPORTED`, `BACKUP_LIMIT_EXCEEDED`,
 * `BACKUP_SOURCE_FAILED`
 */
export async function readDirectory(file: FileBytes, limits: ArchiveLimits): Promise<ZipDirectory> {
  const place = await readDirectoryPlace(file);
  const headers = await readCentralHeaders(file, place, limits);
  const names = headers.map(({ nameBytes }) => nameBytes.toString('utf8'));
  if (new Set(names.map(foldName)).size !== names.length) {
    throw archiveInvalid('two entries have one name', { byteOffset: place.offset });
  }
  headers.forEach((header, index) => {
    checkReadable(header, names[index] ?? '');
  });
  const dataOffsets = await checkTiling(file, headers, place.offset);
  const entries = new Map<EntryName, ZipEntry>();
  const problems: BackupError[] = [];
  headers.forEach((header, entryIndex) => {
    const name = knownNames.find((known) => known === names[entryIndex]);
    const reason = unexpectedReason(header, name);
    if (name === undefined || reason !== undefined) {
      problems.push(unexpected(reason ?? '', entryIndex));
      return;
    }
    const { crc32, byteCount, compressedBytes } = header;
    const dataOffset = dataOffsets.get(header) ?? 0;
    const isStored = header.method === 0;
    entries.set(name, { name, isStored, crc32, byteCount, compressedBytes, dataOffset });
  });
  for (const entry of neededNames) {
    if (!entries.has(entry)) problems.push(missing(entry));
  }
  return { entries, problems };
}

async function readCentralHeaders(
  file: FileBytes,
  place: DirectoryPlace,
  { maxEntries }: ArchiveLimits,
): Promise<CentralHeader[]> {
  const { offset, byteCount, entryCount } = place;
  if (entryCount > maxEntries) throw limitExceeded('maxEntries', maxEntries);
  if (byteCount > entryCount * (46 + 3 * maxFieldBytes)) {
    throw archiveInvalid('its directory is longer than its entries can be', { byteOffset: offset });
  }
  const directory = await file.read(offset, byteCount);
  const headers: CentralHeader[] = [];
  let at = 0;
  for (let index = 0; index < entryCount; index += 1) {
    const header = readCentralHeader(directory, at, offset);
    headers.push(header);
    at += header.headerBytes;
  }
  if (at !== byteCount) {
    throw archiveInvalid('its directory holds more than the entries that it counts', {
      byteOffset: offset + at,
    });
  }
  return headers;
}

/** Names that a file system, or a reader that is not strict, may take for one. */
function foldName(name: string): string {
  return name.normalize('NFKC').toLowerCase();
}

function checkReadable({ flags, method, versionNeeded }: CentralHeader, name: string): void {
  // Other names are not told: they are whatever somebody wrote there.
  const at = knownNames.some((known) => known === name) ? { entry: name } : {};
  if ((flags & 0x2041) !== 0) {
    throw unsupportedFeature('encryption', 'an entry is encrypted, which zip does badly', at);
  }
  if ((flags & 0x0020) !== 0) {
    throw unsupportedFeature('patch-data', 'an entry is a patch of another file', at);
  }
  if (versionNeeded > maxVersion) {
    throw unsupportedFeature('version-needed', 'an entry needs a newer reader of zip', {
      ...at,
      found: versionNeeded,
    });
  }
  if (method !== 0 && method !== 8) {
    throw unsupportedFeature('compression', 'an entry is neither deflated nor stored', {
      ...at,
      found: method,
    });
  }
  if ((flags & ~harmlessFlags) !== 0) throw archiveInvalid('an entry has reserved flags', at);
}

/** Checks that the entries lie one after the other without gaps; gives where their contents begin. */
async function checkTiling(
  file: FileBytes,
  headers: readonly CentralHeader[],
  directoryAt: number,
): Promise<Map<CentralHeader, number>> {
  const dataOffsets = new Map<CentralHeader, number>();
  const inOrder = [...headers].sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const [index, central] of inOrder.entries()) {
    const { offset, compressedBytes } = central;
    const next = inOrder[index + 1]?.offset ?? directoryAt;
    if (offset !== end || offset + 30 + compressedBytes > next) {
      throw archiveInvalid('its entries overlap, or something lies between them', {
        byteOffset: Math.min(offset, end),
      });
    }
    const local = await readLocal(file, offset, next - offset - compressedBytes);
    checkAgreement(central, local);
    const dataOffset = offset + local.headerBytes;
    await checkDescriptor(file, central, { at: dataOffset + compressedBytes, next });
    dataOffsets.set(central, dataOffset);
    end = next;
  }
  if (end !== directoryAt) {
    throw archiveInvalid('something lies before its directory', { byteOffset: 0 });
  }
  return dataOffsets;
}

async function readLocal(file: FileBytes, offset: number, room: number): Promise<EntryHeader> {
  const length = localHeaderBytes(await file.read(offset, 30), offset);
  if (length > room) {
    throw archiveInvalid('an entry is longer than its place', { byteOffset: offset });
  }
  return readLocalHeader(await file.read(offset, length), offset);
}

function checkAgreement(central: CentralHeader, local: EntryHeader): void {
  const isLater = (central.flags & descriptorFlag) !== 0;
  // Sizes that follow the content are told as zero before it, or already as what they are.
  const agrees = (told: number, value: number): boolean =>
    told === value || (isLater && told === 0);
  const isSame =
    central.nameBytes.equals(local.nameBytes) &&
    central.flags === local.flags &&
    central.method === local.method &&
    local.versionNeeded <= maxVersion &&
    agrees(local.crc32, central.crc32) &&
    agrees(local.compressedBytes, central.compressedBytes) &&
    agrees(local.byteCount, central.byteCount);
  if (!isSame) {
    throw archiveInvalid('an entry and the directory tell different things of it', {
      byteOffset: central.offset,
    });
  }
  if (central.method === 0 && central.compressedBytes !== central.byteCount) {
    throw archiveInvalid('a stored entry has two sizes', { byteOffset: central.offset });
  }
}

/** What stands between an entry's content and what follows: a descriptor where one was announced. */
async function checkDescriptor(
  file: FileBytes,
  central: CentralHeader,
  { at, next }: { readonly at: number; readonly next: number },
): Promise<void> {
  const length = next - at;
  const isAnnounced = (central.flags & descriptorFlag) !== 0;
  const isPlausible = isAnnounced ? [12, 16, 20, 24].includes(length) : length === 0;
  const found = isPlausible ? await file.read(at, length) : undefined;
  if (found?.equals(descriptorOf(central, length)) !== true) {
    throw archiveInvalid('something else than its descriptor follows an entry', { byteOffset: at });
  }
}

// With or without its signature, with sizes of 32 or 64 bits: each has been written by somebody, and
// each has its own length.
function descriptorOf(
  { crc32, compressedBytes, byteCount }: CentralHeader,
  length: number,
): Buffer {
  const record = Buffer.alloc(24);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(crc32, 4);
  record.writeBigUInt64LE(BigInt(compressedBytes), 8);
  record.writeBigUInt64LE(BigInt(byteCount), 16);
  const isSigned = length % 8 === 0;
  const isWide = length >= 20;
  const sizes = isWide
    ? record.subarray(8)
    : Buffer.concat([record.subarray(8, 12), record.subarray(16, 20)]);
  const whole = Buffer.concat([record.subarray(isSigned ? 0 : 4, 8), sizes]);
  return length === 0 ? Buffer.alloc(0) : whole;
}

function unexpectedReason(header: CentralHeader, name: EntryName | undefined): string | undefined {
  if (name === undefined) return 'the format names no such entry';
  const fileType = header.unixMode & 0o170000;
  const isRegular = fileType === 0 || fileType === 0o100000;
  if (!isRegular || header.isDosDirectory) return 'not a regular file';
  return undefined;
}

function unexpected(reason: string, entryIndex: number): BackupError {
  const message = `the archive holds an entry that the format does not name (${entryIndex + 1} in its directory): ${reason}`;
  return new BackupError('BACKUP_ENTRY_UNEXPECTED', message, { reason, entryIndex });
}

function missing(entry: EntryName): BackupError {
  const why = entry === 'manifest.json' ? ': the export that wrote it failed, or it is none' : '';
  const message = `the archive has no ${entry}${why}`;
  return new BackupError('BACKUP_ENTRY_MISSING', message, { entry });
}
