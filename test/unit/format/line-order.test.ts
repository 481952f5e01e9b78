import assert from 'node:assert/strict';
import { test } from 'node:test';

import { comparePositions } from '../../../src/index.js';
import { LineOrder } from '../../../src/format/line-order.js';
import { LineScanner } from '../../../src/format/line-scan.js';

const TIMES = [
  '0001-01-01T00:00:00Z',
  '1999-12-31T23:59:59.999999Z',
  '2026-04-14T10:00:00Z',
  '2026-04-14T10:00:00.000001Z',
  '2026-04-14T10:00:00.1Z',
  '2026-04-14T10:00:00.12Z',
  '2026-04-14T10:00:01Z',
  '2026-04-15T10:00:00Z',
  '9999-12-31T23:59:59.999999Z',
];
const IDS = [
  '00000000-0000-4000-8000-000000000001',
  'a',
  'b',
  'b1',
  'b"',
  'b\\c',
  'ä',
  '｡',
  'b｡',
  'b😀',
  '😀',
  'x'.repeat(300),
];
const positions = TIMES.flatMap((createdAt) => IDS.map((eventId) => ({ createdAt, eventId })));

function scanned(position: { createdAt: string; eventId: string }, isEscaped: boolean) {
  const text = (value: string): string => {
    const quoted = JSON.stringify(value);
    return isEscaped
      ? quoted.replace(/^"(.)/u, (_, first: string) => {
          const units = Array.from({ length: first.length }, (_, at) =>
            first.charCodeAt(at).toString(16).padStart(4, '0'),
          );
          return `"\\u${units.join('\\u')}`;
        })
      : quoted;
  };
  const bytes = Buffer.from(
    `{"eventId":${text(position.eventId)},"appId":"a","table":"t","id":"i","op":"delete",` +
      `"clientId":"c","createdAt":${text(position.createdAt)}}`,
  );
  const scan = new LineScanner();
  scan.scan(bytes, 0, bytes.length);
  return scan;
}

const lines = positions.map((position) => ({
  position,
  plain: scanned(position, false),
  escaped: scanned(position, true),
}));

test('L22 lines compare as their positions do, escaped or not', () => {
  for (const before of lines) {
    for (const after of lines) {
      for (const [first, second] of [
        [before.plain, after.plain],
        [before.escaped, after.plain],
        [before.plain, after.escaped],
      ] as const) {
        const order = new LineOrder();
        assert.ok(order.compare(first) > 0);
        assert.equal(
          Math.sign(order.compare(second)),
          Math.sign(comparePositions(after.position, before.position)),
        );
      }
    }
  }
});

test('L22 each line is held against the one before it, whatever came before that', () => {
  const order = new LineOrder();
  let previous: (typeof lines)[number] | undefined;
  for (let step = 1; step < lines.length; step += 1) {
    for (let index = 0; index < lines.length; index += 1) {
      const line = lines[(index * step) % lines.length]!;
      const expected =
        previous === undefined ? 1 : comparePositions(line.position, previous.position);
      const scan = (index + step) % 3 === 0 ? line.escaped : line.plain;
      assert.equal(Math.sign(order.compare(scan)), Math.sign(expected));
      previous = line;
    }
  }
});

test('L22 lines of every length compare, also where more room has to be made for them', () => {
  for (let length = 1; length < 300; length += 1) {
    const order = new LineOrder();
    const compared = ['a', 'b', 'b', 'a'].map((last) => {
      const eventId = 'x'.repeat(length - 1) + last;
      return Math.sign(order.compare(scanned({ createdAt: TIMES[0]!, eventId }, false)));
    });
    assert.deepEqual(compared, [1, 1, 0, -1], `${length}`);
  }
});
