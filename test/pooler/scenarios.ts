// What is tried through a pooler in transaction mode, with two users at a time. Each gives the counts that it found.
import assert from 'node:assert/strict';
import type pg from 'pg';

import { isBackupError } from '../../src/index.js';
import { restoreToPostgres } from '../../src/postgres/index.js';
import { STRANGER, USER, canaryOf, fillLog } from '../support/change-log.js';
import type { TestDatabase } from '../support/database.js';
import { eventually, settlesWithin } from '../support/deadline.js';
import { type Lane, lanes } from '../support/lanes.js';
import type { Pooler } from './pgbouncer.js';

/** What a scenario works with. */
export interface Bench {
  readonly db: TestDatabase;
  readonly pooler: Pooler;
  /** Clients of the pooler, more of them than it has connections. */
  readonly pool: pg.Pool;
  /** What the log of each user is when exported past the pooler. */
  readonly texts: Readonly<Record<string, string>>;
}

/** A scenario's name and what it does. */
export interface Scenario {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<Readonly<Record<string, number>>>;
}

const USERS = [USER, STRANGER] as const;
const EXPORTS_PER_USER = 100;
const AT_ONCE = 6;
const LEAVINGS_PER_LANE = 25;
const RESTORES_PER_USER = 50;
const BATCHED_ROUNDS = 20;

/** A log that is longer than what sockets hold together, for readers that leave in the middle. */
const LONG_USER = 'user-3';

/** Fills the log, and exports what is in it past the pooler. */
export async function prepare(db: TestDatabase): Promise<Bench['texts']> {
  await db.createChangeLog();
  for (const userId of USERS) await fillLog(db, { userId, rowCount: 1_000, dataBytes: 200 });
  await fillLog(db, { userId: LONG_USER, rowCount: 400, dataBytes: 50_000 });
  const texts: Record<string, string> = {};
  for (const userId of [...USERS, LONG_USER]) {
    texts[userId] = await (lanes[0] as Lane).export(db.pool(), { userId }).text();
  }
  return texts;
}

function strangersOf(userId: string, text: string): number {
  const others = [...USERS, LONG_USER].filter((other) => other !== userId);
  return others.reduce((count, other) => count + text.split(canaryOf(other)).length - 1, 0);
}

/** Both users by turns, on both lanes; sessions are left dirty by other clients between them. */
const interleavedExports: Scenario = {
  name: 'interleaved exports',
  async run({ pool, texts }) {
    const counts = { exports: 0, bytes: 0, differing: 0, foreignCanaries: 0, dirtied: 0 };
    const exportOne = async (index: number): Promise<void> => {
      const userId = USERS[index % 2] as string;
      const lane = lanes[(index >> 1) % lanes.length] as Lane;
      if (index % 5 === 0) {
        await leaveDirty(pool, USERS[(index + 1) % 2] as string);
        counts.dirtied += 1;
      }
      const text = await lane.export(pool, { userId, batchSize: 100 }).text();
      counts.exports += 1;
      counts.bytes += Buffer.byteLength(text);
      counts.differing += text === texts[userId] ? 0 : 1;
      counts.foreignCanaries += strangersOf(userId, text);
    };
    await atOnce(AT_ONCE, EXPORTS_PER_USER * USERS.length, exportOne);
    assert.deepEqual([counts.differing, counts.foreignCanaries], [0, 0]);
    return counts;
  },
};

/** What a client of the pooler may leave in a session that others get after it. */
async function leaveDirty(pool: pg.Pool, userId: string): Promise<void> {
  await pool.query(
    `SELECT set_config('app.current_user_id', '${userId}', false), set_config('row_security', 'off', false),
            set_config('bytea_output', 'escape', false), set_config('statement_timeout', '10s', false),
            set_config('search_path', 'pg_temp', false), set_config('extra_float_digits', '-5', false)`,
  );
}

/** Readers that destroy the stream after its first bytes, and exports that are aborted there. */
const leavings: Scenario = {
  name: 'left midway',
  async run({ db, pool, texts }) {
    const counts = { left: 0, aborted: 0, stillBusy: 0, differing: 0 };
    for (const lane of lanes) {
      await atOnce(AT_ONCE, LEAVINGS_PER_LANE, async (index) => {
        const aborting = new AbortController();
        const options = { userId: LONG_USER, signal: aborting.signal };
        const { stream } = lane.export(pool, options);
        const closed = new Promise((resolve) => stream.once('close', resolve));
        stream.once('readable', () => {
          stream.read();
          if (index % 2 === 0) stream.destroy();
          else aborting.abort();
        });
        await settlesWithin(closed, 10_000, 'An export that was left');
        counts[index % 2 === 0 ? 'left' : 'aborted'] += 1;
      });
      counts.stillBusy += await busySessions(db);
      const text = await lane.export(pool, { userId: LONG_USER }).text();
      counts.differing += text === texts[LONG_USER] ? 0 : 1;
    }
    assert.deepEqual([counts.stillBusy, counts.differing], [0, 0]);
    return counts;
  },
};

/** How many sessions of the plain role still work, or sit in a transaction, when everybody has gone. */
async function busySessions(db: TestDatabase): Promise<number> {
  let busy = 0;
  const isIdle = async (): Promise<boolean> => {
    busy = await sessionsOf(db, `state <> 'idle'`);
    return busy === 0;
  };
  await eventually(isIdle, 5_000, 'Everybody has gone').catch(() => undefined);
  return busy;
}

async function sessionsOf(db: TestDatabase, condition = 'true'): Promise<number> {
  const { rows } = await db.admin.query<{ count: string }>(
    `SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND ${condition}`,
    [db.appUser],
  );
  return Number(rows[0]?.count);
}

/** Both users at a time, each in one transaction, into a log without their rows and into one that has them. */
const restores: Scenario = {
  name: 'restores in one transaction',
  async run(bench) {
    const counts = { restores: 0, differing: 0, strayRows: 0 };
    for (let round = 0; round < RESTORES_PER_USER; round += 1) {
      if (round % 2 === 0) await emptyLogs(bench);
      const reports = await Promise.all(USERS.map((userId) => restoreOne(bench, userId)));
      counts.restores += reports.length;
      counts.differing += await differingLogs(bench);
      counts.strayRows += await strayRows(bench);
    }
    assert.deepEqual([counts.differing, counts.strayRows], [0, 0]);
    return counts;
  },
};

/**
 * The same in batches. These need one session from their first transaction to their last, so that it is a
 * matter of luck how they end here; every round begins with new sessions.
 */
const batchedRestores: Scenario = {
  name: 'restores in batches',
  async run(bench) {
    const counts = { restores: 0, roundsThatLeftLocks: 0, strayRows: 0 };
    const outcomes: Record<string, number> = {};
    for (let round = 0; round < BATCHED_ROUNDS; round += 1) {
      await emptyLogs(bench);
      await renewSessions(bench);
      const restoring = USERS.map((userId) => restoreOne(bench, userId, 100));
      for (const restore of restoring) {
        const outcome = await restore.then(() => 'whole', outcomeOf);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        counts.restores += 1;
      }
      counts.strayRows += await strayRows(bench);
      counts.roundsThatLeftLocks += (await locksLeft(bench)) > 0 ? 1 : 0;
    }
    await renewSessions(bench);
    return { ...counts, ...outcomes };
  },
};

async function renewSessions({ db, pooler }: Bench): Promise<void> {
  await pooler.closeSessions();
  await eventually(async () => (await sessionsOf(db)) === 0, 10_000, 'All sessions are closed');
}

function outcomeOf(error: unknown): string {
  if (isBackupError(error, 'BACKUP_SINK_FAILED')) {
    const { stage, sqlState } = error.details;
    return [error.code, stage, ...(sqlState === undefined ? [] : [sqlState])].join(' ');
  }
  if (isBackupError(error)) return error.code;
  throw error;
}

function restoreOne({ pool, texts }: Bench, userId: string, batchSize?: number): Promise<unknown> {
  const bytes = Buffer.from(texts[userId] ?? '');
  const options = { userId, batchSize, maxDurationMs: 5_000 };
  return settlesWithin(restoreToPostgres(pool, [bytes], options), 10_000, 'The restore');
}

async function emptyLogs({ db }: Bench): Promise<void> {
  await db.admin.query('DELETE FROM sync_changes WHERE user_id <> $1', [LONG_USER]);
}

async function differingLogs({ pool, texts }: Bench): Promise<number> {
  const [lane] = lanes as [Lane];
  const found = await Promise.all(USERS.map((userId) => lane.export(pool, { userId }).text()));
  return found.filter((text, index) => text !== texts[USERS[index] as string]).length;
}

/** Rows that hold another user's data. */
async function strayRows({ db }: Bench): Promise<number> {
  const { rows } = await db.admin.query<{ count: string }>(
    `SELECT count(*) FROM sync_changes
      WHERE data ->> 'canary' <> CASE user_id WHEN $1 THEN $3 WHEN $2 THEN $4 ELSE data ->> 'canary' END`,
    [...USERS, ...USERS.map(canaryOf)],
  );
  return Number(rows[0]?.count);
}

async function locksLeft({ db }: Bench): Promise<number> {
  const { rows } = await db.admin.query<{ count: string }>(
    `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  return Number(rows[0]?.count);
}

/** `count` calls of `work`, so many at a time. */
async function atOnce(
  width: number,
  count: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** All of them, in the order in which they are run. */
export const scenarios: readonly Scenario[] = [
  interleavedExports,
  leavings,
  restores,
  batchedRestores,
];
