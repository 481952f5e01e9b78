// npm run bench:restore [-- rows rounds file contenders]: a restore against what the same server takes for the same
// rows without leaving it, and against batches of lines through a parameter: out of the same archive, as a host
// would read it (yauzl, ndjson), and bare, already unpacked and cut into lines. Each measurement is a process of
// its own; the contenders take turns. Prints the figures and writes them, to bench/restore-results.json or `file`.
import { type ChildProcess, fork } from 'node:child_process';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import ndjson from 'ndjson';
import pg from 'pg';
import yauzl from 'yauzl';

import { insertBulkRows } from '../dev/bulk-log.js';
import { openArchive, writeArchive } from '../src/archive/index.js';
import { pgExportStream, restoreToPostgres } from '../src/postgres/index.js';
import { LineSplitter } from '../src/stream/line-splitter.js';
import { buildChild } from './build.js';
import { openEmptyDatabase } from './database.js';
import { describeMachine } from './machine.js';
import { type Spread, rotated, spreadOf } from './statistics.js';
import { writeFormatted } from './write-formatted.js';

const USER = 'user-1';
const CACHE_DIR = fileURLToPath(new URL('.cache', import.meta.url));
const RESULTS = fileURLToPath(new URL('restore-results.json', import.meta.url));
const ROWS_PER_INSERT = 100_000;

const CONTENDERS = ['floor', 'restore', 'restore-again', 'unnest', 'unnest-objects'] as const;
type Contender = (typeof CONTENDERS)[number];

interface Job {
  readonly contender: 'restore' | 'unnest' | 'unnest-objects';
  readonly url: string;
  readonly file: string;
}

interface Measurement {
  readonly seconds: number;
  readonly lineCount: number;
  readonly peakBytes: number;
}

async function measure({ contender, url, file }: Job): Promise<Measurement> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const startedAt = performance.now();
  let lineCount: number;
  if (contender === 'restore') {
    const archive = await openArchive(file);
    ({ lineCount } = await restoreToPostgres(pool, archive, { userId: USER }));
    await archive[Symbol.asyncDispose]();
  } else {
    const lines = contender === 'unnest' ? bareLines(file) : parsedLines(file);
    lineCount = await insertByUnnest(pool, lines);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await pool.end();
  return { seconds, lineCount, peakBytes: peakBytes() };
}

function peakBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1_024;
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

/** Lines as texts, which only this library's own splitter gives. */
async function* bareLines(file: string): AsyncGenerator<string> {
  const splitter = new LineSplitter();
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    splitter.feed(chunk as Buffer);
    while (splitter.next()) {
      yield splitter.bytes.toString('utf8', splitter.start, splitter.end);
    }
  }
}

/** Lines as hosts read them out of an archive: as objects, which pg writes as JSON again. */
async function* parsedLines(file: string): AsyncGenerator<object> {
  const zip = await yauzl.openPromise(file);
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName !== 'events.jsonl') continue;
    const events = await zip.openReadStreamPromise(entry);
    const lines = ndjson.parse();
    events.on('error', (error: Error) => lines.destroy(error));
    yield* events.pipe(lines) as AsyncIterable<object>;
  }
}

/** What a host would write first: 500 lines as one array of jsonb, taken apart in SQL. One transaction. */
async function insertByUnnest(pool: pg.Pool, lines: AsyncIterable<unknown>): Promise<number> {
  const text = `
    INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_timestamps, client_id,
                              created_at, schema_version)
    SELECT (l->>'eventId')::uuid, l->>'appId', l->>'table', l->>'id', '${USER}', l->>'op', l->'data',
           coalesce(l->'fieldTimestamps', '{}'), l->>'clientId', (l->>'createdAt')::timestamptz,
           (l->>'schemaVersion')::int4
      FROM unnest($1::jsonb[]) AS l ON CONFLICT DO NOTHING`;
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT set_config('app.current_user_id', $1, true)`, [USER]);
  let batch: unknown[] = [];
  let lineCount = 0;
  for await (const line of lines) {
    batch.push(line);
    lineCount += 1;
    if (batch.length < 500) continue;
    await client.query(text, [batch]);
    batch = [];
  }
  if (batch.length > 0) await client.query(text, [batch]);
  await client.query('COMMIT');
  client.release();
  return lineCount;
}

async function inChild(script: string, job: Job): Promise<Measurement> {
  // Compiled, and without flags of this process's own: its loader would be measured along.
  const child: ChildProcess = fork(script, ['--child'], { execArgv: [] });
  return new Promise((resolve, reject) => {
    child.once('message', (message: Measurement | { readonly error: string }) => {
      if ('error' in message) reject(new Error(message.error));
      else resolve(message);
    });
    child.once('close', () => {
      reject(new Error('the measuring process ended silently'));
    });
    child.send(job);
  });
}

interface Bench {
  /** The compiled measuring process. */
  readonly script: string;
  /** SHA-256 of the events, which a restored log must export again. */
  readonly sha256: string;
  readonly admin: pg.Client;
  readonly appUrl: string;
  readonly serverVersion: string;
  readonly archiveFile: string;
  readonly jsonlFile: string;
  close(): Promise<void>;
}

async function prepare(rows: number): Promise<Bench> {
  const { admin, appUser, appUrl, serverVersion, close } = await openEmptyDatabase();
  for (let firstNumber = 1; firstNumber <= rows; firstNumber += ROWS_PER_INSERT) {
    const count = Math.min(ROWS_PER_INSERT, rows - firstNumber + 1);
    await insertBulkRows(admin, { userId: USER, count, firstNumber });
  }
  await mkdir(CACHE_DIR, { recursive: true });
  const archiveFile = path.join(CACHE_DIR, `${appUser}.zip`);
  const jsonlFile = path.join(CACHE_DIR, `${appUser}.jsonl`);
  await admin.query(`GRANT SELECT, INSERT ON sync_changes TO ${appUser}`);
  const pool = new pg.Pool({ connectionString: appUrl, max: 1 });
  const { eventsSha256 } = await writeArchive(createWriteStream(archiveFile), {
    userId: USER,
    events: pgExportStream(pool, { userId: USER }),
  });
  await pipeline(pgExportStream(pool, { userId: USER }), createWriteStream(jsonlFile));
  await pool.end();
  // From here on the source is beside the log, which starts empty, with the same indexes and policies.
  await admin.query(`
    ALTER TABLE sync_changes RENAME TO source;
    CREATE TABLE sync_changes (LIKE source INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE sync_changes ADD PRIMARY KEY (id);
    CREATE INDEX ON sync_changes (user_id, created_at, id);
    ALTER TABLE sync_changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY u ON sync_changes USING (user_id = current_setting('app.current_user_id', true));
    GRANT SELECT, INSERT ON sync_changes TO ${appUser};
    CREATE TABLE copy (LIKE source INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE copy ADD PRIMARY KEY (id);
    CREATE INDEX ON copy (user_id, created_at, id)`);
  return {
    script: await buildChild('restore.ts'),
    sha256: eventsSha256,
    admin,
    appUrl,
    serverVersion,
    archiveFile,
    jsonlFile,
    close: async () => {
      await close();
      await rm(archiveFile);
      await rm(jsonlFile);
    },
  };
}

async function runContender(bench: Bench, contender: Contender): Promise<Measurement> {
  const { admin, appUrl, archiveFile, jsonlFile } = bench;
  if (contender === 'floor') {
    await admin.query('TRUNCATE copy');
    await admin.query('CHECKPOINT');
    const startedAt = performance.now();
    const { rowCount } = await admin.query('INSERT INTO copy SELECT * FROM source');
    return {
      seconds: (performance.now() - startedAt) / 1_000,
      lineCount: rowCount ?? 0,
      peakBytes: 0,
    };
  }
  // The second restore finds what the first has left.
  if (contender !== 'restore-again') await admin.query('TRUNCATE sync_changes');
  await admin.query('CHECKPOINT');
  // Bare lines are what a host would have at best: somebody else has unpacked and cut them.
  return contender === 'unnest'
    ? inChild(bench.script, { contender, url: appUrl, file: jsonlFile })
    : inChild(bench.script, {
        contender: contender === 'restore-again' ? 'restore' : contender,
        url: appUrl,
        file: archiveFile,
      });
}

/** Whether the log that was restored exports the very bytes that it was restored from. */
async function isLawKept({ admin, appUrl, archiveFile, script, sha256 }: Bench): Promise<boolean> {
  await admin.query('TRUNCATE sync_changes');
  for (let time = 1; time <= 2; time += 1) {
    await inChild(script, { contender: 'restore', url: appUrl, file: archiveFile });
  }
  const pool = new pg.Pool({ connectionString: appUrl, max: 1 });
  const exported = pgExportStream(pool, { userId: USER }).resume();
  await finished(exported, { cleanup: true });
  await pool.end();
  return exported.summary().sha256 === sha256;
}

interface Plan {
  readonly rows: number;
  readonly rounds: number;
  readonly file: string;
  readonly wanted: readonly Contender[];
}

async function main({ rows, rounds, file, wanted }: Plan): Promise<void> {
  const bench = await prepare(rows);
  const found = new Map<Contender, Measurement[]>(CONTENDERS.map((name) => [name, []]));
  const groups: readonly (readonly Contender[])[] = [
    ['floor'],
    ['restore', 'restore-again'],
    ['unnest'],
    ['unnest-objects'],
  ];
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const contender of rotated(groups, round).flat()) {
        if (!wanted.includes(contender)) continue;
        const measurement = await runContender(bench, contender);
        found.get(contender)?.push(measurement);
        const shown = `${measurement.seconds.toFixed(2)} s, ${(measurement.peakBytes / 1e6).toFixed(0)} MB`;
        console.log(`round ${String(round + 1)} ${contender}: ${shown}`);
      }
    }
    const secondsPerMillion = (contender: Contender): number[] =>
      (found.get(contender) ?? []).map(({ seconds, lineCount }) => (seconds / lineCount) * 1e6);
    // A ratio within each round: what else runs on the machine slows both.
    const ratio = (a: Contender, b: Contender): number[] =>
      wanted.includes(a) && wanted.includes(b)
        ? secondsPerMillion(a).map(
            (seconds, round) => seconds / (secondsPerMillion(b)[round] ?? NaN),
          )
        : [];
    const spread = (values: readonly number[]): Spread | undefined =>
      values.length === 0 ? undefined : spreadOf(values);
    const peaks = [...(found.get('restore') ?? []), ...(found.get('restore-again') ?? [])];
    const result = {
      rows,
      rounds,
      // Much above the number of cores, what needs two of them is measured too slow.
      loadAverage: os.loadavg().map((load) => Math.round(load)),
      'restored twice and exported, identical bytes': await isLawKept(bench),
      machine: await describeMachine(bench.serverVersion, undefined),
      secondsPerMillion: Object.fromEntries(
        CONTENDERS.map((name) => [name, spread(secondsPerMillion(name))]),
      ),
      'restore to floor, at most 2.6': spread(ratio('restore', 'floor')),
      'unnest of an archive, its lines parsed, to restore, at least 2.5': spread(
        ratio('unnest-objects', 'restore'),
      ),
      'unnest of bare lines to restore': spread(ratio('unnest', 'restore')),
      'restore again to restore, at most 1': spread(ratio('restore-again', 'restore')),
      'peak memory in MB, at most 160': Math.max(...peaks.map(({ peakBytes: peak }) => peak)) / 1e6,
    };
    await writeFormatted(file, JSON.stringify(result));
    console.log(JSON.stringify(result, undefined, 2));
  } finally {
    await bench.close();
  }
}

if (process.argv[2] === '--child') {
  process.once('message', (job: Job) => {
    measure(job).then(
      (measurement) => process.send?.(measurement, () => process.exit()),
      (error: unknown) => process.send?.({ error: String(error) }, () => process.exit()),
    );
  });
} else {
  const [rows = '1000000', rounds = '3', file = RESULTS, only = CONTENDERS.join()] =
    process.argv.slice(2);
  const wanted = CONTENDERS.filter((name) => only.split(',').includes(name));
  await main({ rows: Number(rows), rounds: Number(rounds), file, wanted });
}
