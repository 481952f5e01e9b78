// LineBytes and ByteDigest: where bytes are written, and what is counted of them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';

import { ByteDigest } from '../../../src/stream/digest.js';
import { LineBytes } from '../../../src/stream/line-bytes.js';

function append(lines: LineBytes, text: string): void {
  lines.reserve(Buffer.byteLength(text) + 1);
  lines.end += lines.bytes.write(`${text}\n`, lines.end);
}

describe('LineBytes', () => {
  test('never writes over what was taken', () => {
    const lines = new LineBytes();
    const texts: string[] = [''];
    for (const unit of ['a', 'é', '｡', '😀']) {
      for (const length of [1, 10, 1000, 20_000, 87_381, 87_382, 100_000])
        texts.push(unit.repeat(length));
    }
    const all = [...texts, ...texts].map((text) => {
      append(lines, text);
      return { text, bytes: lines.take() };
    });
    for (const { text, bytes } of all) {
      assert.ok(Buffer.from(`${text}\n`).equals(bytes), `${text.length} of ${text.slice(0, 2)}`);
    }
  });

  test('keeps in one piece what was not taken', () => {
    const lines = new LineBytes();
    const texts = Array.from({ length: 100 }, (_, index) => `${index}${'ß'.repeat(9_000)}`);
    for (const text of texts) append(lines, text);
    assert.ok(Buffer.from(texts.map((text) => `${text}\n`).join('')).equals(lines.take()));
    assert.equal(lines.length, 0);
  });

  test('lets go of the memory of a fat line when it is taken, and not of any other', () => {
    const lines = new LineBytes();
    append(lines, 'a'.repeat(300_000));
    assert.equal(lines.take().length, 300_001);
    assert.equal(lines.bytes.length, 0);
    append(lines, 'a');
    lines.take();
    assert.equal(lines.bytes.length, 256 * 1024);
  });

  test('fills its memory to the last byte', () => {
    const lines = new LineBytes();
    const parts = Array.from({ length: 64 }, () => {
      append(lines, 'a'.repeat(4095));
      return lines.take();
    });
    assert.equal(new Set(parts.map((part) => part.buffer)).size, 1);
    append(lines, '');
    assert.notEqual(lines.take().buffer, parts[0]?.buffer);
  });
});

describe('a ByteDigest', () => {
  test('counts and digests the bytes that pass by', () => {
    const digest = new ByteDigest();
    assert.equal(digest.byteCount, 0);
    for (const text of ['a', '', 'é😀']) digest.update(Buffer.from(text));
    assert.equal(digest.byteCount, 7);
    assert.equal(digest.facts().sha256, createHash('sha256').update('aé😀').digest('hex'));
  });

  test('of nothing is the digest of nothing', () => {
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    assert.equal(new ByteDigest().facts().sha256, empty);
  });
});
