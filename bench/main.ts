// npm run bench: this library and its peers on the same rows in one run, each measurement in a process of its
// own, the candidates taking turns. See README.md for how to read the results.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { judge } from './bars.js';
import { buildChild, CACHE_DIR } from './build.js';
import { type CandidateName, candidates } from './candidates.js';
import { type BenchDatabase, type Log, type StoredLog, openBenchDatabase } from './database.js';
import type { Measurement, Reader } from './job.js';
import { describeMachine, psqlVersion } from './machine.js';
import { measure } from './measure.js';
import { type BenchOptions, benchOptions, USAGE } from './options.js';
import { insertReport, LENGTH_CANDIDATES, renderReport, renderRunChart } from './report.js';
import { type Result, type Run, resultOf, userIdOf } from './results.js';
import { rotated } from './statistics.js';
import { writeFormatted } from './write-formatted.js';

const BENCH_DIR = fileURLToPath(new URL('.', import.meta.url));
const FAST = { kind: 'fast' } as const;

/** Exports that are measured in turns. */
interface Section {
  readonly title: string;
  readonly rounds: number;
  readonly exports: readonly Export[];
}

interface Export {
  readonly candidate: CandidateName;
  readonly log: Log;
  readonly reader: Reader;
}

const WHOLE: readonly CandidateName[] = [
  'psql-copy',
  'psql-copy-defaults',
  'export-stream',
  'change-source-batches',
  'change-source-rows',
  'pg-copy-streams',
  'postgres-js',
  'pg-query-stream',
];
const LANES: readonly CandidateName[] = [
  'export-stream',
  'change-source-batches',
  'change-source-rows',
];

function logOf(size: Log['size'], rows: number): Log {
  return { userId: userIdOf({ size, rows }), size, rows };
}

function planSections(options: BenchOptions, hasPsql: boolean): readonly Section[] {
  const { rows, rounds, lengths, fatRows } = options;
  const main = logOf('ordinary', rows);
  const isWanted = ({ candidate }: Export): boolean =>
    options.only.includes(candidate) && (hasPsql || candidates[candidate].kind !== 'floor');
  const cross = (
    names: readonly CandidateName[],
    logs: readonly Log[],
    reader: Reader = FAST,
  ): readonly Export[] =>
    logs.flatMap((log) => names.map((candidate) => ({ candidate, log, reader }))).filter(isWanted);
  const others = lengths
    .filter((length) => length !== rows)
    .map((length) => logOf('ordinary', length));
  const sizes = [logOf('small', rows), logOf('fat', fatRows)];
  const firstByte: readonly CandidateName[] = [
    'sync-service',
    ...WHOLE.filter((name) => candidates[name].kind !== 'floor'),
  ];
  const slow = { kind: 'slow', bytesPerSecond: 1e6, seconds: options.slowSeconds } as const;
  const fewRounds = Math.min(rounds, 3);
  return [
    { title: 'whole log', rounds, exports: cross(WHOLE, [main]) },
    {
      title: 'row sizes',
      rounds: fewRounds,
      exports: cross(['psql-copy', ...LANES, 'pg-query-stream'], sizes),
    },
    { title: 'log lengths', rounds: fewRounds, exports: cross(LENGTH_CANDIDATES, others) },
    {
      title: 'first byte',
      rounds: options.firstByteRounds,
      exports: cross(firstByte, [main], { kind: 'first-byte' }),
    },
    { title: 'slow reader', rounds: Math.min(rounds, 2), exports: cross(LANES, [main], slow) },
  ];
}

interface Bench {
  readonly db: BenchDatabase;
  readonly script: string;
}

async function storeLogs(
  db: BenchDatabase,
  sections: readonly Section[],
): Promise<ReadonlyMap<string, StoredLog>> {
  const logs = new Map<string, Log>();
  for (const { exports } of sections) for (const { log } of exports) logs.set(log.userId, log);
  const stored = new Map<string, StoredLog>();
  for (const log of logs.values()) {
    stored.set(log.userId, await db.store(log));
    say(`stored ${log.rows.toLocaleString('en')} ${log.size} rows`);
  }
  await db.settle();
  return stored;
}

async function runSection(
  bench: Bench,
  section: Section,
  logs: ReadonlyMap<string, StoredLog>,
): Promise<readonly Result[]> {
  const found = new Map<Export, Measurement[]>(section.exports.map((export_) => [export_, []]));
  for (let round = 0; round < section.rounds; round += 1) {
    for (const export_ of rotated(section.exports, round)) {
      const log = logs.get(export_.log.userId);
      if (log === undefined) throw new Error(`The log ${export_.log.userId} was not stored`);
      const measurement = await measureExport(bench, export_, log);
      found.get(export_)?.push(measurement);
      const shown = `${measurement.seconds.toFixed(3)} s, ${(measurement.peakBytes / 1e6).toFixed(0)} MB`;
      say(
        `${section.title} ${round + 1}/${section.rounds}: ${export_.candidate}, ${log.userId}: ${shown}`,
      );
    }
  }
  return [...found].map(([{ candidate, log, reader }, measurements]) =>
    resultOf({ candidate, userId: log.userId, reader: reader.kind }, measurements),
  );
}

async function measureExport(
  { db, script }: Bench,
  export_: Export,
  log: StoredLog,
): Promise<Measurement> {
  const { candidate, reader } = export_;
  const { userId, copySql, rows, jsonlBytes } = log;
  const job = { candidate, databaseUrl: db.appUrl, userId, copySql, reader };
  const measurement = await measure(script, job);
  // What is fast and wrong must not win.
  const { rows: exported, bytes, sha256Hex } = measurement;
  if (exported !== undefined && exported !== rows) {
    throw new Error(`${candidate} gave ${exported} rows of ${rows}`);
  }
  if (sha256Hex !== undefined && bytes !== jsonlBytes) {
    throw new Error(`${candidate} gave ${bytes} bytes of ${jsonlBytes}`);
  }
  return measurement;
}

async function runBench(options: BenchOptions): Promise<Run> {
  const startedAt = performance.now();
  const script = await buildChild();
  const psql = await psqlVersion();
  const sections = planSections(options, psql !== undefined);
  const db = await openBenchDatabase();
  try {
    const logs = await storeLogs(db, sections);
    const results: Result[] = [];
    for (const section of sections)
      results.push(...(await runSection({ db, script }, section, logs)));
    const main = logs.get(userIdOf({ size: 'ordinary', rows: options.rows }));
    return {
      finishedAt: new Date().toISOString(),
      minutes: (performance.now() - startedAt) / 60_000,
      machine: await describeMachine(db.serverVersion, psql),
      rows: options.rows,
      rounds: options.rounds,
      logs: [...logs.values()].map(({ userId, size, rows, jsonlBytes }) => ({
        userId,
        size,
        rows,
        jsonlBytes,
      })),
      plans: main === undefined ? [] : await db.explain(main),
      notes: psql === undefined ? ['No psql on this machine: the floor is left out.'] : [],
      results,
    };
  } finally {
    await db.close();
  }
}

async function publish(run: Run, isFull: boolean): Promise<void> {
  const folder = isFull ? BENCH_DIR : path.join(CACHE_DIR, 'results');
  await mkdir(folder, { recursive: true });
  const page = await readFile(path.join(BENCH_DIR, 'README.md'), 'utf8');
  await writeFormatted(path.join(folder, 'README.md'), insertReport(page, renderReport(run)));
  const results = JSON.stringify({ ...run, bars: judge(run) });
  await writeFormatted(path.join(folder, 'results.json'), results);
  await writeFile(path.join(folder, 'chart.svg'), renderRunChart(run));
  say(`results in ${path.relative(process.cwd(), folder)}/: README.md, results.json, chart.svg`);
}

function say(text: string): void {
  console.log(text);
}

try {
  const options = benchOptions(process.argv.slice(2));
  if (options === undefined) say(USAGE);
  else {
    const run = await runBench(options);
    say(`\n${renderReport(run)}\n`);
    await publish(run, options.isFull);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
