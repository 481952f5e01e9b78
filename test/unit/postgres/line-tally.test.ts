// LineTally: positions out of the bytes of lines, and no hold on the memory of fat ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineTally, type TalliedLine } from '../../../src/postgres/line-tally.js';

const eventId = '00000000-0000-4000-8000-000000000001';
const createdAt = '2026-04-14T10:00:00.12Z';

/** A line of `byteCount` bytes whose id and time lie somewhere in it. */
function lineOf(byteCount: number): TalliedLine {
  const out = Buffer.alloc(byteCount, 'x');
  const idAt = 12;
  const timeAt = byteCount - createdAt.length - 3;
  out.write(eventId, idAt);
  out.write(createdAt, timeAt);
  const app = { bytes: Buffer.from('todo'), start: 0, end: 4 };
  return { version: 1, app, out, idAt, timeAt, timeEnd: timeAt + createdAt.length };
}

test('the first and the last position are those of the lines, however long these are', () => {
  for (const byteCount of [100, 1024 * 1024, 1024 * 1024 + 1, 5_000_000]) {
    const tally = new LineTally();
    tally.add(lineOf(byteCount));
    const position = { createdAt, eventId };
    const { firstPosition, lastPosition } = tally.facts();
    assert.deepEqual(
      { firstPosition, lastPosition },
      { firstPosition: position, lastPosition: position },
    );
  }
});

test('of a fat line only the position is kept, not its memory', () => {
  const tally = new LineTally();
  const fat = lineOf(5_000_000);
  tally.add(fat);
  fat.out.fill(0);
  assert.deepEqual(tally.facts().lastPosition, { createdAt, eventId });
});
