// COPY bytes in, lines out: the vectors, and the same lines wherever rows and chunks are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SeededRandom } from '../../../dev/random.js';
import { chunked } from '../../support/collect.js';
import { CopyDecoder, decodeCopy } from '../../support/copy-decoder.js';
import {
  type TupleRow,
  copyHeader,
  copyOf,
  copyTrailer,
  encodeTuple,
  fieldsOf,
  microsOf,
  tupleRow,
} from '../../support/copy-tuples.js';
import { lineVectors } from '../../support/vectors.js';

const vectorRows: readonly TupleRow[] = lineVectors.map(
  ({ row, dataText, fieldTimestampsText }) => ({
    id: row.id,
    appId: row.app_id,
    tableName: row.table_name,
    recordId: row.record_id,
    userId: row.user_id,
    op: row.op,
    data: dataText,
    fieldTimestamps: fieldTimestampsText,
    clientId: row.client_id,
    createdAt: microsOf(row.created_at),
    schemaVersion: row.schema_version,
    extra: [],
  }),
);
const vectorText = lineVectors.map(({ line }) => `${line}\n`).join('');

for (const [index, { name, line }] of lineVectors.entries()) {
  test(`vector ${name} gives its exact line`, () => {
    assert.equal(decodeCopy([copyOf([vectorRows[index]!])]), `${line}\n`);
  });
}

test('all vectors in one COPY give their lines in order', () => {
  assert.equal(lineVectors.length, 39);
  assert.equal(decodeCopy([copyOf(vectorRows)]), vectorText);
});

test('a COPY without rows gives zero bytes', () => {
  assert.equal(decodeCopy([copyOf([])]), '');
});

// Multi-byte characters, escapes, NULLs, an extra column, and a row that starts with bytes like a trailer's.
const smallRows = [
  tupleRow({ recordId: 'é"\u2028😀\n', data: '{"ü": "👨‍👩‍👧"}', extra: ['null'] }),
  tupleRow({ data: null, fieldTimestamps: null, schemaVersion: null, extra: [null] }),
  tupleRow({ id: 'ffffffff-ffff-4fff-bfff-ffffffffffff', data: '{}', extra: ['"x"'] }),
];
const smallCopy = copyOf(smallRows);
const smallText =
  '{"eventId":"00000000-0000-4000-8000-000000000001","schemaVersion":1,"appId":"todo","table":"tasks",' +
  '"id":"é\\"\u2028😀\\n","op":"insert","data":{"ü": "👨‍👩‍👧"},"clientId":"client-a",' +
  '"createdAt":"2026-04-14T10:00:00Z","actor":null}\n' +
  '{"eventId":"00000000-0000-4000-8000-000000000001","schemaVersion":1,"appId":"todo","table":"tasks",' +
  '"id":"task-1","op":"insert","clientId":"client-a","createdAt":"2026-04-14T10:00:00Z"}\n' +
  '{"eventId":"ffffffff-ffff-4fff-bfff-ffffffffffff","schemaVersion":1,"appId":"todo","table":"tasks",' +
  '"id":"task-1","op":"insert","clientId":"client-a","createdAt":"2026-04-14T10:00:00Z","actor":"x"}\n';
const options = { extraMembers: ['actor'] };

test('rows come out the same whole, byte by byte, and cut anywhere into two', () => {
  assert.equal(decodeCopy([smallCopy], options), smallText);
  assert.equal(decodeCopy(chunked(smallCopy, 1), options), smallText);
  for (let cut = 0; cut <= smallCopy.length; cut += 1) {
    const halves = [smallCopy.subarray(0, cut), smallCopy.subarray(cut)];
    assert.equal(decodeCopy(halves, options), smallText, `cut at ${cut}`);
  }
});

test('rows come out the same when they are cut twice, empty chunks between', () => {
  for (let first = 0; first <= smallCopy.length; first += 7) {
    for (let second = first; second <= smallCopy.length; second += 5) {
      const none = Buffer.alloc(0);
      const chunks = [
        smallCopy.subarray(0, first),
        none,
        smallCopy.subarray(first, second),
        none,
        smallCopy.subarray(second),
        none,
      ];
      assert.equal(decodeCopy(chunks, options), smallText, `cut at ${first} and ${second}`);
    }
  }
});

test('all vectors come out the same in chunks of every size', () => {
  const copy = copyOf(vectorRows);
  for (const size of [1, 2, 3, 7, 19, 64, 1000, 4096, 65_536]) {
    assert.equal(decodeCopy(chunked(copy, size)), vectorText, `chunks of ${size}`);
  }
});

test('all vectors come out the same cut at random', () => {
  const copy = copyOf(vectorRows);
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = new SeededRandom(seed);
    const largest = random.pick([3, 40, 700, 9000]);
    const chunks: Buffer[] = [];
    for (let at = 0; at < copy.length;) {
      const end = at + random.integer(0, largest);
      chunks.push(copy.subarray(at, end));
      at = end;
    }
    const takeBytes = random.pick([1, 500, 100_000]);
    assert.equal(decodeCopy(chunks, { takeBytes }), vectorText, `seed ${seed}`);
  }
});

test('a row is decoded as soon as its last byte is there, and not before', () => {
  const decoder = new CopyDecoder();
  const tuple = encodeTuple(fieldsOf(tupleRow()));
  decoder.push(copyHeader());
  decoder.push(tuple.subarray(0, -1));
  assert.equal(decoder.lineCount, 0);
  assert.equal(decoder.text(), '');
  decoder.push(tuple.subarray(-1));
  assert.equal(decoder.lineCount, 1);
  assert.equal(decoder.text().at(-1), '\n');
  assert.equal(decoder.hasTrailer, false);
  decoder.push(copyTrailer.subarray(0, 1));
  assert.equal(decoder.hasTrailer, false);
  decoder.push(copyTrailer.subarray(1));
  assert.equal(decoder.hasTrailer, true);
});

/** A row whose data is a string of about so many bytes, all of them different enough to show a shift. */
function fatRow(byteCount: number, letter: string): TupleRow {
  const pattern = `${letter}0123456789é`;
  return tupleRow({ data: JSON.stringify(pattern.repeat(byteCount / pattern.length)) });
}

function lineOfData(row: TupleRow): string {
  return (
    '{"eventId":"00000000-0000-4000-8000-000000000001","schemaVersion":1,"appId":"todo",' +
    `"table":"tasks","id":"task-1","op":"insert","data":${row.data ?? ''},"clientId":"client-a",` +
    '"createdAt":"2026-04-14T10:00:00Z"}\n'
  );
}

for (const takeBytes of [1, 64 * 1024, Infinity]) {
  test(`rows larger than the output buffer come out whole among small ones, ${takeBytes} bytes waiting`, () => {
    const rows = [
      tupleRow(),
      fatRow(1 << 20, 'a'),
      tupleRow(),
      fatRow(5 << 20, 'b'),
      fatRow(300_000, 'c'),
      tupleRow(),
    ];
    const expected = rows.map(lineOfData).join('');
    const copy = copyOf(rows);
    for (const size of [copy.length, 65_536, 1 << 20]) {
      // Buffers are compared: a message that quotes megabytes helps nobody.
      const bytes = Buffer.from(decodeCopy(chunked(copy, size), { takeBytes }));
      assert.ok(bytes.equals(Buffer.from(expected)), `chunks of ${size}`);
    }
  });
}

test('a row of 4 MiB that comes byte by byte is copied a bounded number of times', () => {
  const row = fatRow(4 << 20, 'x');
  const copy = copyOf([row, tupleRow()]);
  const decoder = new CopyDecoder();
  // Each byte on arrival, on its way through the doublings, and into its line.
  withCopiedBytesBelow(5 * copy.length, () => {
    // Past the helper, which copies each chunk itself.
    const chunk = new Uint8Array(1);
    for (const byte of copy) {
      chunk[0] = byte;
      decoder.frames.push(chunk);
    }
  });
  assert.ok(decoder.hasTrailer);
  const expected = Buffer.from(lineOfData(row) + lineOfData(tupleRow()));
  assert.ok(decoder.bytes().equals(expected));
});

test('rows that are cut once each are copied a bounded number of times', () => {
  const copy = copyOf(Array.from({ length: 2000 }, () => fatRow(1000, 'y')));
  const decoder = new CopyDecoder();
  const chunks = [...chunked(copy, 64 * 1024 - 1)];
  withCopiedBytesBelow(4 * copy.length, () => {
    for (const chunk of chunks) decoder.frames.push(chunk);
  });
  assert.equal(decoder.lineCount, 2000);
});

type Copier = (this: Uint8Array, ...parameters: readonly unknown[]) => unknown;

/** Fails as soon as the two methods that copy ranges have copied so many bytes: to wait would take hours. */
function withCopiedBytesBelow(limit: number, run: () => void): void {
  const prototype = Uint8Array.prototype as unknown as Record<'set' | 'copyWithin', Copier>;
  const { set, copyWithin } = prototype;
  let count = 0;
  const add = (byteCount: number): void => {
    count += byteCount;
    if (count > limit) throw new Error(`more than ${limit} bytes copied`);
  };
  prototype.set = function (source, offset) {
    add((source as Uint8Array).length);
    return set.call(this, source, offset);
  };
  prototype.copyWithin = function (target, start, end) {
    add(Number(end) - Number(start));
    return copyWithin.call(this, target, start, end);
  };
  try {
    run();
  } finally {
    Object.assign(prototype, { set, copyWithin });
  }
}
