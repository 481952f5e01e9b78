// The scanner: where a JSON value ends and where its members are, counted in bytes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { assertJson, scanMembers, scanValue } from '../../../src/format/json-scan.js';
import { RisingNames } from '../../../src/format/rising-names.js';
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

// Between them they hold each thing that JSON has.
const samples = [
  ' {"a" : [1, -20, 3.45e+6, 7E-8, 9e1 ], "bcdef":{}, "g":[ ] }\n',
  '[true,false,null,{"":"","ab":"abc","abcde":[["abcdefgh"],{"i":0.1}]}]',
  '\t"abcdefghijklm\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABcd\\ue000z"\r',
  '"\\nabcdefghi\\tabcdefghijk"',
  '"\\ud800\\udc00"',
  ' { } ',
  '"\\udbff\\udfff"',
  '12',
  '0',
  'true',
];

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  // As Postgres means it: no NUL, no half of a pair.
  const meant = text.replace(/\\(?:u([0-9a-f]{4})|.)/gi, (_, hex: string | undefined) =>
    hex === undefined ? '.' : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return meant.isWellFormed() && !meant.includes('\0');
}

/** What a scan gives: where the value ends, or where and why there is none. */
function outcomeOf(scan: () => unknown): unknown {
  try {
    return scan();
  } catch (error) {
    assert.ok(error instanceof JsonScanError);
    return [error.byteOffset, error.reason];
  }
}

describe('the scanner', () => {
  test('takes what is JSON and nothing else, whichever byte of it is another', () => {
    for (const sample of samples) {
      for (let at = 0; at < sample.length; at += 1) {
        for (let unit = 0; unit < 0x80; unit += 1) {
          const text = sample.slice(0, at) + String.fromCharCode(unit) + sample.slice(at + 1);
          const bytes = Buffer.from(text);
          const isTaken = outcomeOf(() => assertJson(bytes)) === undefined;
          assert.equal(isTaken, isJson(text), text);
          const members = outcomeOf(() => scanMembers(bytes).length);
          const isObject = isTaken && text.trim().startsWith('{');
          assert.equal(typeof members === 'number', isObject, text);
        }
      }
    }
  });

  test('looks at nothing from the end on', () => {
    for (const sample of samples) {
      const bytes = Buffer.from(sample);
      for (let start = 0; start <= bytes.length; start += 1) {
        for (let end = start; end <= bytes.length; end += 1) {
          const cut = bytes.subarray(0, end);
          assert.deepEqual(
            outcomeOf(() => scanValue(bytes, start, end)),
            outcomeOf(() => scanValue(cut, start)),
            cut.toString(),
          );
        }
      }
    }
  });

  test('takes any depth, and knows what it is in', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
      ['[{"a":', '}]'],
      ['[1,{"b":[],"a":', '}]'],
    ] as const) {
      const text = `${open.repeat(200)}1${close.repeat(200)}`;
      assertJson(Buffer.from(text));
      for (let at = text.indexOf(close, 201); at < text.length; at += 1) {
        const other = text[at] === ']' ? '}' : ']';
        assert.equal(offsetOf(text.slice(0, at) + other + text.slice(at + 1)), at);
      }
    }
  });

  test('takes as many open containers as are allowed', () => {
    const bytes = Buffer.from('[[],{"a":[]},[[]]]');
    assert.equal(scanValue(bytes, 0, bytes.length, { maxDepth: 3 }), bytes.length);
    for (const [maxDepth, offset] of [
      [0, 0],
      [1, 1],
      [2, 9],
    ] as const) {
      const outcome = outcomeOf(() => scanValue(bytes, 0, bytes.length, { maxDepth }));
      assert.equal((outcome as unknown[])[0], offset);
    }
  });

  test('tells of each name', () => {
    for (const [text, expected] of [
      ['{"a":1,"b":{"a":{"a":1}},"c":[{"a":1},{"a":1,"b":{}}]}', true],
      ['{"a":1,"a":1}', false],
      ['{"b":1,"a":1}', false],
      ['[{"c":{"a":1,"a":1}}]', false],
      ['{"b":[{"b":1},2,{"a":1}],"a":1}', false],
    ] as const) {
      const bytes = Buffer.from(text);
      const names = new RisingNames();
      scanValue(bytes, 0, bytes.length, { maxDepth: 9, names });
      assert.equal(names.areRising, expected, text);
    }
  });

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
      ['"\\u12', 1],
      ['"\\udfff"', 1],
      ['"\\ud800\\ue000"', 1],
      ['"\\ud800\\udbff"', 1],
      ['"\\ud800\\u', 7],
      ['"\\ud800\\uzzzz"', 7],
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
