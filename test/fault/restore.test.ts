// F39 to F41 and F32: a restore that is cut off, aborted, or not alone. What is in the log
// afterwards is all or nothing of each transaction, and running it again gives all of it once.
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setImmediate as turn, setTimeout as pass } from 'node:timers/promises';
import type pg from 'pg';

import { openArchive } from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { archiveBytes } from '../support/archives.js';
import { listBackends } from '../support/backends.js';
import { USER } from '../support/change-log.js';
import { changeRows } from '../support/change-rows.js';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/deadline.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';
import { WatchedPool, afterTurns } from '../support/watched-pool.js';
import { startWireProxy } from '../support/wire-proxy.js';

const COUNT = 400;
const TEXT = Array.from({ length: COUNT }, (_, index) => lineText(index + 1)).join('');
const BATCH = 50;

/** Restores once more, and everything is there once. */
async function assertRerunCompletes(
  db: TestDatabase,
  pool: pg.Pool,
  before: number,
): Promise<void> {
  const report = await restore(pool, TEXT, { batchSize: BATCH });
  assert.deepEqual([report.presentCount, report.newCount], [before, COUNT - before]);
  assert.equal(await exportOf(pool), TEXT);
  assert.equal(await countRows(db), COUNT);
  assert.equal((await restore(pool, TEXT)).presentCount, COUNT);
}

test('F39 the connection cut at many places: nothing or whole batches, and a rerun completes', () =>
  withEmptyLog(async (db, direct) => {
    const proxy = await startWireProxy(db.address);
    try {
      const whole = db.pool({ connectionString: proxy.url(db.url('app')) });
      proxy.heal();
      await restore(whole, TEXT, { batchSize: BATCH });
      const total = proxy.byteCounts.toClient;
      for (let step = 1; step <= 24; step += 1) {
        await db.admin.query('TRUNCATE sync_changes');
        proxy.reset();
        proxy.heal();
        proxy.cutAfter(Math.floor((total * step) / 25), { kind: step % 2 === 0 ? 'end' : 'reset' });
        const pool = db.pool({ connectionString: proxy.url(db.url('app')) });
        const outcome = await restore(pool, TEXT, { batchSize: BATCH }).then(
          () => undefined,
          (error: unknown) => error as { readonly code: string },
        );
        if (outcome !== undefined) {
          assert.match(
            outcome.code,
            /^BACKUP_(SINK_FAILED|COMMIT_UNKNOWN)$/,
            `step ${String(step)}`,
          );
        }
        await eventually(
          async () => (await listBackends(db)).every(({ state }) => state === 'idle'),
          2_000,
          'no backend left at work',
        );
        const before = await countRows(db);
        assert.equal(before % BATCH, 0, `step ${String(step)}`);
        const report = await restore(direct, TEXT);
        assert.equal(report.presentCount, before);
        assert.equal(await exportOf(direct), TEXT);
      }
    } finally {
      await proxy.close();
    }
  }));

test('F40 the answer to COMMIT is lost: unknown, and running it again is safe', () =>
  withEmptyLog(async (db, direct) => {
    for (const arrives of [true, false]) {
      await db.admin.query('TRUNCATE sync_changes');
      const proxy = await startWireProxy(db.address);
      try {
        const pool = db.pool({ connectionString: proxy.url(db.url('app')) });
        proxy.watch((direction, piece) => {
          if (direction !== 'toServer' || !piece.includes('COMMIT\0')) return;
          // What comes back is never seen; what went there has arrived or not.
          proxy.pause(arrives ? 'toClient' : 'toServer');
          setTimeout(() => {
            proxy.reset();
          }, 300);
        });
        const error = await failsWith(restore(pool, TEXT), 'BACKUP_COMMIT_UNKNOWN');
        assert.deepEqual(error.details, { lineCount: COUNT });
      } finally {
        await proxy.close();
      }
      const before = await countRows(db);
      assert.equal(before, arrives ? COUNT : 0);
      await assertRerunCompletes(db, direct, before);
    }
  }));

describe('F41 two restores at once', () => {
  for (const batchSize of [undefined, BATCH]) {
    test(`neither doubles nor deadlocks, ${batchSize === undefined ? 'whole' : 'in batches'}`, () =>
      withEmptyLog(async (db) => {
        const reversed = TEXT.trimEnd().split('\n').reverse().join('\n') + '\n';
        const reports = await Promise.all(
          [TEXT, reversed, TEXT, reversed].map((text) => restore(db.pool(), text, { batchSize })),
        );
        const written = reports.reduce((sum, { newCount }) => sum + newCount, 0);
        assert.equal(written, COUNT);
        for (const { newCount, presentCount } of reports)
          assert.equal(newCount + presentCount, COUNT);
        assert.equal(await countRows(db), COUNT);
      }));
  }
});

describe('F32 abort', () => {
  const reason = new Error('enough');

  test('before the start, and in every phase: rejects with the reason, nothing stays', () =>
    withEmptyLog(async (db, pool) => {
      assert.equal(
        await failureOf(restore(pool, TEXT, { signal: AbortSignal.abort(reason) })),
        reason,
      );
      for (const phase of ['plan', 'write'] as const) {
        const controller = new AbortController();
        const aborted = restore(pool, TEXT, {
          signal: controller.signal,
          batchSize: phase === 'write' ? 100 : undefined,
          onProgress: (progress) => {
            if (progress.phase === phase) controller.abort(reason);
          },
        });
        assert.equal(await failureOf(aborted), reason);
        await assertReusable(pool);
      }
      assert.equal(await countRows(db), 100);
    }));

  for (const dryRun of [false, true]) {
    test(`right after any answer of the database${dryRun ? ', in a dry run' : ''}: all or nothing, and the client is left alone`, () =>
      withEmptyLog(async (db, pool) => {
        const text = lineText(1) + lineText(2);
        const whole = new WatchedPool(pool);
        await restore(whole, text, { dryRun });
        const outcomes = new Set<string>();
        for (let index = 0; index < whole.texts.length; index += 1) {
          for (const turnCount of [1, 2, 3]) {
            await db.admin.query('TRUNCATE sync_changes');
            const controller = new AbortController();
            const watched = new WatchedPool(pool, (answered) => {
              if (answered !== index) return;
              void afterTurns(turnCount, () => {
                controller.abort(reason);
              });
            });
            const where = `${String(turnCount)} after ${String(whole.texts[index])}`;
            const { signal } = controller;
            const outcome = await restore(watched, text, { dryRun, signal }).then(
              ({ newCount }) => `restored ${String(newCount)}`,
              (error: unknown) => {
                assert.equal(error, reason, where);
                return 'aborted';
              },
            );
            outcomes.add(outcome);
            assert.deepEqual(watched.counts, { leases: 1, releases: 1, lateQueries: 0 }, where);
            const expected = dryRun || outcome === 'aborted' ? 0 : 2;
            assert.equal(await countRows(db), expected, where);
            await assertReusable(pool);
          }
        }
        assert.deepEqual([...outcomes], ['aborted', 'restored 2']);
      }));
  }

  test('while the lines are waited for', () =>
    withEmptyLog(async (db, pool) => {
      const controller = new AbortController();
      async function* stalling(): AsyncGenerator<Uint8Array> {
        yield Buffer.from(lineText(1));
        setTimeout(() => {
          controller.abort(reason);
        }, 50);
        await new Promise(() => undefined);
      }
      const failure = failureOf(restore(pool, stalling(), { signal: controller.signal }));
      assert.equal(await failure, reason);
      await assertReusable(pool);
      assert.equal(await countRows(db), 0);
    }));
});

test('silence of the lines and of the database is a typed error', () =>
  withEmptyLog(async (db, pool) => {
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(lineText(1));
      await new Promise(() => undefined);
    }
    const source = await failsWith(
      restore(pool, silent(), { stallTimeoutMs: 200 }),
      'BACKUP_SOURCE_STALLED',
    );
    assert.equal(source.details.limit, 'stallTimeoutMs');
    await db.admin.query(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
      CREATE TRIGGER slow BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION slow()`);
    const sink = await failsWith(
      restore(pool, TEXT, { stallTimeoutMs: 500 }),
      'BACKUP_SINK_STALLED',
    );
    assert.equal(sink.details.limit, 'stallTimeoutMs');
    // The server is given the same limit, and may be the first to keep it.
    const long = await failureOf(restore(pool, TEXT, { maxDurationMs: 700 }));
    assert.match((long as { code: string }).code, /^BACKUP_SINK_(STALLED|FAILED)$/);
    await assertReusable(pool);
    await eventually(async () => (await countRows(db)) === 0, 2_000, 'nothing written');
  }));

test('F33 a hook that throws, or never comes back, ends it', () =>
  withEmptyLog(async (db, pool) => {
    const thrown = await failsWith(
      restore(pool, TEXT, {
        onProgress: () => {
          throw new Error('canary');
        },
      }),
      'BACKUP_HOOK_FAILED',
    );
    assert.equal(thrown.details.hook, 'onProgress');
    const silent = await failsWith(
      restore(pool, TEXT, { onProgress: () => new Promise(() => undefined), hookTimeoutMs: 100 }),
      'BACKUP_HOOK_FAILED',
    );
    assert.equal(silent.details.limitMs, 100);
    await assertReusable(pool);
    assert.equal(await countRows(db), 0);
  }));

test('F34 an error of the lines themselves is passed on as it is', () =>
  withEmptyLog(async (db, pool) => {
    const error = new Error('the disk');
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(lineText(1));
      throw error;
    }
    assert.equal(await failureOf(restore(pool, failing())), error);
    await assertReusable(pool);
    assert.equal(await countRows(db), 0);
  }));

test('F1 F2 no server, and a pool that gives no client', () =>
  withEmptyLog(async (db) => {
    const nowhere = db.pool({ connectionString: undefined, host: '127.0.0.1', port: 1 });
    const down = await failsWith(restore(nowhere, TEXT), 'BACKUP_SINK_FAILED');
    assert.equal(down.details.stage, 'connect');
    const pool = db.pool();
    const held = await pool.connect();
    const full = await failsWith(
      restore(pool, TEXT, { connectTimeoutMs: 200 }),
      'BACKUP_SINK_STALLED',
    );
    assert.equal(full.details.limit, 'connectTimeoutMs');
    held.release();
    await assertReusable(pool);
  }));

describe('a database that is slower than what it is given', () => {
  const longText = (length: number): string => `{"title": "canary ${'x'.repeat(length)}"}`;

  /** The socket of the pool's first client, once there is one. */
  function socketOf(pool: pg.Pool): Promise<Socket> {
    return new Promise((resolve) => {
      pool.once('connect', (client) => {
        resolve((client as unknown as { connection: { stream: Socket } }).connection.stream);
      });
    });
  }

  test('makes an archive wait: about a MiB is on its way, and no more', () =>
    withEmptyLog(async (db) => {
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      const rows = changeRows(400, 100_000).map((row) => ({ ...row, userId: USER }));
      await using archive = await openArchive(
        await archiveBytes({ events: changeSourceFrom(rows), compressionLevel: 1 }),
      );
      proxy.watch((direction, piece) => {
        if (direction === 'toServer' && piece.length > 10_000) proxy.pause('toServer');
      });
      const first = socketOf(pool);
      const restoring = restore(pool, archive);
      const socket = await first;
      const enough = 1024 * 1024;
      await eventually(() => socket.writableLength >= enough, 20_000, 'The socket has enough');
      // Whoever does not wait has read all of the archive by then.
      await pass(500);
      assert.ok(socket.writableLength < 1.5 * enough, String(socket.writableLength));
      proxy.watch(() => undefined);
      proxy.resume();
      assert.equal((await restoring).newCount, 400);
      await assertReusable(pool);
    }));

  test('and ends before it has taken the last of it: one typed error, and nothing stays', () =>
    withEmptyLog(async (db, direct) => {
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      const enough = 1024 * 1024;
      const first = socketOf(pool);
      async function* nearlyEnough(): AsyncGenerator<Uint8Array> {
        const socket = await first;
        proxy.pause('toServer');
        let rowNumber = 0;
        const line = (length: number): Uint8Array => {
          rowNumber += 1;
          return Buffer.from(lineText(rowNumber, { data: longText(length) }));
        };
        // Lines of more than a message, each of which is sent at once.
        while (socket.writableLength < 950_000) {
          const { writableLength } = socket;
          yield line(writableLength < 650_000 ? 132_000 : 990_000 - writableLength);
          await turn();
        }
        assert.ok(socket.writableLength < enough);
        // And one of less, which goes last.
        yield line(120_000);
        void eventually(() => socket.writableLength >= enough, 5_000, 'The last line').then(() => {
          proxy.reset();
        });
      }
      const { details } = await failsWith(restore(pool, nearlyEnough()), 'BACKUP_SINK_FAILED');
      assert.equal(details.stage, 'stage');
      proxy.resume();
      await assertReusable(direct);
      assert.equal(await countRows(db), 0);
    }));

  test('and has refused a line meanwhile: no more is read', () =>
    withEmptyLog(async (db, pool) => {
      const refused = new Promise((resolve) => {
        pool.once('connect', (client) => {
          const { connection } = client as unknown as { connection: EventEmitter };
          connection.once('errorMessage', resolve);
        });
      });
      let readCount = 0;
      async function* lines(): AsyncGenerator<Uint8Array> {
        // Postgres has no such number, and is sent a message as soon as there is enough for one.
        yield Buffer.from(lineText(1, { data: '{"title": "canary", "n": 1e200000}' }));
        yield Buffer.from(lineText(2, { data: longText(200_000) }));
        await refused;
        for (; readCount < 10; readCount += 1) {
          yield Buffer.from(lineText(3 + readCount, { data: longText(200_000) }));
        }
      }
      const { details } = await failsWith(restore(pool, lines()), 'BACKUP_SINK_FAILED');
      assert.deepEqual([details.stage, details.sqlState], ['stage', '22003']);
      assert.equal(readCount, 0);
      await assertReusable(pool);
      assert.equal(await countRows(db), 0);
    }));
});
