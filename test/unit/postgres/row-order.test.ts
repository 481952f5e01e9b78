// Positions must rise from row to row: one that is repeated or goes back is told, in tuples as in rows.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isBackupError } from '../../../src/index.js';
import { CopyFrames } from '../../../src/postgres/copy-frames.js';
import { RowOrder, TupleOrder } from '../../../src/postgres/row-order.js';
import { copyOf, fieldsOf, microsOf, tupleRow } from '../../support/copy-tuples.js';

type Place = readonly [time: string, id: string];

const LOW = '00000000-0000-4000-8000-000000000001';
const HIGH = 'ffffffff-ffff-4fff-bfff-ffffffffffff';

/** Every step from a place to a later one: what differs first is a time, its fraction, or a part of the id. */
const RISING: readonly Place[] = [
  ['0001-01-01T00:00:00Z', LOW],
  ['1999-12-31T23:59:59.999999Z', HIGH],
  ['2000-01-01T00:00:00Z', LOW],
  ['2000-01-01T00:00:00.000001Z', LOW],
  ['2000-01-01T00:00:00.1Z', LOW],
  ['2000-01-01T00:00:00.12Z', LOW],
  ['2000-01-01T00:35:47.483647Z', LOW],
  ['2000-01-01T00:35:47.483648Z', LOW],
  ['2000-01-01T01:11:34.967295Z', LOW],
  ['2000-01-01T01:11:34.967296Z', LOW],
  ['2026-04-14T10:00:00Z', LOW],
  ['2026-04-14T10:00:00Z', '00000000-0000-4000-8000-000000000002'],
  ['2026-04-14T10:00:00Z', '00000000-0000-4000-8000-000080000000'],
  ['2026-04-14T10:00:00Z', '00000000-0000-4000-bfff-000000000000'],
  ['2026-04-14T10:00:00Z', '7fffffff-0000-4000-8000-000000000000'],
  ['2026-04-14T10:00:00Z', '80000000-0000-4000-8000-000000000000'],
  ['2026-04-14T10:00:00Z', 'f0000000-0000-4000-8000-000000000000'],
  ['2026-04-14T10:00:00Z', HIGH],
  ['9999-12-31T23:59:59.999999Z', HIGH],
];

/** Goes through places in order; gives how many were fine, and why the next was not. */
const lanes: Readonly<Record<string, (places: readonly Place[]) => unknown>> = {
  RowOrder(places) {
    const order = new RowOrder();
    return followed(places.length, (index) => {
      const [createdAt, eventId] = places[index]!;
      order.follow({ createdAt, eventId }, index + 1);
    });
  },
  TupleOrder(places) {
    const order = new TupleOrder();
    // What comes after the id rises all the same, and has no say.
    const rows = places.map(([time, id], index) =>
      tupleRow({ id, createdAt: microsOf(time), appId: 'a'.repeat(index + 1) }),
    );
    let lineNumber = 0;
    const fieldCount = fieldsOf(tupleRow()).length;
    const frames = new CopyFrames(fieldCount, (tuple) => {
      order.follow(tuple, (lineNumber += 1));
    });
    return followed(1, () => {
      frames.push(copyOf(rows));
    });
  },
};

function followed(count: number, follow: (index: number) => void): unknown {
  try {
    for (let index = 0; index < count; index += 1) follow(index);
    return 'rising';
  } catch (error) {
    assert.ok(isBackupError(error, 'BACKUP_ORDER_VIOLATED'));
    return error.details;
  }
}

for (const [name, follow] of Object.entries(lanes)) {
  test(`${name}: positions that rise are fine, however small the step`, () => {
    assert.equal(follow(RISING), 'rising');
    for (const place of RISING) assert.equal(follow([place]), 'rising');
  });

  test(`${name}: each of them twice is told as repeated`, () => {
    for (const [index, place] of RISING.entries()) {
      const places = [...RISING.slice(0, index + 1), place];
      assert.deepEqual(follow(places), { lineNumber: index + 2, reason: 'repeated' });
    }
  });

  test(`${name}: any earlier one after a later one is told as earlier`, () => {
    for (const [index, later] of RISING.entries()) {
      for (const earlier of RISING.slice(0, index)) {
        assert.deepEqual(follow([later, earlier]), { lineNumber: 2, reason: 'earlier' });
      }
    }
  });
}
