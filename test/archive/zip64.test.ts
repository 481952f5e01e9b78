// Beyond 4 GiB, without 4 GiB: the records of large archives, held against each other and the reader.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { archiveLimitsOf } from '../../src/archive/archive-limits.js';
import type { FileBytes } from '../../src/archive/file-bytes.js';
import { readDirectory } from '../../src/archive/zip-directory.js';
import { centralDirectory, dataDescriptor, localHeader } from '../../src/archive/zip-records.js';
import type { EntryRecord } from '../../src/archive/zip-records.js';

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
