// The archive's figures: `npm run bench:archive [-- --rows 1000000 --rounds 5]`. Every job runs in a
// process of its own, the jobs take turns, and what is held to a bar is a ratio of medians.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import pg from 'pg';

import { insertBulkRows } from '../dev/bulk-log.js';
import { connectOrStart } from '../dev/postgres-server.js';
import { migrateSyncChanges } from '../src/postgres/index.js';
import { QUIET_SERVER } from './database.js';
import { describeMachine } from './machine.js';
import { writeFormatted } from './write-formatted.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);

interface Figure {
  readonly seconds: number;
  readonly cpuSeconds?: number;
  readonly maxRssMb?: number;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const built = path.join(root, 'bench', '.cache', 'archive');

/** Compiles the job and the package, so that no loader is measured along with them. */
async function buildJob(): Promise<string> {
  await rm(built, { recursive: true, force: true });
  await mkdir(built, { recursive: true });
  await writeFile(path.join(built, 'package.json'), '{ "type": "module" }\n');
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const target = ['--rootDir', root, '--outDir', built, '--noEmit', 'false', '--noCheck'];
  const options = [
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--skipLibCheck',
    '--types',
    'node',
  ];
  const job = path.join(root, 'bench', 'archive-job.ts');
  const { status, stdout } = spawnSync(
    process.execPath,
    [tsc, job, '--ignoreConfig', ...target, ...options],
    { encoding: 'utf8', cwd: root },
  );
  if (status !== 0) throw new Error(stdout);
  return path.join(built, 'bench', 'archive-job.js');
}

const jobFile = await buildJob();

function runJob(job: string, url: string, file: string): Figure {
  const args = [jobFile, job, url, file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${job} failed: ${stderr}`);
  return JSON.parse(stdout) as Figure;
}

function runShell(command: string, file: string): Figure {
  const start = performance.now();
  const { status } = spawnSync('sh', ['-c', command, file]);
  if (status !== 0) throw new Error(`${command} failed`);
  return { seconds: (performance.now() - start) / 1000 };
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;

async function measure(url: string, serverVersion: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-bench-'));
  const file = path.join(folder, 'user.mana');
  const jobs: Readonly<Record<string, () => Figure>> = {
    lane: () => runJob('lane', url, file),
    yazl: () => runJob('yazl', url, path.join(folder, 'yazl.zip')),
    archive: () => runJob('archive', url, file),
    verify: () => runJob('verify', url, file),
    // One round is enough to show what it costs.
    'yazl-by-line': () => runJob('yazl-by-line', url, path.join(folder, 'yazl.zip')),
    unzip: () => runShell('unzip -p "$0" events.jsonl | sha256sum', file),
  };
  const figures: Record<string, Figure[]> = {};
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, job] of Object.entries(jobs)) {
        if (name === 'yazl-by-line' && (round > 0 || rows > 1_000_000)) continue;
        const figure = job();
        (figures[name] ??= []).push(figure);
        console.log(name.padEnd(12), JSON.stringify(figure));
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  const seconds = (name: string): number =>
    median((figures[name] ?? []).map((figure) => figure.seconds));
  const rss = (name: string): number =>
    Math.max(...(figures[name] ?? []).map(({ maxRssMb = 0 }) => maxRssMb));
  const bars: readonly (readonly [what: string, value: number, bar: string])[] = [
    ['archive / byte lane', seconds('archive') / seconds('lane'), '<= 2.0'],
    ['yazl with objects / archive', seconds('yazl') / seconds('archive'), '>= 2.8'],
    ['verify / unzip -p | sha256sum', seconds('verify') / seconds('unzip'), '<= 2.5'],
    ['memory of archive, MB', rss('archive'), '<= 160'],
    ['memory of verify, MB', rss('verify'), '<= 160'],
  ];
  console.log(`\n${rows} rows, medians of ${rounds}`);
  for (const name of Object.keys(jobs)) console.log(name.padEnd(32), seconds(name).toFixed(2), 's');
  for (const [what, value, bar] of bars) console.log(what.padEnd(32), value.toFixed(2), bar);
  if (values.json !== undefined) {
    const table = Object.fromEntries(bars.map(([what, value, bar]) => [what, { value, bar }]));
    const machine = await describeMachine(serverVersion, undefined);
    await writeFormatted(
      values.json,
      JSON.stringify({ rows, rounds, machine, bars: table, figures }),
    );
  }
}

const server = await connectOrStart({ settings: QUIET_SERVER, needsSuperuser: true });
const admin = new pg.Client({ connectionString: server.superuserUrl });
const database = `archive_bench_${String(process.pid)}`;
try {
  await admin.connect();
  await admin.query(`CREATE DATABASE ${database}`);
  const versions = await admin.query<{ server_version: string }>('SHOW server_version');
  const url = server.url({ database });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await migrateSyncChanges(client);
  await insertBulkRows(client, { userId: 'user-1', count: rows });
  await client.query('VACUUM ANALYZE sync_changes');
  await client.query('CHECKPOINT');
  await client.end();
  await measure(url, versions.rows[0]?.server_version ?? 'unknown');
} finally {
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.end();
  await server.stop();
}
