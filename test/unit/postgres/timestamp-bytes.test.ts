// Binary timestamptz to the text of a line, against a reference that counts in BigInt.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { canonicalTimestamp, isCanonicalTimestamp } from '../../../src/format/timestamp.js';
import { TimestampBytes } from '../../../src/postgres/timestamp-bytes.js';
import { INFINITY_MICROS, microsOf } from '../../support/copy-tuples.js';

const FIRST = microsOf('0001-01-01T00:00:00Z');
const LAST = microsOf('9999-12-31T23:59:59.999999Z');
const DAY = 86_400_000_000n;

/** The text of a time, or undefined where none is written; looks that nothing is written beside it. */
function textOf(writer: TimestampBytes, micros: bigint): string | undefined {
  const bytes = Buffer.alloc(40, 0x7e);
  const low = Number(micros & 0xffff_ffffn);
  const end = writer.write(Number(micros >> 32n), low, bytes, 5);
  if (end < 0) {
    assert.equal(bytes.toString('latin1'), '~'.repeat(40));
    return undefined;
  }
  assert.equal(bytes.toString('latin1', 0, 5), '~'.repeat(5));
  assert.equal(bytes.toString('latin1', end), '~'.repeat(40 - end));
  return bytes.toString('latin1', 5, end);
}

/** The same by BigInt and Date. */
function referenceOf(micros: bigint): string {
  const since1970 = micros + 946_684_800_000_000n;
  const fraction = ((since1970 % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const ms = Number((since1970 - fraction) / 1000n);
  const digits = fraction.toString().padStart(6, '0').replace(/0+$/, '');
  return `${new Date(ms).toISOString().slice(0, 19)}${digits && `.${digits}`}Z`;
}

function assertSame(writer: TimestampBytes, micros: bigint): void {
  const text = textOf(writer, micros);
  assert.equal(text, referenceOf(micros), `${micros}`);
  assert.ok(isCanonicalTimestamp(text), text);
  assert.equal(canonicalTimestamp(text), text);
}

test('times are those of the reference, for any microsecond of the years 1 to 9999', () => {
  const writer = new TimestampBytes();
  fc.assert(
    fc.property(fc.bigInt({ min: FIRST, max: LAST }), (micros) => assertSame(writer, micros)),
    { numRuns: 20_000 },
  );
});

test('times are those of the reference around every kind of border', () => {
  const writer = new TimestampBytes();
  const seconds = [0n, 1n, 59n, 60n, 3599n, 3600n, 86_399n].map((second) => second * 1_000_000n);
  const words = [0n, 1n, -1n, 2n, -2n, 1000n, -1000n].map((word) => word * 2n ** 32n);
  const borders = [FIRST, LAST, ...seconds, ...words, microsOf('1970-01-01T00:00:00Z')];
  for (const border of borders) {
    for (let delta = -2n; delta <= 2n; delta += 1n) {
      const micros = border + delta;
      if (micros < FIRST || micros > LAST) assert.equal(textOf(writer, micros), undefined);
      else assertSame(writer, micros);
    }
  }
});

test('every day of 0001 to 0401, of 1899 to 2105 and of 9990 to 9999 is the reference’s', () => {
  const writer = new TimestampBytes();
  for (const [from, to] of [
    ['0001-01-01T00:00:00Z', '0401-12-31T00:00:00Z'],
    ['1899-01-01T00:00:00Z', '2105-12-31T00:00:00Z'],
    ['9990-01-01T00:00:00Z', '9999-12-31T00:00:00Z'],
  ] as const) {
    for (let micros = microsOf(from); micros <= microsOf(to); micros += DAY) {
      assertSame(writer, micros);
    }
  }
});

test('fractions lose their trailing zeros and no other digit', () => {
  const writer = new TimestampBytes();
  const cases = {
    '2026-04-14T10:00:00.123456Z': '2026-04-14T10:00:00.123456Z',
    '2026-04-14T10:00:00.120000Z': '2026-04-14T10:00:00.12Z',
    '2026-04-14T10:00:00.100000Z': '2026-04-14T10:00:00.1Z',
    '2026-04-14T10:00:00.000001Z': '2026-04-14T10:00:00.000001Z',
    '2026-04-14T10:00:00.000010Z': '2026-04-14T10:00:00.00001Z',
    '2026-04-14T10:00:00.010010Z': '2026-04-14T10:00:00.01001Z',
    '2026-04-14T10:00:00.000000Z': '2026-04-14T10:00:00Z',
    '1999-12-31T23:59:59.999999Z': '1999-12-31T23:59:59.999999Z',
    '1969-12-31T23:59:59.5Z': '1969-12-31T23:59:59.5Z',
    '0001-01-01T00:00:00.000001Z': '0001-01-01T00:00:00.000001Z',
  };
  for (const [time, text] of Object.entries(cases)) {
    assert.equal(textOf(writer, microsOf(time)), text);
  }
});

test('infinity and all years outside 1 to 9999 are refused, any int64 otherwise written', () => {
  const writer = new TimestampBytes();
  for (const micros of [
    INFINITY_MICROS.plus,
    INFINITY_MICROS.minus,
    INFINITY_MICROS.plus - 1n,
    INFINITY_MICROS.minus + 1n,
    FIRST - 1n,
    LAST + 1n,
    FIRST - DAY,
    LAST + DAY,
  ]) {
    assert.equal(textOf(writer, micros), undefined, `${micros}`);
  }
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (micros) => {
      if (micros < FIRST || micros > LAST) assert.equal(textOf(writer, micros), undefined);
      else assertSame(writer, micros);
    }),
    { numRuns: 5000 },
  );
});

test('a time does not depend on the one before it, a refused one included', () => {
  const times = ['2026-04-14T10:00:00Z', '1999-12-31T00:00:00Z', '0001-01-01T00:00:00Z'];
  const writer = new TimestampBytes();
  for (const before of times) {
    for (const time of times) {
      textOf(writer, microsOf(before));
      textOf(writer, INFINITY_MICROS.plus);
      assert.equal(textOf(writer, microsOf(time)), time);
      assert.equal(textOf(writer, microsOf(time)), time);
    }
  }
});
