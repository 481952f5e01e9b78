// What a run is held to: issues set these bars, and a run says itself whether it meets them.
import type { CandidateName } from './candidates.js';
import { type Result, type Run, findResult } from './results.js';

/** A bar, judged. */
export interface Bar {
  readonly what: string;
  readonly limit: string;
  /** What was measured; undefined where it was not. */
  readonly found: string | undefined;
  readonly isMet: boolean | undefined;
}

const FULL_ROWS = 1_000_000;
const SLACK_BYTES = 15e6;
const FAT_ROW_BYTES = 5e6;

/** Judges a run by the medians of its results. */
export function judge(run: Run): readonly Bar[] {
  const share = run.rows / FULL_ROWS;
  return [
    ...speedBars(run),
    ...memoryBars(run, share),
    ...fatBars(run),
    ...slowBars(run),
    firstByteBar(run),
  ];
}

function ordinary(run: Run, candidate: CandidateName, rows = run.rows): Result | undefined {
  return findResult(run, { candidate, size: 'ordinary', rows });
}

function speedBars(run: Run): Bar[] {
  const seconds = (name: CandidateName): number | undefined => ordinary(run, name)?.seconds.median;
  const usual = seconds('pg-query-stream');
  const faster = (title: string, name: CandidateName, factor: number): Bar =>
    bar(`${title}: times as fast as pg-query-stream + mapper + ndjson.stringify`, {
      limit: `≥ ${factor.toFixed(1)}`,
      value: quotient(usual, seconds(name)),
      show: (value) => value.toFixed(2),
      isMet: (value) => value >= factor,
    });
  return [
    bar("byte lane with SHA-256: its time over psql's COPY BINARY", {
      limit: '≤ 1.15',
      value: quotient(seconds('export-stream'), seconds('psql-copy')),
      show: (value) => value.toFixed(2),
      isMet: (value) => value <= 1.15,
    }),
    faster('byte lane', 'export-stream', 4.5),
    faster('object lane by batches', 'change-source-batches', 3.5),
    faster('object lane row by row', 'change-source-rows', 3),
  ];
}

function memoryBars(run: Run, share: number): Bar[] {
  const peak = (name: CandidateName, rows: number): number | undefined =>
    ordinary(run, name, Math.round(rows * share))?.peakBytes.median;
  const atMost = (what: string, value: number | undefined, limitBytes: number): Bar =>
    bar(what, {
      limit: `≤ ${megabytes(limitBytes)}`,
      value,
      show: megabytes,
      isMet: (found) => found <= limitBytes,
    });
  const rows = (count: number): string => `${Math.round(count * share).toLocaleString('en')} rows`;
  const growth = (name: CandidateName, from: number, to: number): number | undefined =>
    difference(peak(name, to), peak(name, from));
  const objectBars = (title: string, name: CandidateName): Bar[] => [
    atMost(`${title}: peak memory, ${rows(1e6)}`, peak(name, 1e6), 150e6),
    atMost(`${title}: peak memory, ${rows(2e6)}`, peak(name, 2e6), 150e6),
    atMost(`${title}: growth from ${rows(1e6)} to that`, growth(name, 1e6, 2e6), SLACK_BYTES),
  ];
  return [
    atMost(`byte lane: peak memory, ${rows(2e6)}`, peak('export-stream', 2e6), 130e6),
    atMost(
      `byte lane: growth from ${rows(2e5)} to that`,
      growth('export-stream', 2e5, 2e6),
      SLACK_BYTES,
    ),
    ...objectBars('object lane by batches', 'change-source-batches'),
    ...objectBars('object lane row by row', 'change-source-rows'),
  ];
}

const LANES = [
  ['byte lane', 'export-stream'],
  ['object lane by batches', 'change-source-batches'],
  ['object lane row by row', 'change-source-rows'],
] as const satisfies readonly (readonly [string, CandidateName])[];

function fatBars(run: Run): Bar[] {
  const rows = run.logs.find(({ size }) => size === 'fat')?.rows ?? 0;
  const limitBytes = 3 * FAT_ROW_BYTES + 64e6;
  return LANES.map(([title, candidate]) =>
    bar(`${title}: memory above the baseline, ${rows} rows of 5 MB`, {
      limit: `≤ 3 rows + 64 MB = ${megabytes(limitBytes)}`,
      value: findResult(run, { candidate, size: 'fat', rows })?.growthBytes.median,
      show: megabytes,
      isMet: (value) => value <= limitBytes,
    }),
  );
}

function slowBars(run: Run): Bar[] {
  const { rows } = run;
  return LANES.map(([title, candidate]) => {
    const slow = findResult(run, { candidate, size: 'ordinary', rows, reader: 'slow' });
    const fast = ordinary(run, candidate);
    return bar(`${title}: peak with a reader at 1 MB/s over the fast reader's`, {
      limit: '≤ 16 MB',
      value: difference(slow?.peakBytes.median, fast?.peakBytes.median),
      show: megabytes,
      isMet: (value) => value <= 16e6,
    });
  });
}

function firstByteBar(run: Run): Bar {
  const { rows } = run;
  const wanted = {
    candidate: 'sync-service',
    size: 'ordinary',
    rows,
    reader: 'first-byte',
  } as const;
  return bar(`first byte of a download over HTTP, ${rows.toLocaleString('en')} rows`, {
    limit: '≤ 100 ms',
    value: findResult(run, wanted)?.seconds.median,
    show: (value) => `${(value * 1_000).toFixed(0)} ms`,
    isMet: (value) => value <= 0.1,
  });
}

interface Judgement {
  readonly limit: string;
  readonly value: number | undefined;
  readonly show: (value: number) => string;
  readonly isMet: (value: number) => boolean;
}

function bar(what: string, { limit, value, show, isMet }: Judgement): Bar {
  if (value === undefined) return { what, limit, found: undefined, isMet: undefined };
  return { what, limit, found: show(value), isMet: isMet(value) };
}

function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

function difference(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a - b;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
