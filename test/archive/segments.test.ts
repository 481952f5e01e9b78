// Segments of the events: what the manifest tells of them, and where damage is found to be.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { crc32 } from 'node:zlib';

import { openArchive, verifyArchive, writeArchive } from '../../src/archive/index.js';
import type { Manifest } from '../../src/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { changeRows } from '../support/change-rows.js';
import { collect } from '../support/collect.js';
import { crcTwin } from '../support/crc-twin.js';
import { failsWith } from '../support/failures.js';
import { buildZip } from '../support/zip-parts.js';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
// Of the 40 lines, in each segment but the last; see `segmentTarget`.
const LINES = 17;

describe('an archive of several segments', () => {
  // Hex digits of digests, since a million equal letters would look like a bomb.
  const digits = (n: number): string =>
    Array.from({ length: 8000 }, (_, k) => sha256(Buffer.from(`${n} ${k}`))).join('');
  let events: Buffer;
  let manifest: Manifest;

  before(async () => {
    const rows = changeRows(40).map((row, n) => ({ ...row, data: digits(n) }));
    const chunks: Buffer[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk);
        callback();
      },
    });
    await writeArchive(sink, { userId: 'user-1', events: changeSourceFrom(rows) });
    await using archive = await openArchive(Buffer.concat(chunks));
    events = Buffer.concat(await collect(archive.bytes()));
    manifest = archive.manifest;
  });

  /** The archive with other events, or with a manifest that tells something else of a segment. */
  const rebuilt = (
    content: Buffer,
    told: (segments: NonNullable<Manifest['segments']>) => Manifest['segments'] = (s) => s,
  ): Buffer => {
    const { archiveId, segments = [], ...rest } = manifest;
    assert.ok(archiveId);
    const text = JSON.stringify({ ...rest, segments: told(segments) });
    return buildZip([
      { name: 'events.jsonl', content },
      { name: 'manifest.json', content: Buffer.from(text) },
    ]);
  };

  /** The events with a digit changed in each of these lines, numbered from 1. */
  const damaged = (...lines: readonly number[]): Buffer => {
    const copy = Buffer.from(events);
    for (const line of lines) {
      const at = copy.indexOf('"data":"', lineStart(line)) + 1000;
      copy[at] = copy[at] === 0x30 ? 0x31 : 0x30;
    }
    return copy;
  };

  const lineStart = (line: number): number => {
    let at = 0;
    for (let number = 1; number < line; number += 1) at = events.indexOf('\n', at) + 1;
    return at;
  };

  test('tells of segments of whole lines which together are all of them', () => {
    const { segments = [] } = manifest;
    assert.deepEqual(
      segments.map(({ lineCount }) => lineCount),
      [LINES, LINES, 40 - 2 * LINES],
    );
    let at = 0;
    for (const { byteCount, crc32: checksum, prefixSha256 } of segments) {
      const crc = crc32(events.subarray(at, at + byteCount));
      at += byteCount;
      assert.equal(parseInt(checksum ?? '', 16), crc);
      assert.equal(prefixSha256, sha256(events.subarray(0, at)));
    }
    assert.equal(at, events.length);
    assert.equal(segments.at(-1)?.prefixSha256, manifest.eventsSha256);
  });

  test('that is whole is found to be', async () => {
    assert.deepEqual((await verifyArchive(rebuilt(events))).problems, []);
  });

  test('is found damaged where it is, segment by segment, and in whole', async () => {
    for (const lines of [[1], [20], [40], [17, 18], [2, 3, 34, 35]]) {
      const { problems } = await verifyArchive(rebuilt(damaged(...lines)));
      const segments = [...new Set(lines.map((line) => Math.floor((line - 1) / LINES)))];
      assert.deepEqual(
        problems.map(({ code, member, segment, lineNumber, byteOffset }) => ({
          ...{ code, member, segment, lineNumber, byteOffset },
        })),
        [
          ...segments.map((segment) => ({
            code: 'BACKUP_DIGEST_MISMATCH',
            member: 'segments',
            segment,
            lineNumber: LINES * segment + 1,
            byteOffset: lineStart(LINES * segment + 1),
          })),
          {
            code: 'BACKUP_DIGEST_MISMATCH',
            member: 'eventsSha256',
            ...{ segment: undefined, lineNumber: undefined, byteOffset: undefined },
          },
        ],
      );
    }
  });

  test('is found damaged where its CRC-32 cannot tell', async () => {
    const start = events.indexOf('"data":"', lineStart(20)) + 1000;
    const { problems } = await verifyArchive(rebuilt(crcTwin(events, start)));
    assert.deepEqual(
      problems.map(({ member, segment }) => ({ member, segment })),
      [
        { member: 'segments', segment: 1 },
        { member: 'eventsSha256', segment: undefined },
      ],
    );
  });

  test('is found damaged by either of the digests alone', async () => {
    const without = (digest: 'crc32' | 'prefixSha256'): Buffer =>
      rebuilt(damaged(20), (segments) =>
        segments.map((segment) => ({ ...segment, [digest]: undefined })),
      );
    for (const digest of ['crc32', 'prefixSha256'] as const) {
      const { problems } = await verifyArchive(without(digest));
      assert.deepEqual(
        problems.map(({ segment }) => segment),
        [1, undefined],
      );
    }
  });

  test('is found to have other lines than told, each segment by itself', async () => {
    const wrong = rebuilt(events, (segments) =>
      segments.map((segment, index) =>
        index === 2 ? segment : { ...segment, lineCount: LINES + (index === 0 ? 1 : -1) },
      ),
    );
    const { problems } = await verifyArchive(wrong);
    assert.deepEqual(
      problems.map(({ code, segment }) => [code, segment]),
      [0, 1].map((segment) => ['BACKUP_COUNT_MISMATCH', segment]),
    );
  });

  test('is not read to its end when a segment is damaged', async () => {
    await using archive = await openArchive(rebuilt(damaged(20)));
    let byteCount = 0;
    const reading = (async () => {
      for await (const chunk of Readable.from(archive.bytes())) {
        byteCount += (chunk as Buffer).length;
      }
    })();
    const { details } = await failsWith(reading, 'BACKUP_DIGEST_MISMATCH');
    assert.equal(details.segment, 1);
    // No further than to its end.
    assert.ok(byteCount <= lineStart(2 * LINES + 1), `${byteCount} bytes were read`);
  });
});
