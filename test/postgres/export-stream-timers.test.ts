// Timers: the pool's own query_timeout does not cut an export, and none of ours outlives it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { pgExportStream } from '../../src/postgres/index.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { collectText } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { actAtRow } from '../support/row-functions.js';

test('query_timeout in the pool’s config does not cut an export that lasts longer', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 50 });
    await actAtRow(db, 40, 'PERFORM pg_sleep(0.6);');
    const pool = db.pool({ query_timeout: 300 });
    const text = await collectText(pgExportStream(pool, { userId: USER }));
    assert.deepEqual(eventIdsOf(text), eventIdsUpTo(50));
    await assertReusable(pool);
  }));

test('maxDurationMs does, whatever query_timeout is', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 50 });
    await actAtRow(db, 40, 'PERFORM pg_sleep(60);');
    const pool = db.pool({ query_timeout: 60_000 });
    const stream = pgExportStream(pool, { userId: USER, maxDurationMs: 300 });
    const error = await failsWith(collectText(stream), 'BACKUP_SOURCE_STALLED');
    assert.equal(error.details.limit, 'maxDurationMs');
    await assertReusable(pool);
  }));

const source = (name: string): string =>
  JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);

/** A program that makes an export and is then through; `body` has `pool`, `pgExportStream` and `collect`. */
function programOf(body: string): string {
  return `
    import pg from 'pg';
    import { pgExportStream } from ${source('postgres/index.js')};
    const pool = new pg.Pool({ connectionString: process.env.EXPORT_URL, max: 1, query_timeout: 500_000 });
    const collect = async (stream) => { let n = 0; for await (const piece of stream) n += piece.length; return n; };
    const options = { userId: 'user-1', flushEvery: 7, flushIntervalMs: 500_000, hookTimeoutMs: 500_000 };
    ${body}
    await pool.end();
    console.log('through');
  `;
}

const programs: Readonly<Record<string, string>> = {
  'a whole export': `await collect(pgExportStream(pool, options));`,
  'an export with async hooks': `await collect(pgExportStream(pool, { ...options, onFlush: async () => {} }));`,
  'an export that is left': `for await (const piece of pgExportStream(pool, options)) break;`,
  'an export that is destroyed while it opens': `
    const stream = pgExportStream(pool, options);
    stream.ready().catch(() => {});
    stream.destroy();`,
  'an export that is destroyed before it begins, and asked for': `
    const stream = pgExportStream(pool, options);
    stream.destroy();
    await stream.ready().catch(() => {});`,
  'an export that is aborted beforehand': `
    await collect(pgExportStream(pool, { ...options, signal: AbortSignal.abort() })).catch(() => {});`,
  'an export whose hook never comes back and that is destroyed': `
    const stream = pgExportStream(pool, { ...options, onFlush: () => { setImmediate(() => stream.destroy()); return new Promise(() => {}); } });
    await collect(stream).catch(() => {});`,
  'an export after ready() whose failure nobody but a bare .pipe() could hear, which the process is told': `
    const told = new Promise((resolve) => process.once('uncaughtException', resolve));
    const { Writable } = await import('node:stream');
    const stream = pgExportStream(pool, { ...options, sinkStallTimeoutMs: 50 });
    await stream.ready();
    stream.pipe(new Writable({ highWaterMark: 1, write() {} }));
    const { code } = await told;
    if (code !== 'BACKUP_SINK_STALLED') throw new Error(code);`,
  'an export of a table that is not there': `
    await collect(pgExportStream(pool, { ...options, log: { table: 'none' } })).catch(() => {});`,
};

for (const [name, body] of Object.entries(programs)) {
  test(`a process ends by itself after ${name}`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 100 });
      const args = ['--import', 'tsx', '--input-type=module', '--eval', programOf(body)];
      const child = spawn(process.execPath, args, {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, EXPORT_URL: db.url() },
      });
      try {
        const output = collectText(child.stdout);
        // Every timer of the program would keep it for minutes.
        const [code] = (await settlesWithin(once(child, 'close'), 20_000, 'The process')) as [
          number,
        ];
        assert.equal(code, 0);
        assert.equal(await output, 'through\n');
      } finally {
        child.kill('SIGKILL');
      }
    }));
}
