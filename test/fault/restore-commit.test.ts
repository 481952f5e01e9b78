// COMMIT itself fails: an answer of the server's is an answer, in whatever language; without one nobody knows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import type { TestDatabase } from '../support/database.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';
import { startWireProxy } from '../support/wire-proxy.js';

const TEXT = lineText(1) + lineText(2);

/** Makes COMMIT do something, once per row that was written. */
async function atCommit(db: TestDatabase, statement: string): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
      $$ BEGIN ${statement}; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON sync_changes
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`);
}

// Of the same length as the English, for the length of the message.
for (const severity of ['ERROR', 'FEHLR']) {
  test(`a deferred constraint that fails at COMMIT, told as ${severity}: rolled back, and told as such`, () =>
    withEmptyLog(async (db) => {
      await atCommit(db, "RAISE 'canary' USING ERRCODE = 'P0042'");
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      let toldCount = 0;
      proxy.watch((direction, piece) => {
        const at = direction === 'toClient' ? piece.indexOf('SERROR\0V') : -1;
        if (at >= 0) toldCount += piece.write(severity, at + 1) / severity.length;
      });
      const error = await failsWith(restore(pool, TEXT), 'BACKUP_SINK_FAILED');
      assert.equal(toldCount, 1);
      assert.deepEqual([error.details.stage, error.details.sqlState], ['commit', 'P0042']);
      assert.equal(error.cause?.severity, severity);
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    }));
}

test('a backend that is told to end during COMMIT leaves it unknown', () =>
  withEmptyLog(async (db, pool) => {
    await atCommit(db, 'PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(10)');
    const error = await failsWith(restore(pool, TEXT), 'BACKUP_COMMIT_UNKNOWN');
    assert.deepEqual([error.details.lineCount, error.cause?.code], [2, '57P01']);
    assert.equal(await countRows(db), 0);
    await assertReusable(pool);
  }));

test('a COMMIT that the server answers with ROLLBACK is a failure, and nothing of it stays', () =>
  withEmptyLog(async (db, pool) => {
    // What the server does with a transaction that has failed, which is no error to the driver.
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      const undone = (text: unknown, ...rest: unknown[]): unknown =>
        query(text === 'COMMIT' ? 'ROLLBACK' : text, ...rest);
      client.query = undone as typeof client.query;
    });
    const error = await failsWith(restore(pool, TEXT), 'BACKUP_SINK_FAILED');
    assert.deepEqual([error.details.stage, error.details.lineCount], ['commit', 2]);
    assert.equal(await countRows(db), 0);
  }));

/** Aborts when COMMIT is on its way: its answer is waited for all the same. */
function abortAtCommit(pool: pg.Pool, reason: Error): AbortSignal {
  const controller = new AbortController();
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const aborting = (text: unknown, ...rest: unknown[]): unknown => {
      const answer = query(text, ...rest);
      if (text === 'COMMIT') controller.abort(reason);
      return answer;
    };
    client.query = aborting as typeof client.query;
  });
  return controller.signal;
}

test('an abort while the answer to COMMIT is waited for changes nothing: it is told which it was', () =>
  withEmptyLog(async (db, pool) => {
    await atCommit(db, 'PERFORM pg_sleep(0.2)');
    const signal = abortAtCommit(pool, new Error('enough'));
    const { newCount } = await restore(pool, TEXT, { signal });
    assert.ok(signal.aborted);
    assert.equal(newCount, 2);
    assert.equal(await countRows(db), 2);
  }));

test('an abort while the answer to the COMMIT of a batch is waited for leaves that batch, and begins no other', () =>
  withEmptyLog(async (db, pool) => {
    const reason = new Error('enough');
    const signal = abortAtCommit(pool, reason);
    assert.equal(await failureOf(restore(pool, TEXT, { signal, batchSize: 1 })), reason);
    assert.equal(await countRows(db), 1);
    await assertReusable(pool);
    const { presentCount, newCount } = await restore(db.pool(), TEXT);
    assert.deepEqual([presentCount, newCount], [1, 1]);
  }));

test('a COMMIT that is not answered in time leaves it unknown', () =>
  withEmptyLog(async (db, pool) => {
    // For each of two rows; not for longer, since before version 14 nobody ends it.
    await atCommit(db, 'PERFORM pg_sleep(0.6)');
    const restoring = restore(pool, TEXT, { stallTimeoutMs: 500 });
    const { details } = await failsWith(restoring, 'BACKUP_COMMIT_UNKNOWN');
    assert.equal(details.lineCount, 2);
    await assertReusable(pool);
  }));
