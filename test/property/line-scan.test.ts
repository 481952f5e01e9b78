// The byte-level pieces of reading against plain definitions of the same, on lines that were bent at random.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { decodeExportLine, encodeExportLine, isBackupError } from '../../src/index.js';
import { scanValue } from '../../src/format/json-scan.js';
import { hasRepeatedNames } from '../../src/format/repeated-names.js';
import { RisingNames } from '../../src/format/rising-names.js';
import { TimestampBytes } from '../../src/postgres/timestamp-bytes.js';
import { TimestampMicros } from '../../src/postgres/timestamp-micros.js';
import { holdsRepeatedName, isPlainlyValid } from '../support/plain-line.js';
import { lineVectors } from '../support/vectors.js';

const lines = lineVectors.map(({ line }) => line);
const pieces = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '0',
  '-',
  'e',
  '.',
  ' ',
  'null',
  '\\u0000',
  'ü',
  '\u0001',
];

/** A valid line, with a few pieces put in, taken out or doubled. */
const bentLine = fc
  .tuple(
    fc.constantFrom(...lines.filter((line) => line.length < 2_000)),
    fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(...pieces), fc.nat(3)),
      {
        maxLength: 3,
      },
    ),
  )
  .map(([line, edits]) => {
    let text = line;
    for (const [place, piece, kind] of edits) {
      const at = Math.floor(place * text.length);
      const rest = kind === 0 ? at : at + kind;
      text = text.slice(0, at) + (kind === 3 ? '' : piece) + text.slice(rest);
    }
    return text;
  });

test('a bent line is valid exactly when the plain definition says so, and then is what it says', () => {
  fc.assert(
    fc.property(bentLine, (text) => {
      let error: unknown;
      try {
        const line = decodeExportLine(text);
        assert.deepEqual(decodeExportLine(encodeExportLine(line)), line);
      } catch (caught) {
        error = caught;
        assert.ok(isBackupError(error, 'BACKUP_LINE_INVALID'), String(error));
      }
      assert.equal(error === undefined, isPlainlyValid(text) ?? error === undefined);
    }),
    { numRuns: 20_000 },
  );
});

test('names are found repeated exactly when they are', () => {
  const names = fc.constantFrom('a', 'b', 'aa', 'ab', 'ü', '__proto__', 'a\\u0061', '\\u0061');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom('1', '"{"', '[]', '{}', '"a"'),
      tie('array'),
      tie('object'),
    ),
    array: fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    object: fc
      .array(fc.tuple(names, tie('value')), { maxLength: 4 })
      .map(
        (members) => `{${members.map(([name, item]) => `"${name}": ${String(item)}`).join(',')}}`,
      ),
  }));
  fc.assert(
    fc.property(value, (item) => {
      const text = String(item);
      const bytes = Buffer.from(`x${text}x`);
      const isRepeated = holdsRepeatedName(text);
      assert.equal(hasRepeatedNames(bytes, 1, bytes.length - 1), isRepeated);
      assert.ok(!(isRepeated && areNamesRising(bytes, 1, bytes.length - 1)));
    }),
    { numRuns: 5_000 },
  );
});

test('names that jsonb has ordered are seen to rise', () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(1, '{"a', '\\'),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('value'), { maxLength: 3 }),
    map: fc.dictionary(fc.constantFrom('a', 'b', 'aa', 'ab', 'ü', '日'), tie('value')),
  }));
  fc.assert(
    fc.property(value, (item) => {
      const bytes = Buffer.from(jsonbText(item));
      assert.ok(areNamesRising(bytes, 0, bytes.length));
    }),
    { numRuns: 5_000 },
  );
});

/** A value as jsonb writes it: names by length, then by bytes. */
function jsonbText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonbText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value as Record<string, unknown>).map(([name, item]) => ({
    name: Buffer.from(name),
    item,
  }));
  members.sort((a, b) => a.name.length - b.name.length || a.name.compare(b.name));
  return `{${members.map(({ name, item }) => `"${String(name)}": ${jsonbText(item)}`).join(', ')}}`;
}

function areNamesRising(bytes: Uint8Array, start: number, end: number): boolean {
  const names = new RisingNames();
  assert.equal(scanValue(bytes, start, end, { maxDepth: Infinity, names }), end);
  return names.areRising;
}

test('names are found repeated at any depth', () => {
  for (const depth of [1, 63, 64, 65, 200]) {
    for (const [last, isRepeated] of [
      ['{"b":1,"b":2}', true],
      ['{"b":1,"c":2}', false],
    ] as const) {
      // Each level has a name after the one that leads on, so that coming back is tried as well.
      const text = '{"a":['.repeat(depth) + last + '],"b":0}'.repeat(depth);
      const bytes = Buffer.from(text);
      assert.equal(hasRepeatedNames(bytes, 0, bytes.length), isRepeated, `${depth} ${last}`);
      assert.equal(areNamesRising(bytes, 0, bytes.length), !isRepeated, `${depth} ${last}`);
    }
  }
});

test('a time goes to Postgres’ microseconds and back', () => {
  const micros = fc.bigInt({ min: -63_082_281_600_000_000n, max: 252_455_615_999_999_999n });
  const bytesOf = new TimestampBytes();
  const microsOf = new TimestampMicros();
  fc.assert(
    fc.property(micros, (value) => {
      const text = Buffer.alloc(27);
      const end = bytesOf.write(Number(value >> 32n), Number(value & 0xffff_ffffn), text, 0);
      assert.ok(end > 0);
      const out = new DataView(new ArrayBuffer(8));
      microsOf.write(text, [0, end], out, 0);
      assert.equal(out.getBigInt64(0), value);
    }),
    { numRuns: 20_000 },
  );
});
