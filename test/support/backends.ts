// What goes on in the server, and how to disturb it: the backends of one database, ended by SQL or by signal.
import pg from 'pg';

import { eventually } from './deadline.js';
import type { TestDatabase } from './database.js';

/** One session of a test's database. */
export interface Backend {
  readonly pid: number;
  readonly user: string;
  /** As in pg_stat_activity: 'active', 'idle', 'idle in transaction', 'idle in transaction (aborted)'. */
  readonly state: string;
  readonly query: string;
  /** What it waits for, such as 'Client/ClientWrite'; '' for nothing. */
  readonly waitsFor: string;
  /** Whether it holds back the removal of old rows. */
  readonly hasSnapshot: boolean;
  /** Changes with each statement and each fetch. */
  readonly stateChangedAt: string;
}

/** It is in the middle of an export and waits for its reader: to take more, or to ask for more. */
export function waitsForReader({ state, waitsFor }: Backend): boolean {
  return state === 'active' && waitsFor.startsWith('Client/');
}

/** It is in `pg_sleep()`. */
export function isAsleep({ waitsFor }: Backend): boolean {
  return waitsFor === 'Timeout/PgSleep';
}

/** The sessions of the database's plain role. */
export async function listBackends(db: TestDatabase): Promise<readonly Backend[]> {
  const { rows } = await db.admin.query<Backend>(
    `SELECT pid, usename AS "user", state, query, coalesce(wait_event_type || '/' || wait_event, '') AS "waitsFor",
            backend_xmin IS NOT NULL AS "hasSnapshot", state_change::text AS "stateChangedAt"
     FROM pg_stat_activity
     WHERE datname = $1 AND usename = $2 AND backend_type = 'client backend'
     ORDER BY backend_start, pid`,
    [db.name, db.appUser],
  );
  return rows;
}

/** The one session of the plain role that fits; waits for it up to `limitMs`. */
export async function waitForBackend(
  db: TestDatabase,
  fits: (backend: Backend) => boolean = (backend) => backend.state !== 'idle',
  limitMs = 5_000,
): Promise<Backend> {
  let seen: readonly Backend[] = [];
  return eventually(
    async () => {
      seen = await listBackends(db);
      return seen.find(fits);
    },
    limitMs,
    () => `One backend that fits, among ${describe(seen)}`,
  );
}

/**
 * The one session of the plain role, when it waits for a command that this process will not send by
 * itself: whatever the session had answered when it was first seen to wait, this process has read
 * before it looks again.
 */
export async function waitForBackendAtRest(db: TestDatabase): Promise<Backend> {
  let before: Backend | undefined;
  return eventually(
    async () => {
      const [backend] = await listBackends(db);
      const isAtRest =
        backend?.waitsFor === 'Client/ClientRead' &&
        backend.stateChangedAt === before?.stateChangedAt;
      before = backend?.waitsFor === 'Client/ClientRead' ? backend : undefined;
      return isAtRest && backend;
    },
    5_000,
    () => 'A backend at rest',
  );
}

/** Waits until the plain role has no session at all. */
export async function waitForBackendsGone(db: TestDatabase, limitMs = 1_000): Promise<void> {
  let seen: readonly Backend[] = [];
  await eventually(
    async () => {
      seen = await listBackends(db);
      return seen.length === 0;
    },
    limitMs,
    () => `No backend left, but there is ${describe(seen)}`,
  );
}

/** Waits until the plain role runs nothing and holds no transaction; idle sessions in a pool are fine. */
export async function waitForBackendsIdle(db: TestDatabase, limitMs = 1_000): Promise<void> {
  let seen: readonly Backend[] = [];
  await eventually(
    async () => {
      seen = await listBackends(db);
      return seen.every((backend) => backend.state === 'idle');
    },
    limitMs,
    () => `Idle backends only, but there is ${describe(seen)}`,
  );
}

/** Ends a session the friendly way: its client is told 57P01. */
export async function terminateBackend(db: TestDatabase, pid: number): Promise<void> {
  await db.admin.query('SELECT pg_terminate_backend($1)', [pid]);
}

/** Cancels what a session is running: 57014 for its client. */
export async function cancelBackend(db: TestDatabase, pid: number): Promise<void> {
  await db.admin.query('SELECT pg_cancel_backend($1)', [pid]);
}

/**
 * Freezes a backend until `SIGCONT`.
 *
 * @throws Error where the server is not one that the tests started on this machine
 */
export function signalBackend(db: TestDatabase, pid: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
  assertIsOurs(db);
  process.kill(pid, signal);
}

/**
 * Kills a backend with SIGKILL. Postgres takes that for a crash, ends all other sessions and recovers, so this
 * is for a server of the test's own; settles when the server takes connections again.
 *
 * @throws Error where the server is not one that the tests started on this machine
 */
export async function crashBackend(db: TestDatabase, pid: number): Promise<void> {
  assertIsOurs(db);
  const witness = new pg.Client({ connectionString: db.url('admin') });
  witness.on('error', () => undefined);
  await witness.connect();
  // Not events.once(): it rejects at the 'error' that comes first.
  const sessionEnded = new Promise((resolve) => witness.once('end', resolve));
  process.kill(pid, 'SIGKILL');
  await sessionEnded;
  await eventually(
    async () => {
      const client = new pg.Client({ connectionString: db.url('admin') });
      client.on('error', () => undefined);
      return client.connect().then(
        () => client.end().then(() => true),
        () => false,
      );
    },
    30_000,
    'The server has recovered',
  );
}

function assertIsOurs(db: TestDatabase): void {
  if (db.serverPid !== undefined) return;
  throw new Error(
    'A signal needs a server that the tests started themselves: run them without DATABASE_URL.',
  );
}

function describe(backends: readonly Backend[]): string {
  if (backends.length === 0) return 'none';
  return backends
    .map(({ pid, state, waitsFor, query }) => `${String(pid)} ${state} ${waitsFor} ${query}`)
    .join('; ');
}
