// So many exports at a time in one process: `together-child.js <database url> <work> <count>`. Tells what
// they took, and how long anything else in the process had to wait.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import { JsonlSerializer } from 'backup-streams';
import { writeArchive } from 'backup-streams/archive';
import { pgChangeSource, pgExportStream } from 'backup-streams/postgres';
import pg from 'pg';

import { CountingSink } from './sinks.js';

const userId = 'user-1';

const works: Readonly<Record<string, (pool: pg.Pool, sink: Writable) => Promise<unknown>>> = {
  pgExportStream: (pool, sink) => pipeline(pgExportStream(pool, { userId }), sink),
  pgChangeSource: (pool, sink) =>
    pipeline(pgChangeSource(pool, { userId }), new JsonlSerializer(), sink),
  writeArchive: (pool, sink) =>
    writeArchive(sink, { userId, events: pgExportStream(pool, { userId }) }),
};

const [connectionString = '', workName = '', count = ''] = process.argv.slice(2);
const work = works[workName];
if (work === undefined) throw new Error(`There is no work called ${workName}`);
const pool = new pg.Pool({ connectionString, max: Number(count) });
const delay = monitorEventLoopDelay({ resolution: 1 });
const cpuBefore = process.cpuUsage();
const startedAt = performance.now();
delay.enable();
const sinks = Array.from({ length: Number(count) }, () => new CountingSink({ kind: 'fast' }));
await Promise.all(sinks.map((sink) => work(pool, sink)));
delay.disable();
const { user, system } = process.cpuUsage(cpuBefore);
const seconds = (performance.now() - startedAt) / 1_000;
await pool.end();
const peakKibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
const measured = {
  seconds,
  cpuSeconds: (user + system) / 1_000_000,
  peakMegabytes: (Number(peakKibibytes) * 1_024) / 1e6,
  delayP99Ms: delay.percentile(99) / 1e6,
  delayMaxMs: delay.max / 1e6,
};
console.log(JSON.stringify(measured));
