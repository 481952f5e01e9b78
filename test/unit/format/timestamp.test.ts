// Times: the one form that lines hold, and how other forms of the same instant are brought to it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';

import {
  canonicalTimestamp,
  isCanonicalTimestamp,
  isCanonicalTimestampAt,
} from '../../../src/format/timestamp.js';

const canonical = [
  '2026-04-14T10:00:00Z',
  '2026-04-14T10:00:00.1Z',
  '2026-04-14T10:00:00.12Z',
  '2026-04-14T10:00:00.123456Z',
  '2026-04-14T10:00:00.000001Z',
  '2026-04-14T10:00:00.100001Z',
  '2024-02-29T23:59:59Z',
  '2000-02-29T00:00:00Z',
  '1904-02-29T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999Z',
  '1969-07-20T20:17:40.000001Z',
  '2026-01-31T00:00:00Z',
  '2026-11-30T00:00:00Z',
];

// Neither canonical, nor the same instant as anything that is.
const noTimes: Readonly<Record<string, readonly string[]>> = {
  'words and nothing': ['', 'infinity', '-infinity', 'now', 'Z', 'T', 'null', '0', '1776160800000'],
  'years before 1 and after 9999': [
    ...['0000-12-31T23:59:59Z', '10000-01-01T00:00:00Z', '+010000-01-01T00:00:00Z'],
    ...['-0001-01-01T00:00:00Z', '0044-03-15 12:00:00+00 BC', '9999-12-31T23:30:00-01:00'],
    '0001-01-01T00:30:00+01:00',
  ],
  'days that are none': [
    ...['2026-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2100-02-29T00:00:00Z'],
    ...['2026-04-31T00:00:00Z', '2026-06-31T00:00:00Z', '2026-09-31T00:00:00Z'],
    ...['2026-11-31T00:00:00Z', '2026-01-32T00:00:00Z', '2026-04-00T00:00:00Z'],
    ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2024-02-30T00:00:00Z'],
  ],
  'hours, minutes and seconds that are none': [
    ...['2026-04-14T24:00:00Z', '2026-04-14T10:60:00Z', '2026-04-14T23:59:60Z'],
    ...['2026-04-14T99:00:00Z', '2026-04-14T10:00:61Z'],
  ],
  'more digits than microseconds': [
    ...['2026-04-14T10:00:00.1234567Z', '2026-04-14T10:00:00.0000001Z'],
    ...['2026-04-14T10:00:00.123456789Z', '2026-04-14T10:00:00.0000001+02:00'],
  ],
  'no zone, or one that is none': [
    ...['2026-04-14T10:00:00', '2026-04-14T10:00:00+02', '2026-04-14T10:00:00+0200'],
    ...['2026-04-14T10:00:00+24:00', '2026-04-14T10:00:00+02:60', '2026-04-14T10:00:00 UTC'],
    ...['2026-04-14T10:00:00ZZ', '2026-04-14T10:00:00Z+00:00', '2026-04-14T10:00:00+02:00:00'],
    '2026-04-14T10:00:00+2:00',
  ],
  'other spellings': [
    ...['2026-04-14 10:00:00Z', '2026-04-14t10:00:00Z', '2026-04-14T10:00:00z'],
    ...['2026-4-14T10:00:00Z', '2026-04-14T10:00Z', '20260414T100000Z', '2026-04-14'],
    ...['2026-04-14T10:00:00.Z', '2026-04-14T10:00:00,5Z', ' 2026-04-14T10:00:00Z'],
    ...['2026-04-14T10:00:00Z ', '2026-04-14T10:00:00Z\n', '2026/04/14T10:00:00Z'],
    ...['2026-04-14T10.00.00Z', '2026-04-14T1a:00:00Z', '٢٠٢٦-04-14T10:00:00Z'],
    ...['2026-04-14T10:00:00.12a4Z', '-026-04-14T10:00:00Z', '2026-+4-14T10:00:00Z'],
    ...['2026-04-14T10:00:00.-1Z', '2026-04-14T-1:00:00Z', '2026-04-14T10:00: 0Z'],
    // A digit by its lower eight bits.
    '\u0132026-04-14T10:00:00Z',
  ],
};

// Another form of an instant, and the form that a line holds.
const brought: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'zeros at the end of the fraction are trimmed': [
    ['2026-04-14T10:00:00.120000Z', '2026-04-14T10:00:00.12Z'],
    ['2026-04-14T10:00:00.100Z', '2026-04-14T10:00:00.1Z'],
    ['2026-04-14T10:00:00.000Z', '2026-04-14T10:00:00Z'],
    ['2026-04-14T10:00:00.0Z', '2026-04-14T10:00:00Z'],
  ],
  'digits beyond microseconds may be zeros': [
    ['2026-04-14T10:00:00.1234560Z', '2026-04-14T10:00:00.123456Z'],
    ['2026-04-14T10:00:00.123456000Z', '2026-04-14T10:00:00.123456Z'],
    ['2026-04-14T10:00:00.0000000000000000000000Z', '2026-04-14T10:00:00Z'],
  ],
  'any offset becomes UTC': [
    ['2026-04-14T12:00:00.5+02:00', '2026-04-14T10:00:00.5Z'],
    ['2026-04-14T12:00:00.000001+02:00', '2026-04-14T10:00:00.000001Z'],
    ['2026-04-14T04:30:00-05:30', '2026-04-14T10:00:00Z'],
    ['2026-04-14T10:00:00+00:00', '2026-04-14T10:00:00Z'],
    ['2026-04-14T10:00:00-00:00', '2026-04-14T10:00:00Z'],
    ['2026-04-14T10:00:00.120+00:00', '2026-04-14T10:00:00.12Z'],
    ['2026-04-14T10:01:00+00:01', '2026-04-14T10:00:00Z'],
    ['2026-04-15T09:59:00+23:59', '2026-04-14T10:00:00Z'],
    ['2026-04-13T10:01:00-23:59', '2026-04-14T10:00:00Z'],
  ],
  'an offset may lead into another day, month or year': [
    ['2024-03-01T00:30:00+01:00', '2024-02-29T23:30:00Z'],
    ['2026-03-01T00:30:00+01:00', '2026-02-28T23:30:00Z'],
    ['2025-12-31T23:30:00.25-01:00', '2026-01-01T00:30:00.25Z'],
    ['0001-01-01T01:00:00+01:00', '0001-01-01T00:00:00Z'],
    ['0099-12-31T23:30:00-01:00', '0100-01-01T00:30:00Z'],
    ['9999-12-31T22:59:59.999999-01:00', '9999-12-31T23:59:59.999999Z'],
  ],
};

describe('isCanonicalTimestamp', () => {
  test('refuses an empty text, also when it is the first that it sees', () => {
    assert.equal(isCanonicalTimestamp(''), false);
  });

  test('knows the form that lines hold', () => {
    for (const text of canonical) assert.equal(isCanonicalTimestamp(text), true, text);
  });

  for (const [what, texts] of Object.entries(noTimes)) {
    test(`L21: refuses ${what}`, () => {
      for (const text of texts) {
        assert.equal(isCanonicalTimestamp(text), false, inspect(text));
        assert.equal(isCanonicalTimestamp(text), false, `${inspect(text)} for the second time`);
      }
    });
  }

  test('L21: refuses other forms of the same instant', () => {
    for (const [text] of Object.values(brought).flat()) {
      assert.equal(isCanonicalTimestamp(text), false, text);
    }
  });

  // The neighbours of the digits among them.
  test('refuses what has one character changed into a letter or a sign', () => {
    const text = '2026-04-14T10:00:00.123456Z';
    for (const other of ['x', '/', ':']) {
      for (let at = 0; at < text.length; at += 1) {
        const broken = `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
        assert.equal(isCanonicalTimestamp(broken), broken === text, broken);
      }
    }
  });
});

test('isCanonicalTimestampAt tells the same of bytes in the midst of others', () => {
  const others = Object.values(noTimes).flat().filter(isAscii);
  for (const text of [...canonical, ...others, ...Object.values(brought).flat(2)]) {
    const bytes = Buffer.from(`"${text}Z"`);
    const isCanonical = isCanonicalTimestampAt(bytes, 1, 1 + text.length);
    assert.equal(isCanonical, isCanonicalTimestamp(text), inspect(text));
  }
});

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

describe('canonicalTimestamp', () => {
  test('leaves the canonical form as it is', () => {
    for (const text of canonical) assert.equal(canonicalTimestamp(text), text);
  });

  for (const [what, forms] of Object.entries(brought)) {
    test(what, () => {
      for (const [text, expected] of forms) assert.equal(canonicalTimestamp(text), expected, text);
    });
  }

  for (const [what, texts] of Object.entries(noTimes)) {
    test(`L21: is undefined for ${what}`, () => {
      for (const text of texts) assert.equal(canonicalTimestamp(text), undefined, inspect(text));
    });
  }

  test('takes a Date, which holds milliseconds', () => {
    assert.equal(
      canonicalTimestamp(new Date('2026-04-14T10:00:00.120Z')),
      '2026-04-14T10:00:00.12Z',
    );
    assert.equal(canonicalTimestamp(new Date('2026-04-14T10:00:00Z')), '2026-04-14T10:00:00Z');
    assert.equal(canonicalTimestamp(new Date(-62135596800000)), '0001-01-01T00:00:00Z');
    assert.equal(canonicalTimestamp(new Date(253402300799999)), '9999-12-31T23:59:59.999Z');
  });

  test('is undefined for a Date that is invalid or in no year from 1 to 9999', () => {
    for (const time of [NaN, -62135596800001, 253402300800000, 8.64e15, -8.64e15]) {
      assert.equal(canonicalTimestamp(new Date(time)), undefined);
    }
  });
});
