// The summary: what the lines of an export were.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { disorderOf, SummaryBuilder, sortByUtf8, summaryOf } from '../../../src/format/summary.js';
import { exportSummarySchema } from '../../../src/index.js';
import type { ExportLine, ExportSummary } from '../../../src/index.js';
import { exportLine } from '../../support/change-rows.js';

const sha256 = 'ab'.repeat(32);

function summaryFor(lines: readonly ExportLine[]): ExportSummary {
  const builder = new SummaryBuilder();
  for (const line of lines) builder.add(line);
  return summaryOf(builder.facts(), { byteCount: 123, sha256 }, builder.disorder);
}

describe('a summary', () => {
  test('of nothing has no range and no positions', () => {
    const summary = summaryFor([]);
    assert.deepEqual(summary, { eventCount: 0, byteCount: 123, sha256, apps: [] });
    assert.ok(exportSummarySchema.safeParse(summary).success);
  });

  test('counts lines, and takes bytes and digest as they are given', () => {
    const { eventCount, byteCount, sha256: digest } = summaryFor([exportLine(), exportLine()]);
    assert.deepEqual([eventCount, byteCount, digest], [2, 123, sha256]);
  });

  test('holds the lowest and highest version, wherever they are', () => {
    for (const versions of [
      [3, 7, 2, 5],
      [7, 2],
      [2, 7],
      [2, 3, 7],
      [7, 3, 2],
    ]) {
      const summary = summaryFor(versions.map((schemaVersion) => exportLine({ schemaVersion })));
      assert.equal(summary.schemaVersionMin, 2);
      assert.equal(summary.schemaVersionMax, 7);
    }
    const one = summaryFor([exportLine({ schemaVersion: 2147483647 })]);
    assert.deepEqual([one.schemaVersionMin, one.schemaVersionMax], [2147483647, 2147483647]);
  });

  test('holds the positions of the first and the last line', () => {
    const summary = summaryFor([
      exportLine({ eventId: 'a', createdAt: '2026-04-14T10:00:00Z' }),
      exportLine({ eventId: 'b', createdAt: '2026-04-14T11:00:00Z' }),
      exportLine({ eventId: 'c', createdAt: '2026-04-14T12:00:00.5Z' }),
    ]);
    assert.deepEqual(summary.firstPosition, { eventId: 'a', createdAt: '2026-04-14T10:00:00Z' });
    assert.deepEqual(summary.lastPosition, { eventId: 'c', createdAt: '2026-04-14T12:00:00.5Z' });
    const only = summaryFor([exportLine({ eventId: 'a' })]);
    assert.deepEqual(only.firstPosition, only.lastPosition);
  });

  test('L11: holds each app once, sorted by UTF-8 bytes', () => {
    const apps = [
      'todo',
      'notes',
      'todo',
      '',
      '__proto__',
      'todo',
      'é',
      '😀',
      '｡',
      'notes',
      'Z',
      '',
    ];
    const summary = summaryFor(apps.map((appId) => exportLine({ appId })));
    assert.deepEqual(summary.apps, ['', 'Z', '__proto__', 'notes', 'todo', 'é', '｡', '😀']);
    assert.ok(exportSummarySchema.safeParse(summary).success);
  });
});

describe('the order of the lines', () => {
  const line = (minute: number, eventId: string): ExportLine =>
    exportLine({ eventId, createdAt: `2026-04-14T10:0${minute}:00Z` });

  test('that is the log’s is not told of', () => {
    assert.equal(disorderOf(summaryFor([])), undefined);
    assert.equal(disorderOf(summaryFor([line(0, 'a'), line(0, 'b'), line(1, 'a')])), undefined);
  });

  test('is told of by the first line that breaks it', () => {
    const earlier = disorderOf(summaryFor([line(0, 'b'), line(0, 'a'), line(0, 'a')]));
    assert.equal(earlier?.lineNumber, 2);
    assert.ok(earlier.order < 0);
    const repeated = disorderOf(
      summaryFor([line(0, 'a'), line(1, 'b'), line(1, 'b'), line(0, 'a')]),
    );
    assert.deepEqual(repeated, { lineNumber: 3, order: 0 });
  });
});

describe('sortByUtf8', () => {
  test('puts characters beyond the BMP last, where sort() alone does not', () => {
    const texts = ['\u{1f600}', '\uff61', '\ufffd', '\u{10000}', '\ud7ff', '\ue000'];
    const sorted = ['\ud7ff', '\ue000', '\uff61', '\ufffd', '\u{10000}', '\u{1f600}'];
    assert.deepEqual(sortByUtf8(texts), sorted);
    assert.notDeepEqual([...texts].sort(), sorted);
  });

  test('puts a text before what it is the beginning of', () => {
    assert.deepEqual(sortByUtf8(['ab', 'a', '', 'abc', 'b']), ['', 'a', 'ab', 'abc', 'b']);
  });

  test('leaves what it is given as it was', () => {
    const texts = ['b', 'a'];
    sortByUtf8(texts);
    assert.deepEqual(texts, ['b', 'a']);
  });
});

describe('exportSummarySchema', () => {
  test('refuses what is no summary', () => {
    const summary = summaryFor([exportLine()]);
    assert.ok(exportSummarySchema.safeParse(summary).success);
    for (const change of [
      { eventCount: -1 },
      { byteCount: 1.5 },
      { sha256: sha256.toUpperCase() },
      { sha256: sha256.slice(1) },
      { apps: [1] },
      { schemaVersionMin: 0 },
      { schemaVersionMax: 2147483648 },
      { firstPosition: { eventId: '', createdAt: '2026-04-14T10:00:00Z' } },
      { more: 1 },
    ]) {
      assert.equal(exportSummarySchema.safeParse({ ...summary, ...change }).success, false);
    }
  });
});
