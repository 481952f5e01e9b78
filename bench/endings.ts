// How fast an abort is over, at any moment of an export, an archive or a restore: until its promise has been rejected,
// and until the server is done with it. `npm run bench:endings [-- --rows 200000 --rounds 100]` writes
// endings-results.json.
import { setTimeout as delay } from 'node:timers/promises';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import pg from 'pg';

import { insertBulkRows } from '../dev/bulk-log.js';
import { SeededRandom } from '../dev/random.js';
import { openArchive, writeArchive } from '../src/archive/index.js';
import { JsonlSerializer } from '../src/index.js';
import { pgChangeSource, pgExportStream, restoreToPostgres } from '../src/postgres/index.js';
import { openEmptyDatabase } from './database.js';
import { describeMachine } from './machine.js';
import { spreadOf } from './statistics.js';
import { writeFormatted } from './write-formatted.js';

const RESULTS = fileURLToPath(new URL('endings-results.json', import.meta.url));
const USER = 'user-1';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '100' },
    json: { type: 'string', default: RESULTS },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);

/** Something to abort. */
type Work = (pool: pg.Pool, signal: AbortSignal) => Promise<unknown>;

interface Aborted {
  readonly settledMs: number;
  readonly goneMs: number;
}

function nowhere(): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
}

const random = new SeededRandom(1);
const database = await openEmptyDatabase();
try {
  const { admin, appUser, appUrl } = database;
  await admin.query(`GRANT SELECT, INSERT ON sync_changes TO ${appUser}`);
  await insertBulkRows(admin, { userId: USER, count: rows });
  await admin.query('VACUUM (ANALYZE) sync_changes');

  const chunks: Buffer[] = [];
  const kept = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const source = new pg.Pool({ connectionString: appUrl });
  await writeArchive(kept, { userId: USER, events: pgExportStream(source, { userId: USER }) });
  await source.end();
  await using archive = await openArchive(Buffer.concat(chunks));

  const works: Readonly<Record<string, Work>> = {
    pgExportStream: (pool, signal) =>
      pipeline(pgExportStream(pool, { userId: USER, signal }), nowhere()),
    pgChangeSource: (pool, signal) =>
      pipeline(
        pgChangeSource(pool, { userId: USER, signal }).batches(),
        new JsonlSerializer(),
        nowhere(),
      ),
    writeArchive: (pool, signal) =>
      writeArchive(nowhere(), {
        userId: USER,
        events: pgExportStream(pool, { userId: USER }),
        signal,
      }),
    restoreToPostgres: (pool, signal) =>
      restoreToPostgres(pool, archive, { userId: 'user-2', remapUser: true, signal }),
  };

  const figures = [];
  for (const [name, work] of Object.entries(works)) {
    const wholeMs = await wholeOf(work);
    await admin.query("DELETE FROM sync_changes WHERE user_id = 'user-2'");
    const aborted: Aborted[] = [];
    while (aborted.length < rounds) {
      const one = await abortAfter(work, random.fraction() * wholeMs);
      if (one !== undefined) aborted.push(one);
    }
    const figure = {
      work: name,
      wholeMs: Math.round(wholeMs),
      ...summary('settled', aborted, ({ settledMs }) => settledMs),
      ...summary('gone', aborted, ({ goneMs }) => goneMs),
    };
    console.log(figure);
    figures.push(figure);
  }
  const machine = await describeMachine(database.serverVersion, undefined);
  await writeFormatted(values.json, JSON.stringify({ machine, rows, rounds, figures }));
  console.table(figures);

  async function wholeOf(work: Work): Promise<number> {
    const pool = new pg.Pool({ connectionString: appUrl, max: 1 });
    const startedAt = performance.now();
    await work(pool, new AbortController().signal);
    const ms = performance.now() - startedAt;
    await pool.end();
    return ms;
  }

  /** @returns undefined when it was over before */
  async function abortAfter(work: Work, ms: number): Promise<Aborted | undefined> {
    const pool = new pg.Pool({ connectionString: appUrl, max: 1 });
    const controller = new AbortController();
    const ending = work(pool, controller.signal).then(
      () => true,
      () => false,
    );
    await delay(ms);
    const abortedAt = performance.now();
    controller.abort();
    const isWhole = await ending;
    const settledMs = performance.now() - abortedAt;
    while (await isBusy()) await delay(1);
    const goneMs = performance.now() - abortedAt;
    await pool.end();
    if (isWhole) await admin.query("DELETE FROM sync_changes WHERE user_id = 'user-2'");
    return isWhole ? undefined : { settledMs, goneMs };
  }

  async function isBusy(): Promise<boolean> {
    const { rowCount } = await admin.query(
      "SELECT FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle'",
      [appUser],
    );
    return rowCount !== 0;
  }
} finally {
  await database.close();
}

/** In milliseconds: the median, what 99 of 100 do not exceed, and the most. */
function summary(
  name: string,
  aborted: readonly Aborted[],
  of: (one: Aborted) => number,
): Readonly<Record<string, number>> {
  const all = aborted.map(of);
  const { median, max } = spreadOf(all);
  const p99 = all.toSorted((a, b) => a - b)[Math.ceil(all.length * 0.99) - 1] ?? max;
  const rounded = (ms: number): number => Number(ms.toPrecision(3));
  return {
    [`${name}MedianMs`]: rounded(median),
    [`${name}P99Ms`]: rounded(p99),
    [`${name}MaxMs`]: rounded(max),
  };
}
