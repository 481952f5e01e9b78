// TextSlab and ByteDigest: text to bytes, and what is counted of them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';

import { ByteDigest } from '../../../src/stream/digest.js';
import { TextSlab } from '../../../src/stream/text-slab.js';

describe('a TextSlab', () => {
  test('gives the UTF-8 bytes of each text, and never writes over them', () => {
    const slab = new TextSlab();
    const texts: string[] = [''];
    for (const unit of ['a', 'é', '｡', '😀']) {
      for (const length of [1, 10, 1000, 20_000, 87_381, 87_382, 100_000])
        texts.push(unit.repeat(length));
    }
    const all = [...texts, ...texts].map((text) => ({ text, bytes: slab.encode(text) }));
    for (const { text, bytes } of all) {
      assert.ok(Buffer.from(text).equals(bytes), `${text.length} of ${text.slice(0, 2)}`);
    }
  });

  test('fills its memory to the last byte', () => {
    const slab = new TextSlab();
    const parts = Array.from({ length: 64 }, () => slab.encode('a'.repeat(4096)));
    assert.equal(new Set(parts.map((part) => part.buffer)).size, 1);
    assert.notEqual(slab.encode('a').buffer, parts[0]?.buffer);
  });
});

describe('a ByteDigest', () => {
  test('counts and digests the bytes that pass by', () => {
    const digest = new ByteDigest();
    assert.equal(digest.byteCount, 0);
    for (const text of ['a', '', 'é😀']) digest.update(Buffer.from(text));
    assert.equal(digest.byteCount, 7);
    assert.equal(digest.sha256Hex(), createHash('sha256').update('aé😀').digest('hex'));
  });

  test('of nothing is the digest of nothing', () => {
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    assert.equal(new ByteDigest().sha256Hex(), empty);
  });
});
