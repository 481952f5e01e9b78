// What a line always spells alike, by words: written and found as it is, at any place and of any length.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  isFixedTextAt,
  maxFixedTextBytes,
  FixedText,
  writeFixedText,
} from '../../../src/format/fixed-text.js';

const TEXT = ',"fieldTimestamps":~';
const pieces = Array.from({ length: maxFixedTextBytes + 1 }, (_, length) => TEXT.slice(0, length));

test('a piece of any length is written as it is, and nothing further on than promised', () => {
  for (const text of pieces) {
    const out = Buffer.alloc(60, 0x7e);
    const end = writeFixedText(
      new FixedText(text),
      new DataView(out.buffer, out.byteOffset, 60),
      3,
    );
    assert.equal(out.toString('latin1', 0, end), `~~~${text}`);
    assert.ok(out.subarray(3 + maxFixedTextBytes).every((byte) => byte === 0x7e));
  }
  assert.throws(() => new FixedText(`${TEXT}~`), RangeError);
});

test('a piece is found where it lies whole, and nowhere else', () => {
  for (const text of pieces.slice(4)) {
    const piece = new FixedText(text);
    const bytes = Buffer.from(`##${text}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    assert.ok(isFixedTextAt(piece, view, 2, bytes.length));
    assert.ok(!isFixedTextAt(piece, view, 2, bytes.length - 1), 'beyond the end');
    assert.ok(!isFixedTextAt(piece, view, 1, bytes.length), 'a byte too early');
    for (let at = 2; at < bytes.length; at += 1) {
      bytes[at] = (bytes[at] as number) ^ 1;
      assert.ok(!isFixedTextAt(piece, view, 2, bytes.length), `${text} with another byte at ${at}`);
      bytes[at] = (bytes[at] as number) ^ 1;
    }
  }
});
