// A cursor's rows come from the tap or, where it has left them, from pg; a row from neither is noticed.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';

import type { PgConnection } from '../../../src/postgres/client.js';
import { TupleError } from '../../../src/postgres/copy-frames.js';
import { RowCursor } from '../../../src/postgres/row-cursor.js';

function submitted(): {
  readonly cursor: RowCursor;
  readonly socket: EventEmitter;
  readonly rows: (string | null)[][];
  readonly failures: readonly unknown[];
} {
  const nothing = (): void => undefined;
  const rows: (string | null)[][] = [];
  const failures: unknown[] = [];
  const cursor = new RowCursor(
    { text: 'SELECT x', values: [], limitMs: 1000 },
    {
      onSubmit: nothing,
      onRow: ({ bytes, starts, ends }) => {
        rows.push(
          Array.from(starts, (start, index) =>
            start < 0 ? null : Buffer.from(bytes.subarray(start, ends[index])).toString(),
          ),
        );
      },
      onTapFailure: (error) => failures.push(error),
    },
  );
  const socket = new EventEmitter();
  const connection = Object.assign(new EventEmitter(), {
    stream: Object.assign(socket, { pause: nothing, resume: nothing, destroy: nothing }),
    query: nothing,
    parse: nothing,
    bind: nothing,
    describe: nothing,
    execute: nothing,
    flush: nothing,
    close: nothing,
    sync: nothing,
  });
  cursor.submit(connection satisfies PgConnection);
  return { cursor, socket, rows, failures };
}

test('a row that the tap has left to pg comes as the same bytes', () => {
  const { cursor, rows, failures } = submitted();
  cursor.handleDataRow({ fields: ['a', null, '', 'é😀'] });
  cursor.handlePortalSuspended();
  assert.deepEqual(rows, [['a', null, '', 'é😀']]);
  assert.deepEqual(failures, []);
});

for (const end of ['suspended', 'complete'] as const) {
  test(`a row without fields that the tap has not read is a failure once the read is ${end}`, () => {
    const { cursor, rows, failures } = submitted();
    cursor.handleDataRow({ fields: [] });
    assert.deepEqual(failures, []);
    if (end === 'suspended') cursor.handlePortalSuspended();
    else cursor.handleCommandComplete({ text: 'SELECT 1' });
    assert.deepEqual(rows, []);
    assert.equal(failures.length, 1);
    assert.ok((failures[0] as unknown) instanceof TupleError);
  });
}

test('a tag that counts no rows ends the read and proves no number of them', () => {
  const { cursor } = submitted();
  cursor.handleCommandComplete({ text: 'SELECT' });
  assert.equal(cursor.isProven, true);
  assert.equal(cursor.provenCount, NaN);
});

test('a cursor that is dismissed lets go of the socket', () => {
  const { cursor, socket } = submitted();
  assert.equal(socket.listenerCount('data'), 1);
  cursor.dismiss();
  assert.equal(socket.listenerCount('data'), 0);
});
