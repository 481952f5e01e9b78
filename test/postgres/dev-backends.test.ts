// Watching and disturbing the server's backends, on a server of this file's own since one test crashes it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';

import { connectionAt } from '../../dev/postgres-connection.js';
import { type PostgresServer, startPostgres } from '../../dev/postgres-server.js';
import {
  cancelBackend,
  crashBackend,
  listBackends,
  signalBackend,
  terminateBackend,
  waitForBackend,
  waitForBackendsGone,
  waitForBackendsIdle,
} from '../support/backends.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { settlesWithin } from '../support/deadline.js';

const LIMIT_MS = 10_000;

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server.stop());

/** Runs `use` while a session of the plain role sleeps; gives the error that the sleeper got. */
async function whileSleeping(
  db: TestDatabase,
  use: (pid: number) => Promise<void>,
): Promise<unknown> {
  const client: pg.PoolClient = await db.pool().connect();
  client.on('error', () => undefined);
  const failure = client.query('SELECT pg_sleep(60)').then(
    () => undefined,
    (error: unknown) => error,
  );
  const { pid } = await waitForBackend(db);
  await use(pid);
  const error = await settlesWithin(failure, LIMIT_MS, 'The sleeper');
  client.release(true);
  return error;
}

test('lists what the plain role does, and not what the superuser does', () =>
  withDatabase(
    async (db) => {
      assert.deepEqual(await listBackends(db), []);
      await whileSleeping(db, async (pid) => {
        const [backend, ...others] = await listBackends(db);
        assert.deepEqual(others, []);
        assert.equal(backend?.pid, pid);
        assert.equal(backend.user, db.appUser);
        assert.equal(backend.state, 'active');
        assert.equal(backend.query, 'SELECT pg_sleep(60)');
        assert.equal(backend.waitsFor, 'Timeout/PgSleep');
        assert.equal(backend.hasSnapshot, true);
        await assert.rejects(waitForBackendsIdle(db, 50), /SELECT pg_sleep/);
        await cancelBackend(db, pid);
      });
      await waitForBackendsIdle(db);
    },
    { server },
  ));

test('cancels and terminates', () =>
  withDatabase(
    async (db) => {
      const cancelled = await whileSleeping(db, (pid) => cancelBackend(db, pid));
      assert.equal((cancelled as pg.DatabaseError).code, '57014');
      await waitForBackendsGone(db);
      const terminated = await whileSleeping(db, (pid) => terminateBackend(db, pid));
      assert.equal((terminated as pg.DatabaseError).code, '57P01');
      await waitForBackendsGone(db);
    },
    { server },
  ));

test('freezes a backend and lets it go on', () =>
  withDatabase(
    async (db) => {
      await whileSleeping(db, async (pid) => {
        signalBackend(db, pid, 'SIGSTOP');
        await terminateBackend(db, pid);
        await assert.rejects(waitForBackendsGone(db, 100), /SELECT pg_sleep/);
        signalBackend(db, pid, 'SIGCONT');
        await waitForBackendsGone(db);
      });
    },
    { server },
  ));

test('crashes a backend, which restarts the server', () =>
  withDatabase(
    async (db) => {
      const { pid: serverPid } = server;
      const error = await whileSleeping(db, (pid) => crashBackend(db, pid));
      assert.ok(error instanceof Error);
      assert.equal(server.pid, serverPid);
      assert.equal((await db.pool().query('SELECT 1')).rowCount, 1);
    },
    { server },
  ));

test('a restart ends every session and keeps port and data', () =>
  withDatabase(
    async (db) => {
      await db.admin.query('CREATE TABLE kept AS SELECT 1 AS n');
      for (const mode of ['fast', 'immediate'] as const) {
        const { port, pid } = server;
        const error = await whileSleeping(db, () => server.restart(mode));
        assert.ok(error instanceof Error);
        assert.equal(server.port, port);
        assert.notEqual(server.pid, pid);
        assert.equal(db.serverPid, server.pid);
        assert.deepEqual((await db.admin.query('SELECT n FROM kept')).rows, [{ n: 1 }]);
      }
    },
    { server },
  ));

test('a signal is refused where the server is not ours', () =>
  withDatabase(
    async (db) => {
      assert.equal(db.serverPid, undefined);
      assert.throws(() => {
        signalBackend(db, process.pid, 'SIGSTOP');
      }, /DATABASE_URL/);
      await assert.rejects(crashBackend(db, process.pid), /DATABASE_URL/);
    },
    { server: connectionAt(server.superuserUrl) },
  ));
