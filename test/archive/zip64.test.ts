// Beyond 4 GiB, without 4 GiB: the records of large archives, held against each other and the reader.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { archiveLimitsOf } from '../../src/archive/archive-limits.js';
import type { FileBytes } from '../../src/archive/file-bytes.js';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { readDirectory } from '../../src/archive/zip-directory.js';
import { centralDirectory, dataDescriptor, localHeader } from '../../src/archive/zip-records.js';
import type { EntryRecord } from '../../src/archive/zip-records.js';
import { failsWith } from '../support/failures.js';
import { buildZip, zip64End } from '../support/zip-parts.js';

/** A file of which only some pieces are there; the rest is zeros. */
function sparse(pieces: readonly (readonly [number, Buffer])[], byteCount: number): FileBytes {
  return {
    byteCount,
    read: (offset, wanted) => {
      const bytes = Buffer.alloc(wanted);
      for (const [at, piece] of pieces) {
        for (let index = 0; index < piece.length; index += 1) {
          const place = at + index - offset;
          if (place >= 0 && place < wanted) bytes[place] = piece[index] ?? 0;
        }
      }
      return Promise.resolve(bytes);
    },
    close: () => Promise.resolve(),
  };
}

/** An archive with events of these sizes, as `writeArchive` would write its records. */
function archiveOf(sizes: { compressedBytes: number; byteCount: number; isZip64?: boolean }): {
  readonly file: FileBytes;
  readonly local: Buffer;
  readonly descriptor: Buffer;
  readonly end: Buffer;
} {
  const { compressedBytes, byteCount, isZip64 = false } = sizes;
  const form = { isStored: false, hasDescriptor: true, isZip64Announced: isZip64 };
  const events = { ...form, name: 'events.jsonl', crc32: 7, compressedBytes, byteCount } as const;
  const local = localHeader(events);
  const descriptor = dataDescriptor(events);
  const small = { isStored: true, hasDescriptor: false, isZip64Announced: false } as const;
  const size = { crc32: 9, compressedBytes: 3, byteCount: 3 };
  const manifestAt = local.length + compressedBytes + descriptor.length;
  const manifest = { ...small, ...size, name: 'manifest.json' } as const;
  const manifestHeader = localHeader(manifest);
  const directoryAt = manifestAt + manifestHeader.length + 3;
  const entries: EntryRecord[] = [
    { ...events, offset: 0 },
    { ...manifest, offset: manifestAt },
  ];
  const end = centralDirectory(entries, directoryAt);
  const pieces = [
    [0, local],
    [local.length + compressedBytes, descriptor],
    [manifestAt, manifestHeader],
    [directoryAt, end],
  ] as const;
  return { file: sparse(pieces, directoryAt + end.length), local, descriptor, end };
}

const GIB4 = 2 ** 32;
const limits = archiveLimitsOf({});

describe('the end records of a zip', () => {
  const both = ['events.jsonl', 'manifest.json'].map((name) => ({
    name,
    content: Buffer.from('x\n'),
  }));
  /** As some writers end a small zip, with these bytes of the zip64 records or of the end record changed. */
  function ended(change: (bytes: Buffer, records: number) => void): Buffer {
    const bytes = buildZip(both, {
      beforeEnd: ({ offset, size }) =>
        zip64End({ entryCount: 2, size, offset, recordAt: offset + size }),
    });
    change(bytes, bytes.length - 22 - 76);
    return bytes;
  }
  const codeOf = async (zip: Buffer): Promise<string | undefined> =>
    (await verifyArchive(zip)).problems[0]?.code;

  test('of one zip are read', async () => {
    assert.equal(await codeOf(ended(() => undefined)), 'BACKUP_MANIFEST_INVALID');
    const deferred = ended((bytes) => bytes.fill(0xff, bytes.length - 18, bytes.length - 14));
    assert.equal(await codeOf(deferred), 'BACKUP_MANIFEST_INVALID');
  });

  const parts: Readonly<Record<string, (bytes: Buffer, records: number) => void>> = {
    'the end record: this disk': (bytes) => bytes.writeUInt16LE(1, bytes.length - 18),
    'the end record: the disk of the directory': (bytes) =>
      bytes.writeUInt16LE(1, bytes.length - 16),
    'the zip64 record: this disk': (bytes, records) => bytes.writeUInt32LE(1, records + 16),
    'the zip64 record: the disk of the directory': (bytes, records) =>
      bytes.writeUInt32LE(1, records + 20),
    'the zip64 record: entries of this disk': (bytes, records) => {
      bytes.writeUInt32LE(1, records + 24);
    },
    'the locator: the disk of the record': (bytes, records) => bytes.writeUInt32LE(1, records + 60),
    'the locator: how many disks': (bytes, records) => bytes.writeUInt32LE(2, records + 72),
  };
  for (const [what, change] of Object.entries(parts)) {
    test(`C13 of one part of several are refused by ${what}`, async () => {
      const error = await failsWith(openArchive(ended(change)), 'BACKUP_FORMAT_UNSUPPORTED');
      assert.equal(error.details.feature, 'multi-disk');
    });
  }

  const wrong: Readonly<Record<string, Buffer>> = {
    'a zip64 record that is longer, which others would read on': ended((bytes, records) => {
      bytes.writeUInt32LE(45, records + 4);
    }),
    'a locator for which there is no room before': ended(() => undefined).subarray(-42),
    'another number of entries': ended((bytes) => {
      bytes.writeUInt16LE(1, bytes.length - 14);
      bytes.writeUInt16LE(1, bytes.length - 12);
    }),
    'another offset': ended((bytes) => bytes.writeUInt32LE(0, bytes.length - 6)),
    'a directory longer than its entries can be': buildZip(both, {
      hidden: Buffer.alloc(2 * (46 + 3 * 0xffff) + 1),
    }),
  };
  for (const [what, zip] of Object.entries(wrong)) {
    test(`C9 with ${what} are refused`, async () => {
      assert.equal(await codeOf(zip), 'BACKUP_ARCHIVE_INVALID');
    });
  }

  test('C8 tell of a directory that cannot be theirs before it is read', async () => {
    const zip = buildZip(both, { hidden: Buffer.alloc(2 * (46 + 3 * 0xffff) + 1) });
    let mostBytes = 0;
    const file: FileBytes = {
      byteCount: zip.length,
      read: (offset, wanted) => {
        mostBytes = Math.max(mostBytes, wanted);
        return Promise.resolve(zip.subarray(offset, offset + wanted));
      },
      close: () => Promise.resolve(),
    };
    await failsWith(readDirectory(file, limits), 'BACKUP_ARCHIVE_INVALID');
    assert.ok(mostBytes < 1000, String(mostBytes));
  });
});

describe('the records of an archive', () => {
  for (const sizes of [
    { compressedBytes: 100, byteCount: GIB4 - 2 },
    { compressedBytes: 100, byteCount: GIB4 - 1 },
    { compressedBytes: 100, byteCount: GIB4 },
    { compressedBytes: GIB4 - 60, byteCount: GIB4 * 3 },
    { compressedBytes: GIB4 + 1, byteCount: GIB4 * 7 },
    { compressedBytes: 2 ** 45, byteCount: 2 ** 46 },
  ]) {
    for (const isZip64 of [false, true]) {
      const announced = isZip64 ? ', announced' : '';
      test(`of ${sizes.byteCount} bytes in ${sizes.compressedBytes}${announced} are read back`, async () => {
        const { file } = archiveOf({ ...sizes, isZip64 });
        const { entries, problems } = await readDirectory(file, limits);
        assert.deepEqual(problems, []);
        const { compressedBytes, byteCount } = entries.get('events.jsonl')!;
        assert.deepEqual({ compressedBytes, byteCount }, sizes);
        assert.equal(entries.get('manifest.json')?.byteCount, 3);
      });
    }
  }

  test('hold nothing of zip64 below 4 GiB unless it was announced', () => {
    const { local, descriptor, end } = archiveOf({ compressedBytes: 100, byteCount: GIB4 - 2 });
    assert.equal(local.readUInt16LE(4), 20);
    assert.equal(local.readUInt16LE(28), 0);
    assert.equal(descriptor.length, 16);
    assert.equal(end.readUInt16LE(6), 20);
    assert.equal(end.includes('PK\x06\x06'), false);
  });

  test('have a descriptor of 64 bits exactly where its sizes need them, or it was announced', () => {
    const lengthOf = (byteCount: number, isZip64: boolean): number =>
      archiveOf({ compressedBytes: 100, byteCount, isZip64 }).descriptor.length;
    assert.deepEqual(
      [lengthOf(GIB4 - 1, false), lengthOf(GIB4, false), lengthOf(100, true)],
      [16, 24, 24],
    );
  });
});
