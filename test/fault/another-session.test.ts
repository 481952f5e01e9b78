// F25: a pooler in transaction mode hands each transaction to whatever session is free. A restore in batches, whose
// lines are staged in its session, must not go on in another one: another user's lines may be staged there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { failsWith } from '../support/failures.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';

/** A pool whose client goes on in another of two sessions after each COMMIT, as behind such a pooler. */
function poolerOver(sessions: readonly pg.PoolClient[]): pg.Pool {
  let transactions = 0;
  const session = (): pg.PoolClient => sessions[transactions % sessions.length] as pg.PoolClient;
  const client = new Proxy(sessions[0] as pg.PoolClient, {
    get(_, name): unknown {
      if (name === 'release') {
        return (error?: boolean) => {
          for (const one of sessions) one.release(error);
        };
      }
      const target = session();
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        const result: unknown = Reflect.apply(value, target, args);
        if (args[0] === 'COMMIT') transactions += 1;
        return result;
      };
    },
  });
  return { connect: async () => client } as unknown as pg.Pool;
}

const TEXT = [1, 2, 3, 4, 5, 6].map((rowNumber) => lineText(rowNumber)).join('');

test('a restore in batches fails where its next transaction comes into another session', () =>
  withEmptyLog(async (db) => {
    const pool = db.pool({ max: 2 });
    const sessions = [await pool.connect(), await pool.connect()];
    const options = { batchSize: 2, maxDurationMs: 5_000 };
    const error = await failsWith(
      restore(poolerOver(sessions), TEXT, options),
      'BACKUP_SINK_FAILED',
    );
    assert.deepEqual(error.details, {
      stage: 'begin',
      lineCount: 2,
      relation: 'public.sync_changes',
    });
    assert.equal(await countRows(db), 2);
    // Past the pooler it goes on where it was.
    const report = await restore(db.pool(), TEXT, { batchSize: 2 });
    assert.deepEqual([report.presentCount, report.newCount], [2, 4]);
  }));
