// Positions: the order of the log.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { comparePositions, positionSchema } from '../../../src/index.js';
import type { Position } from '../../../src/index.js';

// In the order of the log; no two are the same place.
const inOrder: readonly Position[] = [
  { createdAt: '0001-01-01T00:00:00Z', eventId: 'z' },
  { createdAt: '1969-07-20T20:17:40.000001Z', eventId: 'z' },
  { createdAt: '1999-12-31T23:59:59.999999Z', eventId: 'z' },
  { createdAt: '2026-04-14T10:00:00Z', eventId: '00000000-0000-4000-8000-000000000001' },
  { createdAt: '2026-04-14T10:00:00Z', eventId: '00000000-0000-4000-8000-000000000002' },
  { createdAt: '2026-04-14T10:00:00Z', eventId: '00000000-0000-4000-8000-00000000000a' },
  { createdAt: '2026-04-14T10:00:00Z', eventId: 'ffffffff-0000-4000-8000-000000000000' },
  { createdAt: '2026-04-14T10:00:00.000001Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:00.000001Z', eventId: 'a\u0000' },
  { createdAt: '2026-04-14T10:00:00.000001Z', eventId: 'a\u0001' },
  { createdAt: '2026-04-14T10:00:00.00001Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:00.1Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:00.100001Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:00.12Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:00.9Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:01Z', eventId: 'a' },
  { createdAt: '2026-04-14T10:00:01Z', eventId: 'b' },
  { createdAt: '9999-12-31T23:59:59.999999Z', eventId: 'a' },
];

describe('comparePositions', () => {
  test('orders by time, then by event id', () => {
    for (const [i, a] of inOrder.entries()) {
      for (const [j, b] of inOrder.entries()) {
        assert.equal(Math.sign(comparePositions(a, b)), Math.sign(i - j), `${i} and ${j}`);
      }
    }
  });

  test('is what Array.prototype.sort takes', () => {
    assert.deepEqual([...inOrder].reverse().sort(comparePositions), inOrder);
  });
});

describe('positionSchema', () => {
  test('takes positions', () => {
    for (const position of inOrder) assert.deepEqual(positionSchema.parse(position), position);
  });

  test('refuses what is none', () => {
    const eventId = 'a';
    const createdAt = '2026-04-14T10:00:00Z';
    const others = [
      { createdAt },
      { eventId },
      { createdAt, eventId: '' },
      { createdAt, eventId, more: 1 },
      { createdAt: '2026-04-14T10:00:00+00:00', eventId },
      { createdAt: 'infinity', eventId },
      { createdAt: new Date(0), eventId },
      null,
    ];
    for (const other of others) assert.equal(positionSchema.safeParse(other).success, false);
    const { error } = positionSchema.safeParse({ createdAt, eventId, more: 1 });
    assert.deepEqual(
      error?.issues.map(({ code }) => code),
      ['unrecognized_keys'],
    );
  });

  test('says nothing of what is in what it refuses', () => {
    const canary = { createdAt: 'canary', eventId: 'a', canary: 'canary' };
    const messages = positionSchema.safeParse(canary).error?.issues.map(({ message }) => message);
    assert.equal(messages?.length, 2);
    assert.doesNotMatch(messages.join(), /canary/);
  });
});
