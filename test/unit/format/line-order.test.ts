import assert from 'node:assert/strict';
import { test } from 'node:test';

import { comparePositions } from '../../../src/index.js';
import { LineOrder } from '../../../src/format/line-order.js';
import { LineScanner } from '../../../src/format/line-scan.js';

const TIMES = [
  '0001-01-01T00:00:00Z',
  '2026-04-14T10:00:00Z',
  '2026-04-14T10:00:00.000001Z',
  '2026-04-14T10:00:00.1Z',
  '2026-04-14T10:00:00.12Z',
  '2026-04-14T10:00:01Z',
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

test('L22 lines compare as their positions do, escaped or not', () => {
  for (const before of positions) {
    for (const after of positions) {
      for (const [escapesBefore, escapesAfter] of [
        [false, false],
        [true, false],
        [false, true],
      ] as const) {
        const order = new LineOrder();
        assert.ok(order.compare(scanned(before, escapesBefore)) > 0);
        assert.equal(
          Math.sign(order.compare(scanned(after, escapesAfter))),
          Math.sign(comparePositions(after, before)),
        );
      }
    }
  }
});
