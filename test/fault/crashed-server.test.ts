// F9, F10 and F11: a session killed by signal, a server restarted, a session frozen. On a server of its own, since
// the first two end every session that there is.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { type PostgresServer, startPostgres } from '../../dev/postgres-server.js';
import {
  crashBackend,
  isAsleep,
  signalBackend,
  waitForBackend,
  waitForBackendsGone,
  waitsForReader,
} from '../support/backends.js';
import { LONG_LOG, USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { eventually, settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { type Lane, type LaneExport, lanes } from '../support/lanes.js';
import { sleepAtRow } from '../support/row-functions.js';
import { SERVER_VARIABLES } from '../support/server.js';

const STALL_MS = 300;
const SLACK_MS = 250;

let server: PostgresServer;

before(async () => {
  server = await startPostgres();
  // This file's server instead of the run's: support/server.ts has not been asked yet.
  process.env[SERVER_VARIABLES.url] = server.superuserUrl;
  process.env[SERVER_VARIABLES.pid] = String(server.pid);
});

after(() => server.stop());

async function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, LONG_LOG);
    await use(db);
  });
}

/** After the server has gone down and come back, a new export is whole. */
async function assertRecovers(db: TestDatabase, lane: Lane): Promise<void> {
  const pool = db.pool();
  const text = await lane.export(pool, { userId: USER }).text();
  assert.deepEqual(eventIdsOf(text), eventIdsUpTo(LONG_LOG.rowCount));
  await assertReusable(pool);
}

/** Reads on after the crash: an error, and not all of the log. */
async function assertFails(running: LaneExport): Promise<void> {
  const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED', 5_000);
  assert.equal(error.details.stage, 'read');
  const { linesRead } = running;
  assert.ok(linesRead.length < LONG_LOG.rowCount);
  assert.deepEqual(
    linesRead.map((line) => line.slice(12, 48)),
    eventIdsUpTo(linesRead.length),
  );
}

for (const lane of lanes) {
  test(`${lane.name}: F9 hazard 7: the session killed by SIGKILL while the reader pauses`, () =>
    withLongLog(async (db) => {
      const running = lane.export(db.pool(), { userId: USER, batchSize: 50 });
      await running.ready();
      const { pid } = await waitForBackend(db, waitsForReader);
      await crashBackend(db, pid);
      await assertFails(running);
      await assertRecovers(db, lane);
    }));

  test(`${lane.name}: F9 the session killed by SIGKILL during a read`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 350);
      const running = lane.export(db.pool(), { userId: USER, batchSize: 50 });
      const failure = assertFails(running);
      const { pid } = await waitForBackend(db, isAsleep);
      await crashBackend(db, pid);
      await failure;
      await db.admin.query('DROP POLICY acting ON sync_changes');
      await assertRecovers(db, lane);
    }));

  for (const mode of ['fast', 'immediate'] as const) {
    test(`${lane.name}: F10 the server restarted in mode ${mode}`, () =>
      withLongLog(async (db) => {
        const running = lane.export(db.pool(), { userId: USER, batchSize: 50 });
        await running.ready();
        await waitForBackend(db, waitsForReader);
        await server.restart(mode);
        await assertFails(running);
        await assertRecovers(db, lane);
      }));
  }

  test(`${lane.name}: F11 hazards 2 and 6: a frozen session is given up at the limit, and vanishes when it thaws`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, batchSize: 50, stallTimeoutMs: STALL_MS });
      await running.ready();
      const { pid } = await waitForBackend(db, waitsForReader);
      signalBackend(db, pid, 'SIGSTOP');
      try {
        // What is in sockets and pipes is read first; the wait begins when they are empty.
        let lastBytesMs = performance.now();
        running.stream.on('data', () => (lastBytesMs = performance.now()));
        const error = await failsWith(running.text(), 'BACKUP_SOURCE_STALLED', 5_000);
        const passedMs = performance.now() - lastBytesMs;
        assert.ok(passedMs < STALL_MS + SLACK_MS, `${String(passedMs)} ms`);
        const { limit, limitMs, stage } = error.details;
        assert.deepEqual(
          { limit, limitMs, stage },
          { limit: 'stallTimeoutMs', limitMs: STALL_MS, stage: 'read' },
        );
        // The pool has room again although the session is still there.
        await assertReusable(pool);
      } finally {
        signalBackend(db, pid, 'SIGCONT');
      }
      await eventually(
        async () => {
          const { rowCount } = await db.admin.query('SELECT FROM pg_stat_activity WHERE pid = $1', [
            pid,
          ]);
          return rowCount === 0;
        },
        1_000,
        'The thawed session vanishes',
      );
    }));

  test(`${lane.name}: F11 a session frozen before the first row: ready() says so at the limit`, () =>
    withLongLog(async (db) => {
      await sleepAtRow(db, 1);
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, stallTimeoutMs: STALL_MS });
      const failure = failsWith(running.ready(), 'BACKUP_SOURCE_STALLED');
      await settlesWithin(failure, 5_000);
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }));
}
