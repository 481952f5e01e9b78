// Random values for property tests: texts, JSON texts, instants, rows and lines as wild as the format allows.
import fc from 'fast-check';

import { lineMembers } from '../../src/format/export-line.js';
import { RawJson } from '../../src/index.js';
import type { ChangeOp, ChangeRow, ExportLine } from '../../src/index.js';

/** Any text that a column of Postgres can hold: well-formed, without NUL. */
export const anyText: fc.Arbitrary<string> = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ maxLength: 20 }),
    fc.constantFrom('__proto__', 'constructor', '', '\u2028', '"', '\\', '\n', '\ufeff', '\u007f'),
  )
  .map((text) => text.replaceAll('\0', ' ').toWellFormed());

/** Any sequence of UTF-16 units, NUL and unpaired surrogates included. */
export const anyUnits: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(fc.constantFrom(0, 0x22, 0x5c, 0xd83d, 0xde00), fc.integer({ min: 0, max: 0xffff })),
    {
      maxLength: 12,
    },
  )
  .map((units) => String.fromCharCode(...units));

const space = fc.constantFrom('', '', '', ' ', '\t', '\n', '\r\n  ');

const numberText = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.oneof(fc.constant('0'), fc.bigInt({ min: 1n, max: 10n ** 40n }).map(String)),
    fc.oneof(
      fc.constant(''),
      fc.nat().map((n) => `.${n}0`),
    ),
    fc.oneof(
      fc.constant(''),
      fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-'), fc.nat(999)).map((e) => e.join('')),
    ),
  )
  .map((parts) => parts.join(''));

/** A JSON string with escapes chosen at random. */
const stringText = fc
  .array(
    fc.oneof(
      anyText.map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom(
        '\\/',
        '\\u003c',
        '\\u2028',
        '\\u00E9',
        '\\ud83d\\ude00',
        '\\b',
        '\u2028',
        '\u007f',
      ),
    ),
    { maxLength: 4 },
  )
  .map((pieces) => `"${pieces.join('')}"`);

const spaced = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(space, text, space).map((parts) => parts.join(''));

/** Any JSON text that jsonb could hold, spelled and spaced in any way, repeated keys included. */
export const anyJsonText: fc.Arbitrary<string> = fc.letrec<{ value: string; object: string }>(
  (tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      numberText,
      stringText,
      fc.constantFrom('true', 'false', 'null'),
      fc.array(spaced(tie('value')), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
      tie('object'),
    ),
    object: fc
      .array(fc.tuple(spaced(stringText), spaced(tie('value'))), { maxLength: 4 })
      .map((members) => `{${members.map(([name, value]) => `${name}:${value}`).join(',')}}`),
  }),
).value;

/** A time of the years 1 to 9999 in microseconds since 1970. */
export const anyMicros: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
  // Within a second or two, so that fractions decide.
  fc.bigInt({ min: 1_776_160_800_000_000n, max: 1_776_160_801_000_000n }),
  fc.integer({ min: 0, max: 9 }).map((n) => 1_776_160_800_000_000n + BigInt(n) * 100_000n),
);

/** The canonical text of an instant, made by arithmetic alone. */
export function textOfMicros(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = Number((micros - fraction) / 1_000_000n);
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const digits = String(fraction).padStart(6, '0').replace(/0+$/, '');
  return digits === '' ? `${whole}Z` : `${whole}.${digits}Z`;
}

const eventId = fc.oneof(
  fc.uuid(),
  anyText.filter((text) => text !== ''),
);
const op = fc.constantFrom<ChangeOp[]>('insert', 'update', 'delete');
const createdAt = anyMicros.map(textOfMicros);
const raw = anyJsonText.map((text) => new RawJson(text));

/** `data` or `fieldTimestamps`: text, plain values, or nothing. */
const anyData: fc.Arbitrary<unknown> = fc.oneof(
  raw,
  fc.jsonValue({ stringUnit: 'grapheme' }),
  fc.constantFrom<unknown>(undefined, null, {}, { n: 10n ** 30n, d: new Date(0), u: undefined }),
);

const anyExtra: fc.Arbitrary<ReadonlyMap<string, RawJson>> = fc
  .array(fc.tuple(anyText, raw), { maxLength: 3 })
  .map(
    (entries) =>
      new Map(entries.filter(([name]) => !(lineMembers as readonly string[]).includes(name))),
  );

/** Any line that the schema describes, with values that JSON can hold. */
export const anyLine: fc.Arbitrary<ExportLine> = fc.record(
  {
    eventId,
    schemaVersion: fc.integer({ min: 1, max: 2_147_483_647 }),
    appId: anyText,
    table: anyText,
    id: anyText,
    op,
    data: anyData,
    fieldTimestamps: anyData,
    clientId: anyText,
    createdAt,
    extra: anyExtra,
  },
  {
    requiredKeys: [
      'eventId',
      'schemaVersion',
      'appId',
      'table',
      'id',
      'op',
      'clientId',
      'createdAt',
    ],
  },
);

/** Any row that the schema describes, with values that JSON can hold. */
export const anyRow: fc.Arbitrary<ChangeRow> = fc.record(
  {
    id: eventId,
    appId: anyText,
    tableName: anyText,
    recordId: anyText,
    userId: anyText.filter((text) => text !== ''),
    op,
    data: anyData,
    fieldTimestamps: anyData,
    clientId: anyText,
    createdAt: fc.oneof(
      createdAt,
      fc.date({
        min: new Date('0001-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59Z'),
        noInvalidDate: true,
      }),
    ),
    schemaVersion: fc.oneof(
      fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
      fc.constant(null),
    ),
    extra: anyExtra,
  },
  {
    requiredKeys: ['id', 'appId', 'tableName', 'recordId', 'userId', 'op', 'clientId', 'createdAt'],
  },
);
