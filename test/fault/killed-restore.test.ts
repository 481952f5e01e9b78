// F39: a restore is killed, its process or its session, between batches and inside of one. What is in the log
// then is whole batches, or nothing of the one transaction; running it again gives all of it once.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

import {
  isAsleep,
  listBackends,
  terminateBackend,
  waitForBackend,
  waitForBackendsGone,
} from '../support/backends.js';
import { USER } from '../support/change-log.js';
import type { TestDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import type { RestoreTask } from '../support/restore-child.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const COUNT = 400;
const LINES = Array.from({ length: COUNT }, (_, index) => lineText(index + 1));
const TEXT = LINES.join('');
const BATCH = 100;
const SCRIPT = fileURLToPath(new URL('../support/restore-child.ts', import.meta.url));

/** Restores once more, and everything is there once; and again, which changes nothing. */
async function assertRerunCompletes(
  db: TestDatabase,
  pool: pg.Pool,
  before: number,
): Promise<void> {
  assert.equal(await countRows(db), before);
  const report = await restore(pool, TEXT, { batchSize: BATCH });
  assert.deepEqual([report.presentCount, report.newCount], [before, COUNT - before]);
  assert.equal((await restore(pool, TEXT)).presentCount, COUNT);
  assert.equal(await exportOf(pool), TEXT);
  assert.equal(await countRows(db), COUNT);
}

/** Writing the row that ends line `lineNumber` takes so long that something can happen meanwhile. */
async function slowDown(db: TestDatabase, lineNumber: number): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.record_id = 'row-${String(lineNumber)}' THEN PERFORM pg_sleep(1); END IF;
        RETURN NEW;
      END $$;
    CREATE TRIGGER slow BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION slow()`);
}

describe('F39 the process of a restore killed by SIGKILL', () => {
  const start = (task: Omit<RestoreTask, 'userId'>): ChildProcess =>
    spawn(
      process.execPath,
      ['--import=tsx', SCRIPT, JSON.stringify({ ...task, userId: USER } satisfies RestoreTask)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );

  async function kill(db: TestDatabase, child: ChildProcess): Promise<void> {
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    child.kill('SIGKILL');
    const [, killedBy] = await closed;
    assert.equal(killedBy, 'SIGKILL');
    await waitForBackendsGone(db, 5_000);
  }

  async function killWhereItStops(
    db: TestDatabase,
    task: Omit<RestoreTask, 'userId' | 'url'>,
  ): Promise<void> {
    const child = start({ ...task, url: db.url() });
    const [told] = (await once(child.stdout ?? child, 'data')) as [Buffer];
    assert.equal(told.toString(), 'there\n');
    await kill(db, child);
  }

  async function withFile(use: (file: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-killed-'));
    try {
      const file = path.join(folder, 'log.jsonl');
      await writeFile(file, TEXT);
      await use(file);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  test('at every boundary of batches, and inside of the last: whole batches, once each', () =>
    withFile((file) =>
      withEmptyLog(async (db, pool) => {
        for (const lineCount of [BATCH, 2 * BATCH, 3 * BATCH]) {
          const stopAt = { phase: 'write', lineCount } as const;
          await killWhereItStops(db, { file, batchSize: BATCH, stopAt });
          assert.equal(await countRows(db), lineCount);
        }
        await slowDown(db, COUNT - 1);
        const child = start({ url: db.url(), file, batchSize: BATCH });
        await waitForBackend(db, isAsleep, 20_000);
        await kill(db, child);
        await assertRerunCompletes(db, pool, 3 * BATCH);
      }),
    ));

  test('before anything is written, and inside of the one transaction: nothing', () =>
    withFile((file) =>
      withEmptyLog(async (db, pool) => {
        for (const stopAt of ['half', { phase: 'plan', lineCount: COUNT }] as const) {
          await killWhereItStops(db, { file, stopAt });
          assert.equal(await countRows(db), 0);
        }
        await slowDown(db, COUNT - 1);
        const child = start({ url: db.url(), file });
        await waitForBackend(db, isAsleep, 20_000);
        await kill(db, child);
        await assertRerunCompletes(db, pool, 0);
      }),
    ));
});

describe('F39 the session of a restore ended', () => {
  async function endSession(db: TestDatabase): Promise<void> {
    const [backend] = await listBackends(db);
    assert.ok(backend);
    await terminateBackend(db, backend.pid);
  }

  for (const batchSize of [undefined, BATCH]) {
    const how = batchSize === undefined ? 'in one transaction' : 'in batches';

    test(`while lines are staged, ${how}`, () =>
      withEmptyLog(async (db, pool) => {
        async function* lines(): AsyncGenerator<Uint8Array> {
          yield Buffer.from(LINES.slice(0, COUNT / 2).join(''));
          await endSession(db);
          yield Buffer.from(LINES.slice(COUNT / 2).join(''));
        }
        const { details } = await failsWith(
          restore(pool, lines(), { batchSize }),
          'BACKUP_SINK_FAILED',
        );
        assert.equal(details.stage, 'stage');
        await assertReusable(pool);
        await assertRerunCompletes(db, pool, 0);
      }));

    test(`when all is planned, ${how}`, () =>
      withEmptyLog(async (db, pool) => {
        const restoring = restore(pool, TEXT, {
          batchSize,
          onProgress: ({ phase }) => (phase === 'plan' ? endSession(db) : undefined),
        });
        await failsWith(restoring, 'BACKUP_SINK_FAILED');
        await assertReusable(pool);
        await assertRerunCompletes(db, pool, 0);
      }));

    test(`while rows are written, ${how}`, () =>
      withEmptyLog(async (db, pool) => {
        await slowDown(db, COUNT - 1);
        const failing = failsWith(restore(pool, TEXT, { batchSize }), 'BACKUP_SINK_FAILED');
        await terminateBackend(db, (await waitForBackend(db, isAsleep)).pid);
        const { details } = await failing;
        assert.equal(details.stage, 'write');
        await assertReusable(pool);
        await assertRerunCompletes(db, pool, batchSize === undefined ? 0 : 3 * BATCH);
      }));
  }
});
