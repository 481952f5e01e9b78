// Times and positions against plain arithmetic on microseconds.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';

import { canonicalTimestamp, isCanonicalTimestamp } from '../../src/format/timestamp.js';
import { comparePositions, positionSchema } from '../../src/index.js';
import { anyMicros, anyText, textOfMicros } from '../support/arbitraries.js';

const minMicros = -62_135_596_800_000_000n;
const maxMicros = 253_402_300_799_999_999n;

/** The local time of an instant at an offset, with `digits` digits in its fraction. */
function textAtOffset(micros: bigint, offsetMinutes: number, digits: number): string {
  const local = textOfMicros(micros + BigInt(offsetMinutes) * 60_000_000n);
  const fraction = local.length > 20 ? local.slice(20, -1) : '';
  const padded = fraction.padEnd(digits, '0');
  const minutes = Math.abs(offsetMinutes);
  const hh = String(Math.floor(minutes / 60)).padStart(2, '0');
  const mm = String(minutes % 60).padStart(2, '0');
  return `${local.slice(0, 19)}${padded && `.${padded}`}${offsetMinutes < 0 ? '-' : '+'}${hh}:${mm}`;
}

describe('a time', () => {
  test('of any instant is canonical, and stays as it is', () => {
    fc.assert(
      fc.property(anyMicros, (micros) => {
        const text = textOfMicros(micros);
        assert.equal(isCanonicalTimestamp(text), true);
        assert.equal(canonicalTimestamp(text), text);
      }),
      { numRuns: 1000, examples: [[minMicros], [maxMicros], [0n], [-1n]] },
    );
  });

  test('at any offset and with any zeros at its end becomes the canonical text of its instant', () => {
    fc.assert(
      fc.property(
        anyMicros,
        fc.integer({ min: -1439, max: 1439 }),
        fc.integer({ min: 0, max: 12 }),
        (micros, offset, digits) => {
          const local = micros + BigInt(offset) * 60_000_000n;
          fc.pre(local >= minMicros && local <= maxMicros);
          const text = textAtOffset(micros, offset, digits);
          assert.equal(canonicalTimestamp(text), textOfMicros(micros), text);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('as any Date becomes the canonical text of its instant', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        const micros = BigInt(date.getTime()) * 1000n;
        const isWritable = micros >= minMicros && micros <= maxMicros;
        assert.equal(canonicalTimestamp(date), isWritable ? textOfMicros(micros) : undefined);
      }),
      { numRuns: 1000 },
    );
  });

  test('that is brought to its canonical form once is left alone then', () => {
    const digit = fc.integer({ min: 0, max: 9 }).map(String);
    const shaped = fc
      .tuple(
        fc.array(digit, { minLength: 14, maxLength: 14 }),
        fc.string({ unit: digit, maxLength: 8 }),
        fc.constantFrom('Z', '+00:00', '-02:30', '+14:00', '', 'z', '+24:00'),
      )
      .map(([d, fraction, zone]) => {
        const [y, mo, da, h, mi, s] = [
          [0, 4],
          [4, 6],
          [6, 8],
          [8, 10],
          [10, 12],
          [12, 14],
        ].map(([from, to]) => d.slice(from, to).join(''));
        return `${y}-${mo}-${da}T${h}:${mi}:${s}${fraction && `.${fraction}`}${zone}`;
      });
    fc.assert(
      fc.property(fc.oneof(shaped, anyText), (text) => {
        const canonical = canonicalTimestamp(text);
        if (canonical === undefined) return;
        assert.equal(isCanonicalTimestamp(canonical), true);
        assert.equal(canonicalTimestamp(canonical), canonical);
        assert.equal(new Date(canonical).getTime(), new Date(text).getTime());
      }),
      { numRuns: 2000 },
    );
  });

  test('is canonical exactly if it is what plain arithmetic writes', () => {
    const piece = fc.constantFrom('', '0', '1', '9', '.', 'Z', '-', ':', 'T', ' ', '\n');
    fc.assert(
      fc.property(anyMicros, fc.nat(27), fc.nat(2), piece, (micros, at, dropped, changed) => {
        const original = textOfMicros(micros);
        const text = original.slice(0, at) + changed + original.slice(at + dropped);
        const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(text)
          ? Date.parse(`${text.slice(0, 19)}Z`)
          : NaN;
        const digits = /^\.(\d{1,6})Z$/.exec(text.slice(19))?.[1]?.padEnd(6, '0');
        const expected =
          !Number.isNaN(time) && (text.slice(19) === 'Z' || digits !== undefined)
            ? BigInt(time) * 1000n + BigInt(digits ?? 0)
            : undefined;
        const isExact =
          expected !== undefined &&
          expected >= minMicros &&
          expected <= maxMicros &&
          textOfMicros(expected) === text;
        assert.equal(isCanonicalTimestamp(text), isExact, text);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('positions', () => {
  test('come in the order of their microseconds, then of their ids', () => {
    const id = fc.oneof(fc.uuid(), fc.constantFrom('a', 'b'));
    fc.assert(
      fc.property(anyMicros, anyMicros, id, id, (a, b, idA, idB) => {
        const positions = [
          { createdAt: textOfMicros(a), eventId: idA },
          { createdAt: textOfMicros(b), eventId: idB },
        ] as const;
        const byTime = a === b ? 0 : a < b ? -1 : 1;
        const byId = idA === idB ? 0 : idA < idB ? -1 : 1;
        const expected = byTime === 0 ? byId : byTime;
        assert.equal(Math.sign(comparePositions(...positions)), expected);
        assert.equal(Math.sign(comparePositions(positions[1], positions[0])) + expected, 0);
        for (const position of positions) assert.ok(positionSchema.safeParse(position).success);
      }),
      { numRuns: 2000 },
    );
  });
});
