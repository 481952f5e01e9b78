// What the benchmark makes of its results: bars that are met, missed or not measured, and a page's tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type Bar, judge } from '../../bench/bars.js';
import type { CandidateName } from '../../bench/candidates.js';
import type { Measurement, Reader } from '../../bench/job.js';
import { benchOptions } from '../../bench/options.js';
import { insertReport, renderReport, renderRunChart } from '../../bench/report.js';
import { type Result, type Run, resultOf, userIdOf } from '../../bench/results.js';

const ROWS = 1_000_000;
const PAGE = `before\n<!-- results:begin, written by npm run bench -->\nold\n<!-- results:end -->\nafter\n`;

interface Found {
  readonly seconds: number;
  readonly peakBytes?: number;
  readonly size?: 'ordinary' | 'fat';
  readonly rows?: number;
  readonly reader?: Reader['kind'];
}

function result(candidate: CandidateName, found: Found): Result {
  const { seconds, peakBytes = 100e6, size = 'ordinary', rows = ROWS, reader = 'fast' } = found;
  const measurement: Measurement = {
    seconds,
    peakBytes,
    cpuSeconds: seconds / 2,
    bytes: 540e6,
    baselineBytes: 60e6,
  };
  return resultOf({ candidate, userId: userIdOf({ size, rows }), reader }, [measurement]);
}

function runWith(results: readonly Result[]): Run {
  return {
    finishedAt: '2026-04-14T10:00:00.000Z',
    minutes: 20,
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryGigabytes: 8,
      system: 'Linux',
      node: '20.20.0',
      postgres: '18.4',
      psql: '18.4',
      packages: { pg: '8.23.1' },
    },
    rows: ROWS,
    rounds: 1,
    logs: [
      {
        userId: userIdOf({ size: 'ordinary', rows: ROWS }),
        size: 'ordinary',
        rows: ROWS,
        jsonlBytes: 540e6,
      },
      { userId: userIdOf({ size: 'fat', rows: 200 }), size: 'fat', rows: 200, jsonlBytes: 1e9 },
    ],
    plans: [{ query: "this library's", plan: 'Index Scan' }],
    notes: [],
    results,
  };
}

function barAbout(bars: readonly Bar[], ...words: readonly string[]): Bar {
  const found = bars.filter(({ what }) => words.every((word) => what.includes(word)));
  assert.equal(found.length, 1, words.join(' '));
  return found[0]!;
}

test('bars are judged by the medians of the run itself', () => {
  const bars = judge(
    runWith([
      result('psql-copy', { seconds: 3 }),
      result('export-stream', { seconds: 3.3 }),
      result('change-source-rows', { seconds: 6 }),
      result('pg-query-stream', { seconds: 15 }),
      result('sync-service', { seconds: 0.05, reader: 'first-byte' }),
      result('export-stream', { seconds: 15, reader: 'slow', peakBytes: 117e6 }),
      result('export-stream', { seconds: 2, size: 'fat', rows: 200, peakBytes: 130e6 }),
    ]),
  );
  assert.deepEqual(barAbout(bars, 'byte lane with SHA-256'), {
    what: "byte lane with SHA-256: its time over psql's COPY BINARY",
    limit: '≤ 1.15',
    found: '1.10',
    isMet: true,
  });
  assert.equal(barAbout(bars, 'byte lane: times').isMet, true);
  assert.equal(barAbout(bars, 'row by row: times').isMet, false);
  assert.equal(barAbout(bars, 'first byte').isMet, true);
  assert.equal(barAbout(bars, 'byte lane', 'reader at 1 MB/s').isMet, false);
  assert.equal(barAbout(bars, 'byte lane', '200 rows of 5 MB').isMet, true);
});

test('what was not measured is neither met nor missed', () => {
  for (const { found, isMet } of judge(runWith([]))) {
    assert.equal(found, undefined);
    assert.equal(isMet, undefined);
  }
});

test('memory is held to its limit and to its growth with the log', () => {
  const bars = judge(
    runWith([
      result('export-stream', { seconds: 1, rows: 200_000, peakBytes: 100e6 }),
      result('export-stream', { seconds: 6, rows: 2_000_000, peakBytes: 120e6 }),
    ]),
  );
  assert.equal(barAbout(bars, 'byte lane: peak memory').isMet, true);
  assert.equal(barAbout(bars, 'byte lane: growth').isMet, false);
});

test('tables go between the marks of a page, and again over what was there', () => {
  const once = insertReport(PAGE, 'new');
  assert.match(
    once,
    /^before\n<!-- results:begin[^\n]*-->\n\nnew\n\n<!-- results:end -->\nafter\n$/,
  );
  assert.equal(insertReport(insertReport(PAGE, 'newer'), 'new'), once);
  assert.throws(() => insertReport('no marks', 'new'));
});

test('a report has whole tables for a whole run and for next to nothing', () => {
  const some = [result('psql-copy', { seconds: 3 }), result('export-stream', { seconds: 3.3 })];
  for (const results of [some, []]) {
    const report = renderReport(runWith(results));
    assert.doesNotMatch(report, /NaN|Infinity|undefined/);
    for (const table of report.split('\n\n').filter((part) => part.startsWith('|'))) {
      const widths = new Set(table.split('\n').map((line) => line.split('|').length));
      assert.equal(widths.size, 1, table);
    }
  }
  assert.match(renderRunChart(runWith(some)), /pgExportStream.*3\.3 s/s);
});

test('only a run of everything at full length is published', () => {
  assert.equal(benchOptions([])?.isFull, true);
  assert.equal(benchOptions(['--quick'])?.isFull, false);
  assert.equal(benchOptions(['--rows', '200000'])?.isFull, false);
  assert.equal(benchOptions(['--only', 'export-stream'])?.isFull, false);
});

test('lengths follow from the number of rows', () => {
  assert.deepEqual(benchOptions([])?.lengths, [10_000, 100_000, 200_000, 1_000_000, 2_000_000]);
  assert.deepEqual(benchOptions(['--quick'])?.lengths, [200, 2_000, 4_000, 20_000]);
});

test('arguments that are none are refused', () => {
  for (const args of [['--rows', 'many'], ['--rounds', '0'], ['--only', 'nobody'], ['--fast']]) {
    assert.throws(() => benchOptions(args), args.join(' '));
  }
  assert.equal(benchOptions(['--help']), undefined);
});
