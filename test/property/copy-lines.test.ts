// Any row in any chunking: the decoder's lines are those of the object lane's mapping, and so is the tally.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';

import { type ChangeRow, RawJson, encodeExportLine, toExportLine } from '../../src/index.js';
import { SummaryBuilder } from '../../src/format/summary.js';
import { CopyDecoder } from '../support/copy-decoder.js';
import { type TupleRow, copyOf, microsOf } from '../support/copy-tuples.js';

const extraMembers = ['actor', 'space'];

// What Postgres can hold: no NUL, no unpaired surrogate.
const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: fc.constantFrom('"', '\\', '\n', '\u0001', '\u007f', '\u2028', 'é', '😀') }),
  )
  .map((value) => value.replaceAll('\0', ''));
const json = fc.oneof(
  fc.json().filter((value) => !value.includes('\\u0000') && value.isWellFormed()),
  fc.constantFrom('{}', 'null', '[]', '{"n": 1e400, "m": 1.50}', '9007199254740993', '"\u2028"'),
);
const first = microsOf('0001-01-01T00:00:00Z');
const last = microsOf('9999-12-31T23:59:59.999999Z');

const row = fc.record({
  id: fc.uuid(),
  appId: fc.oneof(fc.constantFrom('todo', 'notes'), text),
  tableName: text,
  recordId: text,
  userId: fc.constant('user-1'),
  op: fc.constantFrom('insert', 'update', 'delete'),
  data: fc.option(json),
  fieldTimestamps: fc.option(json),
  clientId: text,
  createdAt: fc.bigInt({ min: first, max: last }),
  schemaVersion: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
  extra: fc.tuple(fc.option(json), fc.option(json)),
});

/** The same row as the object lane gets it. */
function changeRowOf(row: TupleRow): ChangeRow {
  const { extra, createdAt, data, fieldTimestamps, ...texts } = row;
  const since1970 = createdAt! + 946_684_800_000_000n;
  const micros = ((since1970 % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const second = new Date(Number((since1970 - micros) / 1000n)).toISOString().slice(0, 19);
  const raw = (value: string | null): RawJson | null =>
    value === null ? null : new RawJson(value);
  return {
    ...(texts as Pick<ChangeRow, 'appId' | 'clientId' | 'id' | 'op' | 'recordId' | 'tableName'>),
    userId: 'user-1',
    schemaVersion: row.schemaVersion,
    data: raw(data),
    fieldTimestamps: raw(fieldTimestamps),
    createdAt: `${second}.${String(micros).padStart(6, '0')}Z`,
    extra: new Map(
      extraMembers.flatMap((member, index) => {
        const value = extra[index] ?? null;
        return value === null ? [] : [[member, new RawJson(value)] as const];
      }),
    ),
  };
}

test('any rows, cut anywhere, give the lines and the facts of the object lane', () => {
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 6 }),
      fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 20 }),
      fc.constantFrom(1, 200, 1e9),
      (rows, sizes, takeBytes) => {
        const decoder = new CopyDecoder({ extraMembers, takeBytes });
        const copy = copyOf(rows);
        for (let at = 0, index = 0; at < copy.length; index += 1) {
          // At least one byte in each round, so that it ends.
          const size = sizes[index % sizes.length]! + (index % sizes.length === 0 ? 1 : 0);
          decoder.push(copy.subarray(at, at + size));
          at += size;
        }
        const lines = rows.map((each) => toExportLine(changeRowOf(each)));
        const builder = new SummaryBuilder();
        for (const line of lines) builder.add(line);
        assert.ok(decoder.hasTrailer);
        assert.equal(decoder.text(), lines.map((line) => `${encodeExportLine(line)}\n`).join(''));
        const { apps, ...facts } = builder.facts();
        assert.deepEqual(decoder.facts, { ...facts, apps: [...apps] });
      },
    ),
    { numRuns: 1500 },
  );
});

test('one byte inverted anywhere never gives other lines without an error, but for values', () => {
  // What a checksum would find is not the decoder's to find: but it never hangs, crashes or overruns.
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 3 }), fc.nat(), (rows, position) => {
      const copy = copyOf(rows);
      const at = position % copy.length;
      copy[at] = copy[at]! ^ 0xff;
      const decoder = new CopyDecoder({ extraMembers });
      try {
        decoder.push(copy);
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof RangeError), String(error));
      }
      assert.ok(decoder.lineCount <= rows.length);
    }),
    { numRuns: 3000 },
  );
});
