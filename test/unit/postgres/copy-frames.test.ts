// What is no binary COPY of the columns that were asked for is refused, wherever the chunks are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CopyFrames, TupleError, readInt32 } from '../../../src/postgres/copy-frames.js';
import { chunked } from '../../support/collect.js';
import { decodeCopy } from '../../support/copy-decoder.js';
import {
  copyHeader,
  copyTrailer,
  encodeTuple,
  fieldsOf,
  int16,
  int32,
  tupleRow,
} from '../../support/copy-tuples.js';

/** Two columns: all fields of all tuples, as latin1 text or null. */
function readFields(chunks: Iterable<Uint8Array>): (string | null)[][] {
  const rows: (string | null)[][] = [];
  const frames = new CopyFrames(2, ({ bytes, starts, ends }) => {
    rows.push(
      [0, 1].map((index) => {
        const start = starts[index]!;
        return start < 0 ? null : Buffer.from(bytes.slice(start, ends[index])).toString('latin1');
      }),
    );
  });
  for (const chunk of chunks) frames.push(chunk);
  return rows;
}

const tuple = encodeTuple([Buffer.from('ab'), null]);

function refuses(name: string, data: Buffer): void {
  test(`${name} is refused, whole and byte by byte`, () => {
    assert.throws(() => readFields([data]), TupleError);
    assert.throws(() => readFields(chunked(data, 1)), TupleError);
  });
}

test('fields are found by their lengths: empty, NULL, and with bytes like lengths and trailers', () => {
  const odd = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
  const data = Buffer.concat([
    copyHeader(),
    encodeTuple([Buffer.alloc(0), null]),
    encodeTuple([null, Buffer.alloc(0)]),
    encodeTuple([odd, Buffer.from('x')]),
    encodeTuple([null, null]),
    copyTrailer,
  ]);
  const expected = [
    ['', null],
    [null, ''],
    [odd.toString('latin1'), 'x'],
    [null, null],
  ];
  assert.deepEqual(readFields([data]), expected);
  assert.deepEqual(readFields(chunked(data, 1)), expected);
});

for (const size of [0, 1, 7, 100_000]) {
  test(`a header extension of ${size} bytes is skipped`, () => {
    const header = copyHeader({ extension: Buffer.alloc(size, 0xff) });
    const data = Buffer.concat([header, tuple, copyTrailer]);
    assert.deepEqual(readFields([data]), [['ab', null]]);
    assert.deepEqual(readFields(chunked(data, 3)), [['ab', null]]);
  });
}

for (let index = 0; index < 11; index += 1) {
  const data = copyHeader();
  data[index] = data[index]! ^ 1;
  refuses(`a signature that is wrong at byte ${index}`, data);
}
for (const flags of [1, 1 << 16, 1 << 31]) {
  refuses(`a header with flags ${flags}`, Buffer.concat([copyHeader({ flags }), tuple]));
}
refuses(
  'a header extension of negative length',
  Buffer.concat([copyHeader().subarray(0, 15), int32(-1)]),
);
refuses(
  'text format',
  Buffer.from('00000000-0000-4000-8000-000000000001\ttodo\ttasks\ttask-1\n'.repeat(3)),
);
for (const count of [0, 1, 3, 255, 512, 0x7fff, -2, -32_768]) {
  refuses(`a tuple of ${count} fields`, Buffer.concat([copyHeader(), int16(count), tuple]));
}
for (const length of [-2, -256, -(2 ** 31)]) {
  refuses(
    `a field of length ${length}`,
    Buffer.concat([copyHeader(), int16(2), int32(length), tuple]),
  );
}
for (const after of [Buffer.from([0]), copyTrailer, tuple]) {
  refuses(
    `data after the trailer (${after.length} bytes)`,
    Buffer.concat([copyHeader(), tuple, copyTrailer, after]),
  );
}

test('data after the trailer is refused in a later chunk as well', () => {
  const frames = new CopyFrames(2, () => undefined);
  frames.push(Buffer.concat([copyHeader(), copyTrailer]));
  frames.push(Buffer.alloc(0));
  assert.throws(() => frames.push(copyTrailer), TupleError);
});

test('only the trailer ends the data: without it nothing is proven', () => {
  const data = Buffer.concat([copyHeader(), tuple, tuple, copyTrailer]);
  for (let end = 0; end < data.length; end += 1) {
    const frames = new CopyFrames(2, () => undefined);
    frames.push(data.subarray(0, end));
    assert.equal(frames.hasTrailer, false, `after ${end} bytes`);
  }
});

test('an error of the reader of tuples is passed on as it is', () => {
  const error = new Error('on purpose');
  const frames = new CopyFrames(2, () => {
    throw error;
  });
  assert.throws(
    () => frames.push(Buffer.concat([copyHeader(), tuple])),
    (thrown) => thrown === error,
  );
});

test('tuples of another width than the export selected are refused', () => {
  const fields = fieldsOf(tupleRow());
  const copyWith = (tuple: Buffer): Buffer[] => [copyHeader(), tuple, copyTrailer];
  assert.throws(() => decodeCopy(copyWith(encodeTuple(fields.slice(1)))), TupleError);
  assert.throws(() => decodeCopy(copyWith(encodeTuple([...fields, null]))), TupleError);
  const extraMembers = ['actor'];
  assert.throws(() => decodeCopy(copyWith(encodeTuple(fields)), { extraMembers }), TupleError);
});

test('integers are big-endian and signed', () => {
  for (const value of [0, 1, -1, 255, 256, -256, 0x1234_5678, 2 ** 31 - 1, -(2 ** 31)]) {
    assert.equal(readInt32(Buffer.concat([int16(7), int32(value)]), 2), value);
  }
});

test("what was pushed is not held on to: a row may be large, and its memory the driver's", () => {
  const seen: { bytes: Uint8Array }[] = [];
  const frames = new CopyFrames(2, (given) => seen.push(given));
  frames.push(Buffer.concat([copyHeader(), tuple]));
  assert.equal(seen.length, 1);
  assert.equal(seen[0]?.bytes.length, 0);
});
