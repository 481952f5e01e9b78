// The pieces of a line as bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  asciiBytes,
  copyBytes,
  equalsAt,
  maxEscapedBytes,
  writeBytes,
  writeEscaped,
  writeInteger,
  writeText,
  writeUuid,
} from '../../../src/format/json-bytes.js';
import { JsonEncodeError } from '../../../src/format/json-encode.js';

/** What a writer writes at offset 3, and that it touches nothing before that or after its end. */
function written(write: (out: DataView, at: number) => number, after = 0): string {
  const out = Buffer.alloc(100, 0x7e);
  const end = write(viewOf(out), 3);
  assert.equal(out.toString('latin1', 0, 3), '~~~');
  assert.ok(out.subarray(end + after).every((byte) => byte === 0x7e));
  return out.toString('utf8', 3, end);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('integers are written in decimal', () => {
  const values = [0, 1, 9, 10, 11, 99, 100, 101, 999_999_999, 1_000_000_000, 2 ** 31 - 1];
  for (const value of values) {
    assert.equal(
      written((out, at) => writeInteger(value, out, at)),
      String(value),
    );
  }
});

test('uuids are written in lower case with their dashes', () => {
  const bytes = Buffer.from('xx0123456789ABCDEFfedcba9876543210'.slice(2), 'hex');
  assert.equal(
    written((out, at) => writeUuid(Buffer.concat([Buffer.from('~'), bytes]), 1, out, at)),
    '01234567-89ab-cdef-fedc-ba9876543210',
  );
});

test('ranges of any length are copied as they are, out of views that start anywhere', () => {
  const source = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 251));
  for (const offset of [0, 1, 7]) {
    const view = source.subarray(offset);
    for (const length of [0, 1, 2, 63, 64, 65, 66, 128, 200]) {
      const out = Buffer.alloc(250, 0xff);
      assert.equal(copyBytes(view, { start: 5, end: 5 + length }, out, 9), 9 + length);
      assert.ok(out.subarray(9, 9 + length).equals(view.subarray(5, 5 + length)));
      assert.ok(out.subarray(0, 9).every((byte) => byte === 0xff));
      assert.ok(out.subarray(9 + length).every((byte) => byte === 0xff));
    }
  }
});

test('a text is escaped wherever a special byte stands, within its range, as long as promised', () => {
  const specials = ['"', '\\', '\u0000', '\u001f', '\b', '\f', '\n', '\r', '\t'];
  const texts = [
    '"\u0000\u001f\\\b\f\n\r\t\u007f/é\u2028😀"',
    '',
    'a',
    'abc',
    'abcd',
    'größe 日本',
    '~ !',
  ];
  for (const special of specials) {
    for (let at = 0; at < 10; at += 1)
      texts.push(`${'abcdefghi'.slice(0, at)}${special}${'xyz'.slice(0, at % 4)}`);
  }
  for (const text of texts) {
    const bytes = Buffer.from(`"${text}"`);
    const range = { start: 1, end: bytes.length - 1 };
    const escaped = written((out, at) => writeEscaped(bytes, range, out, at));
    assert.equal(`"${escaped}"`, JSON.stringify(text));
    // NUL is no part of a text that Postgres holds.
    const write = (): string => written((out, at) => writeText(text, out, at));
    if (text.includes('\0')) assert.throws(write, JsonEncodeError);
    else assert.equal(write(), escaped);
  }
  const worst = Buffer.alloc(50, 1);
  const end = writeEscaped(worst, { start: 0, end: 50 }, viewOf(Buffer.alloc(400)), 0);
  assert.equal(end, 50 * maxEscapedBytes);
});

test('pieces are written and compared as they are', () => {
  const out = Buffer.alloc(9, 0x7e);
  assert.equal(writeBytes(asciiBytes('{"a":'), out, 3), 8);
  assert.equal(out.toString(), '~~~{"a":~');
  const bytes = Buffer.from('abcabc');
  assert.ok(equalsAt(bytes, 3, 6, asciiBytes('abc')));
  assert.ok(equalsAt(bytes, 3, 3, asciiBytes('')));
  assert.ok(!equalsAt(bytes, 3, 5, asciiBytes('abc')));
  assert.ok(!equalsAt(bytes, 2, 6, asciiBytes('abc')));
  assert.ok(!equalsAt(bytes, 0, 3, asciiBytes('abd')));
  assert.ok(!equalsAt(bytes, -1, 2, asciiBytes('abc')));
});
