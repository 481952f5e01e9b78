// JSON in and out against JSON.parse and JSON.stringify: the same wherever those lose nothing, and no text lost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { encodeJson } from '../../src/format/json-encode.js';
import { RawJson } from '../../src/index.js';
import { anyJsonText, anyText, anyUnits } from '../support/arbitraries.js';

/** Whether a text is JSON that jsonb can hold, by JSON.parse and by looking at every string in it. */
function isStorableJson(text: string): boolean {
  try {
    JSON.parse(text);
  } catch {
    return false;
  }
  if (!text.isWellFormed()) return false;
  const strings = text.match(/"(?:[^"\\]|\\.)*"/gs) ?? [];
  return strings.every((string) => {
    const value = JSON.parse(string) as string;
    return value.isWellFormed() && !value.includes('\0');
  });
}

function isAccepted(text: string): boolean {
  try {
    return new RawJson(text).text === text;
  } catch (error) {
    assert.ok(error instanceof TypeError);
    return false;
  }
}

describe('RawJson', () => {
  test('accepts any JSON that jsonb can hold, and it means what JSON.parse says', () => {
    fc.assert(
      fc.property(anyJsonText, (text) => {
        assert.ok(isStorableJson(text));
        assert.deepEqual(new RawJson(text).parse(), JSON.parse(text));
      }),
    );
  });

  test('accepts of JSON with something changed what JSON.parse accepts, but for NUL and surrogates', () => {
    const pieces = fc.constantFrom(
      ...[
        '',
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '0',
        '.',
        'e',
        '-',
        '+',
        ' ',
        '\n',
        '\0',
        'u',
      ],
      ...['\\u0000', '\\ud800', '\\udc00', 'true', 'null', '1', '\ufeff', '\ud800', 'é', '\u001f'],
    );
    fc.assert(
      fc.property(anyJsonText, fc.nat(), fc.nat(3), pieces, (text, place, dropped, piece) => {
        const at = place % (text.length + 1);
        const changed = text.slice(0, at) + piece + text.slice(at + dropped);
        assert.equal(isAccepted(changed), isStorableJson(changed), JSON.stringify(changed));
      }),
      { numRuns: 3000 },
    );
  });

  test('accepts of tokens in any order what JSON.parse accepts, but for NUL and surrogates', () => {
    const tokens = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"a"',
        '""',
        '0',
        '-',
        '1.5',
        '1e2',
        'null',
        ' ',
        '"\\ud83d',
      ],
      ...['\\ude00"', '"', '.', 'e', '01'],
    );
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 8 }), (parts) => {
        const text = parts.join('');
        assert.equal(isAccepted(text), isStorableJson(text), text);
      }),
      { numRuns: 3000 },
    );
  });

  test('L1: accepts no beginning of an object, an array or a string', () => {
    fc.assert(
      fc.property(
        anyJsonText.filter((text) => /^[[{"]/.test(text)),
        fc.nat(),
        (text, place) => {
          assert.equal(isAccepted(text.slice(0, place % text.length)), false);
        },
      ),
    );
  });

  test('gives members whose texts are parts of the object, and whose values are those of JSON.parse', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyJsonText), { maxLength: 5 }), (entries) => {
        const texts = entries.map(([name, text]) => `${JSON.stringify(name)} : ${text}`);
        const members = new RawJson(` {${texts.join(' ,')}} `).members();
        assert.deepEqual(
          new Map(Array.from(members, ([name, { text }]) => [name, text])),
          new Map(entries.map(([name, text]) => [name, text.trim()])),
        );
      }),
    );
  });

  test('put together again out of its members means the same, and is the same the next time', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyJsonText), { maxLength: 5 }), (entries) => {
        const object = RawJson.fromMembers(
          entries.map(([name, text]) => [name, new RawJson(text)]),
        );
        assert.equal(new RawJson(object.text).text, object.text);
        const again = RawJson.fromMembers(object.members());
        assert.deepEqual(again.parse(), object.parse());
        assert.equal(RawJson.fromMembers(again.members()).text, again.text);
      }),
    );
  });
});

describe('encodeJson', () => {
  test('writes any JSON value as JSON.stringify does, but for the sign of -0', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 5 }), (value) => {
        const text = encodeJson(value);
        assert.equal(JSON.stringify(JSON.parse(text)), JSON.stringify(value));
        assert.deepEqual(JSON.parse(text), value);
        if (!text.includes('-0')) assert.equal(text, JSON.stringify(value));
      }),
      { numRuns: 1000 },
    );
  });

  test('writes any double so that it comes back the same', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.ok(Object.is(JSON.parse(encodeJson(value)), value));
      }),
    );
  });

  test('writes any text as JSON.stringify does, or refuses what Postgres cannot hold', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, anyUnits), (text) => {
        if (text.isWellFormed() && !text.includes('\0')) {
          assert.equal(encodeJson(text), JSON.stringify(text));
        } else {
          assert.throws(() => encodeJson(text));
          assert.throws(() => encodeJson({ [text]: 1 }));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('L14: writes any JSON text within any value untouched', () => {
    fc.assert(
      fc.property(anyJsonText, (text) => {
        const raw = new RawJson(text);
        assert.equal(encodeJson({ a: [raw, { b: raw }] }), `{"a":[${text},{"b":${text}}]}`);
      }),
    );
  });
});
