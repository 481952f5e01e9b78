// Whether a name comes twice, in values that are deep or wide. What small values hold is in
// test/property/line-scan.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hasRepeatedNames } from '../../../src/format/repeated-names.js';

function holdsRepeated(text: string): boolean {
  const bytes = Buffer.from(text);
  return hasRepeatedNames(bytes, 0, bytes.length);
}

test('what is no object holds no names', () => {
  for (const text of ['"a"', '["a","a"]', '1', '[{"a":"a"},"a","a",{"a":"a"}]']) {
    assert.equal(holdsRepeated(text), false, text);
  }
});

test('values are no names, and each name but the first counts too', () => {
  for (const text of ['{"a":"a","b":"b"}', '{"a":{},"b":"a","c":[],"d":"b"}']) {
    assert.equal(holdsRepeated(text), false, text);
  }
  for (const text of ['{"a":"x","a":1}', '{"a":1,"b":1,"b":1}', '[{"a":"b"},{"a":[],"a":{}}]']) {
    assert.equal(holdsRepeated(text), true, text);
  }
});

test('only what is between start and end is looked at, wherever that is', () => {
  for (let start = 0; start < 5; start += 1) {
    for (const [text, expected] of [
      ['{"a":1,"b":1}', false],
      ['{"a":1,"a":1}', true],
    ] as const) {
      const bytes = Buffer.from(`${'"'.repeat(start)}${text}"`);
      assert.equal(hasRepeatedNames(bytes, start, start + text.length), expected);
    }
  }
});

test('names in texts, and brackets in names, are none', () => {
  assert.equal(
    holdsRepeated(String.raw`{"a":"\"a\":{\"a\":1}","b":["a","a"],"{":"}","[":"]"}`),
    false,
  );
  assert.equal(holdsRepeated(String.raw`{"{":"\\","[":["{"],"{":0}`), true);
});

// A scan that reads the inside of each level again takes many minutes for these.
const depth = 200_000;

test('the innermost of very many objects and arrays is looked into', () => {
  for (const [begin, end] of [
    ['{"b":1,"a":', '}'],
    ['[1,', ']'],
    ['{"b":[0,{"a":', '}]}'],
  ] as const) {
    const deep = (innermost: string): string => begin.repeat(depth) + innermost + end.repeat(depth);
    assert.equal(holdsRepeated(deep('{"b":1,"a":1}')), false, begin);
    assert.equal(holdsRepeated(deep('{"b":1,"a":1,"\\u0062":1}')), true, begin);
  }
});

test('names after an object within are held against those before it, at any depth', () => {
  const around = (last: string): string =>
    '{"b":1,"a":'.repeat(depth) + '[]' + `,"${last}":1}`.repeat(depth);
  assert.equal(holdsRepeated(around('c')), false);
  assert.equal(holdsRepeated(around('b')), true);
});

test('of very many names in one object each counts', () => {
  const names = Array.from({ length: depth }, (_, index) => `"n${depth - index}":{"n1":[]}`);
  assert.equal(holdsRepeated(`{${names.join(', ')}}`), false);
  assert.equal(holdsRepeated(`{${names.join(', ')}, "n${depth}": 1}`), true);
});
