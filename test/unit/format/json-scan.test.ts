// The scanner: where a JSON value ends and where its members are, counted in bytes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { assertJson, scanMembers, scanValue } from '../../../src/format/json-scan.js';
import { JsonScanError } from '../../../src/format/json-scan-error.js';

/** Where a text stops being JSON. */
function offsetOf(text: string): number {
  try {
    assertJson(Buffer.from(text));
  } catch (error) {
    assert.ok(error instanceof JsonScanError);
    return error.byteOffset;
  }
  assert.fail('it is JSON');
}

describe('the scanner', () => {
  test('says at which byte a text stops being JSON', () => {
    const cases: readonly (readonly [string, number])[] = [
      ['', 0],
      ['x', 0],
      ['  x', 2],
      ['{"a":1,}', 7],
      ['{"a" 1}', 5],
      ['{"a":1 "b":2}', 7],
      ['[1 2]', 3],
      ['[1,]', 3],
      ['["é", x]', 7],
      ['["😀", x]', 9],
      ['[01]', 1],
      ['[1.]', 3],
      ['[1e]', 3],
      ['"ab\\q"', 3],
      ['"ab\\u00g0"', 3],
      ['"ab\\u0000"', 3],
      ['"ab\\ud800"', 3],
      ['"ab\ncd"', 3],
      ['["abc', 1],
      ['{} {}', 3],
      ['[1}', 2],
      ['{"a":1]', 6],
      ['[', 1],
    ];
    for (const [text, offset] of cases) assert.equal(offsetOf(text), offset, text);
  });

  test('finds the end of a value that something follows', () => {
    const bytes = Buffer.from('  {"a": [1, "é"]} , true');
    assert.equal(scanValue(bytes, 2), Buffer.byteLength('  {"a": [1, "é"]}'));
    assert.equal(scanValue(bytes, bytes.length - 4), bytes.length);
  });

  test('gives the ranges of members in bytes, the quotes of the key included', () => {
    const bytes = Buffer.from(' {"é" : "ü" ,"b":[ 1 ] , "é":{}} ');
    const members = scanMembers(bytes).map(({ keyStart, keyEnd, valueStart, valueEnd }) => [
      bytes.toString('utf8', keyStart, keyEnd),
      bytes.toString('utf8', valueStart, valueEnd),
    ]);
    assert.deepEqual(members, [
      ['"é"', '"ü"'],
      ['"b"', '[ 1 ]'],
      ['"é"', '{}'],
    ]);
  });

  test('finds members in an object only', () => {
    for (const text of [
      '[]',
      '1',
      '"{}"',
      '',
      'null',
      '{} x',
      '{"a":1',
      '{"a":1}}',
      '[}',
      'x"a":1}',
    ]) {
      assert.throws(() => scanMembers(Buffer.from(text)), JsonScanError, text);
    }
  });
});
