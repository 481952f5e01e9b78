// What a manifest tells of the events' bytes is the same however they come, and a segment ends where the
// format says.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { crc32Hex, SegmentTally } from '../../../src/archive/segment-tally.js';
import { RunningSha256 } from '../../../src/stream/digest.js';

const MIB = 1024 * 1024;

/** A line of this many bytes, its line feed among them. */
function line(byteCount: number, letter = 'x'): Buffer {
  const bytes = Buffer.alloc(byteCount, letter);
  bytes[byteCount - 1] = 0x0a;
  return bytes;
}

function tallyOf(chunks: Iterable<Buffer>): SegmentTally {
  const tally = new SegmentTally(new RunningSha256());
  for (const chunk of chunks) tally.add(chunk);
  return tally;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The bytes in two or three pieces, cut at these places. */
function cutAt(bytes: Buffer, ...places: readonly number[]): readonly Buffer[] {
  return [0, ...places].map((place, index) => bytes.subarray(place, places[index]));
}

test('M6 a segment ends at the first line end from 8 MiB on, wherever the bytes are cut', () => {
  const lines = [
    ...[line(8 * MIB - 1, 'a'), line(1, 'b'), line(8 * MIB - 1, 'c'), line(MIB, 'd')],
    ...[line(20 * MIB, 'e'), line(7, 'f'), line(9, 'g')],
  ];
  const bytes = Buffer.concat(lines);
  const ends = [8 * MIB, 17 * MIB - 1, 37 * MIB - 1, 37 * MIB + 15];
  const lineCounts = [2, 2, 1, 2];
  const expected = ends.map((end, index) => {
    const own = bytes.subarray(ends[index - 1] ?? 0, end);
    return {
      lineCount: lineCounts[index],
      byteCount: own.length,
      crc32: crc32(own).toString(16).padStart(8, '0'),
      prefixSha256: sha256(bytes.subarray(0, end)),
    };
  });
  const cuts = ends.slice(0, -1).flatMap((end) => [end - 1, end, end + 1, end + 2 * MIB]);
  for (const chunks of [[bytes], lines, cutAt(bytes, ...cuts)]) {
    const tally = tallyOf(chunks);
    const { sha256: whole, segments } = tally.finish();
    assert.deepEqual(segments, expected);
    assert.equal(whole, sha256(bytes));
    assert.equal(tally.lineCount, lines.length);
    assert.equal(tally.byteCount, bytes.length);
    assert.equal(tally.maxLineBytes, 20 * MIB - 1);
    assert.equal(tally.isAtLineEnd, true);
  }
});

test('lines, bytes and the longest line are known at any time, wherever the bytes are cut', () => {
  const bytes = Buffer.from('\na\nlongest\nlonger\n\nunfinished');
  for (let first = 0; first <= bytes.length; first += 1) {
    for (let second = first; second <= bytes.length; second += 1) {
      const tally = tallyOf(cutAt(bytes, first, second));
      assert.deepEqual([tally.lineCount, tally.byteCount], [5, bytes.length]);
      assert.equal(tally.maxLineBytes, 'longest'.length);
      assert.equal(tally.isAtLineEnd, false);
      tally.add(Buffer.from('\n'));
      assert.deepEqual([tally.lineCount, tally.byteCount], [6, bytes.length + 1]);
      assert.equal(tally.maxLineBytes, 'unfinished'.length);
      assert.equal(tally.isAtLineEnd, true);
    }
  }
});

test('lines are counted where a segment has ended too', () => {
  const tally = tallyOf([line(1), line(9 * MIB)]);
  assert.equal(tally.lineCount, 2);
  tally.add(line(1));
  assert.equal(tally.lineCount, 3);
  assert.equal(tally.finish().segments.length, 2);
});

test('of no bytes there is no segment', () => {
  const tally = tallyOf([Buffer.alloc(0)]);
  assert.deepEqual(tally.finish(), { sha256: sha256(Buffer.alloc(0)), segments: [] });
  assert.equal(tally.isAtLineEnd, true);
  assert.deepEqual([tally.lineCount, tally.byteCount, tally.maxLineBytes], [0, 0, 0]);
});

test('M6 after 512 segments their size doubles', () => {
  // Of 4 GiB no digest is made here: that would take half a minute.
  class NoSha256 extends RunningSha256 {
    override update(): void {
      return;
    }
  }
  const tally = new SegmentTally(new NoSha256());
  const bytes = line(8 * MIB);
  for (let index = 0; index < 512 + 4; index += 1) tally.add(bytes);
  const sizes = tally.finish().segments.map(({ byteCount }) => byteCount / (8 * MIB));
  assert.deepEqual(sizes, [...Array.from({ length: 512 }, () => 1), 2, 2]);
});

test('M6 a CRC-32 has 8 digits', () => {
  assert.deepEqual([0, 0xabc, 0xffffffff].map(crc32Hex), ['00000000', '00000abc', 'ffffffff']);
});
