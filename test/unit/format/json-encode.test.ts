// encodeJson: JavaScript values to JSON text, refusing what would be lost on the way.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { createContext, runInContext } from 'node:vm';

import { encodeJson, escapeText, JsonEncodeError } from '../../../src/format/json-encode.js';
import { RawJson } from '../../../src/index.js';

const DEEP = 100_000;

describe('encodeJson writes', () => {
  test('what JSON.stringify writes, for values that JSON has', () => {
    const values = [
      ...[null, true, false, 0, 1.5, -1e21, 1e-7, 5e-324, Number.MAX_VALUE, '', 'a"\\\n\u0001é😀'],
      ...[[], {}, [[]], [{}], { a: {} }, [1, [2, [3]]], { a: 1, b: [true, null, { c: 'x' }] }],
      { 10: 1, 2: 2, b: 3, '': 4, 'a"b': 5 },
    ];
    for (const value of values) assert.equal(encodeJson(value), JSON.stringify(value));
  });

  test('bigint with all its digits', () => {
    assert.equal(encodeJson(-12345678901234567890123n), '-12345678901234567890123');
    assert.equal(encodeJson({ n: [9007199254740993n] }), '{"n":[9007199254740993]}');
  });

  test('L14: -0 with its sign', () => {
    assert.equal(encodeJson([-0, 0]), '[-0,0]');
  });

  test('L14: RawJson as it is, at any depth', () => {
    const raw = new RawJson('{"n": 1e400, "d": 1.50}');
    assert.equal(encodeJson(raw), raw.text);
    assert.equal(encodeJson({ a: [raw, 1] }), `{"a":[${raw.text},1]}`);
  });

  test('a Date as its ISO text, and any toJSON as what it gives', () => {
    const date = new Date('2026-04-14T10:00:00.120Z');
    assert.equal(encodeJson([date]), '["2026-04-14T10:00:00.120Z"]');
    assert.equal(encodeJson({ toJSON: () => ({ a: [1] }) }), '{"a":[1]}');
    assert.equal(encodeJson({ a: { toJSON: () => new RawJson('1.50') } }), '{"a":1.50}');
    assert.equal(encodeJson({ toJSON: 5 }), '{"toJSON":5}');
  });

  test('objects without members that are undefined', () => {
    assert.equal(encodeJson({ a: undefined, b: 1, c: undefined, d: 2 }), '{"b":1,"d":2}');
    assert.equal(encodeJson({ a: undefined }), '{}');
  });

  test('L11: members named like those of prototypes', () => {
    const value = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "toString": 3}') as unknown;
    assert.equal(encodeJson(value), '{"__proto__":{"a":1},"constructor":2,"toString":3}');
    assert.equal(encodeJson(Object.assign(Object.create(null) as object, { a: 1 })), '{"a":1}');
  });

  test('plain objects of another realm', () => {
    const value: unknown = runInContext('({ a: [1, { b: 2 }] })', createContext());
    assert.equal(encodeJson(value), '{"a":[1,{"b":2}]}');
  });

  test('the same object in several places', () => {
    const shared = { a: 1 };
    assert.equal(encodeJson([shared, { b: shared }, shared]), '[{"a":1},{"b":{"a":1}},{"a":1}]');
    const dated = { toJSON: () => shared };
    assert.equal(encodeJson([dated, shared, dated]), '[{"a":1},{"a":1},{"a":1}]');
  });

  test('hazard 15, L8: 100,000 levels, without recursion', () => {
    let arrays: unknown = 1;
    let objects: unknown = 1;
    for (let level = 0; level < DEEP; level += 1) {
      arrays = [arrays];
      objects = { a: objects };
    }
    assert.equal(encodeJson(arrays), `${'['.repeat(DEEP)}1${']'.repeat(DEEP)}`);
    assert.equal(encodeJson(objects), `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`);
  });
});

class Point {
  readonly x = 1;
}

// eslint-disable-next-line no-sparse-arrays -- holes are what is refused
const holes = [1, , 3];

const refused: Readonly<Record<string, readonly unknown[]>> = {
  'hazard 15: numbers that are not finite': [NaN, Infinity, -Infinity, { a: [NaN] }],
  'undefined, functions and symbols': [
    undefined,
    () => 1,
    Symbol('a'),
    { a: () => 1 },
    [Symbol('a')],
  ],
  'undefined and holes in arrays': [[undefined], [1, undefined], holes, new Array(2)],
  'collections, whose content would be lost': [
    ...[new Map([['a', 1]]), new Map(), new Set([1]), new WeakMap(), { a: new Map([['a', 1]]) }],
    ...[new Uint8Array(2), new ArrayBuffer(2)],
  ],
  'instances of classes': [
    new Point(),
    /a/,
    new Error('a'),
    Promise.resolve(1),
    new Number(1),
    new String('a'),
  ],
  'L12, L13: texts that Postgres cannot hold': [
    ...['\0', 'a\0b', '\ud800', '\udfffa', '\ud83d\ud83d', ['\0'], { '\0': 1 }, { '\ud800': 1 }],
  ],
};

describe('encodeJson refuses', () => {
  for (const [what, values] of Object.entries(refused)) {
    test(what, () => {
      for (const value of values) {
        assert.throws(() => encodeJson(value), JsonEncodeError, inspect(value));
      }
    });
  }

  test('a value that contains itself', () => {
    const array: unknown[] = [1];
    array.push({ a: [array] });
    const object: Record<string, unknown> = {};
    object['self'] = object;
    const throughToJson: object = { toJSON: () => ({ again: throughToJson }) };
    for (const value of [array, object, throughToJson]) {
      assert.throws(() => encodeJson(value), JsonEncodeError);
    }
  });
});

describe('escapeText', () => {
  test('writes every character of the BMP as JSON.stringify does', () => {
    for (let code = 1; code <= 0xffff; code += 1) {
      if (code >= 0xd800 && code <= 0xdfff) continue;
      const text = String.fromCharCode(code);
      assert.equal(`"${escapeText(text)}"`, JSON.stringify(text));
    }
  });

  test('L3: writes U+2028, U+2029, <, > and & as they are', () => {
    assert.equal(escapeText('\u2028\u2029<>&/\u007f'), '\u2028\u2029<>&/\u007f');
  });
});
