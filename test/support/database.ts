// A database per test on the shared server that is new or like new, with a plain role of its own (row-level
// security does nothing for a superuser), and at the end a check that the test left nothing running.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

import { eventually, settlesWithin } from './deadline.js';
import { type RowText, insertRowsQuery } from '../../dev/row-text.js';
import { noteNewDatabase, shelveDatabase, takeDatabase } from './database-shelf.js';
import { type TestServer, sharedServer } from './server.js';

const LEAK_LIMIT_MS = 1_000;

/** Options of {@link createTestDatabase}. */
export interface TestDatabaseOptions {
  /** A server of the test's own, for tests that crash it. Default: the one that all tests share. */
  readonly server?: TestServer;
}

/** Options of {@link TestDatabase.createChangeLog}. */
export interface ChangeLogOptions {
  /** Who owns the table: the superuser, or the plain role. Default: 'admin'. */
  readonly owner?: TestRole;
  /** Whether row-level security is enabled, forced, and given its policy. Default: true. */
  readonly rowSecurity?: boolean;
}

/** `admin` is the superuser, `app` the database's plain role. */
export type TestRole = 'admin' | 'app';

/**
 * A database of its own for the length of `use`, then a check that nothing leaked.
 *
 * @example
 * ```ts
 * test('reads rows', () => withDatabase(async (db) => {
 *   await db.createChangeLog();
 *   const pool = db.pool();
 * }));
 * ```
 */
export async function withDatabase<T>(
  use: (db: TestDatabase) => Promise<T>,
  options: TestDatabaseOptions = {},
): Promise<T> {
  const db = await createTestDatabase(options);
  let result: T;
  try {
    result = await use(db);
  } catch (error) {
    // What it leaked, and that the server may be down, is most likely a result of this error.
    await db.drop().catch(() => undefined);
    throw error;
  }
  await db.dispose();
  return result;
}

/** Makes a database; whoever calls it calls `dispose()`, or declares it with `await using`. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = options.server ?? (await sharedServer());
  // What is left on a server that is gone at the end need not be dropped.
  const isShelved = options.server === undefined && server.pid !== undefined;
  const left = isShelved ? takeDatabase() : undefined;
  const name = left ?? `backup_streams_test_${randomBytes(6).toString('hex')}`;
  const app = {
    user: `${name}_${randomBytes(3).toString('hex')}`,
    password: randomBytes(12).toString('hex'),
  };
  const maintenance = new pg.Pool({
    connectionString: server.superuserUrl,
    max: 1,
    allowExitOnIdle: true,
  });
  // Idle connections die when a test restarts or breaks things; the next query gets a new one.
  maintenance.on('error', () => undefined);
  if (left === undefined) {
    await maintenance.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    if (isShelved) await noteNewDatabase(server, name);
  }
  await maintenance.query(
    `CREATE ROLE ${app.user} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '${app.password}'`,
  );
  return new TestDatabase({ server, name, app, maintenance, isShelved });
}

interface TestDatabaseParts {
  readonly server: TestServer;
  readonly name: string;
  readonly app: { readonly user: string; readonly password: string };
  readonly maintenance: pg.Pool;
  /** Whether another test may have the database afterwards. */
  readonly isShelved: boolean;
}

/** A database for one test. */
export class TestDatabase {
  /** Name of the database, unique on the server. */
  readonly name: string;
  /** Name of the plain role: no superuser, no BYPASSRLS, owns nothing unless asked. */
  readonly appUser: string;
  /** Connections as the superuser to this database. */
  readonly admin: pg.Pool;
  readonly #parts: TestDatabaseParts;
  readonly #pools: pg.Pool[] = [];
  #isDropped = false;

  constructor(parts: TestDatabaseParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.appUser = parts.app.user;
    this.admin = this.#openPool({ connectionString: this.url('admin'), max: 4 });
  }

  /** Connection string to this database. */
  url(role: TestRole = 'app'): string {
    const { server, name, app } = this.#parts;
    return server.url({ database: name, ...(role === 'app' && app) });
  }

  /** Host and port of the server, for a proxy in front of it. */
  get address(): { readonly host: string; readonly port: number } {
    const { host, port } = this.#parts.server;
    return { host, port };
  }

  /** Process id of the server, where it is ours to send signals to. */
  get serverPid(): number | undefined {
    return this.#parts.server.pid;
  }

  /** A pool of one as the plain role: a client that is not given back shows as a hang. */
  pool(options: pg.PoolConfig = {}): pg.Pool {
    return this.#openPool({ connectionString: this.url('app'), max: 1, ...options });
  }

  /** Creates `sync_changes`; the plain role may read and write it. */
  async createChangeLog(options: ChangeLogOptions = {}): Promise<void> {
    const { owner = 'admin', rowSecurity = true } = options;
    await this.admin.query(CHANGE_LOG_SQL);
    if (rowSecurity) await this.admin.query(ROW_SECURITY_SQL);
    await this.admin.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON sync_changes TO ${this.appUser}`,
    );
    if (owner === 'app') {
      await this.admin.query(`ALTER TABLE sync_changes OWNER TO ${this.appUser}`);
    }
  }

  /** Inserts rows as the superuser, past row-level security. */
  async insert(rows: readonly RowText[]): Promise<void> {
    await this.admin.query(insertRowsQuery(rows));
  }

  /**
   * Checks that nothing leaked, then drops the role, and drops the database or leaves it to another test.
   *
   * @throws Error when, a second after the test's end, a session still works or sits in a transaction, or a
   * pool still waits for a client to come back
   */
  async dispose(): Promise<void> {
    try {
      await this.#assertIdle();
      await this.#endPools();
      if (this.#parts.isShelved) await this.#shelve();
    } finally {
      await this.drop();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Drops the database and its role with whatever still goes on in it. */
  async drop(): Promise<void> {
    if (this.#isDropped) return;
    this.#isDropped = true;
    const { maintenance, name } = this.#parts;
    // Not waited for: a pool whose client is lost never ends.
    for (const pool of this.#pools) if (!pool.ended) void pool.end().catch(() => undefined);
    await maintenance.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await maintenance.query(`DROP ROLE ${this.appUser}`);
    await maintenance.end();
  }

  async #shelve(): Promise<void> {
    const { server, maintenance, name } = this.#parts;
    if (!(await shelveDatabase(server, name))) return;
    this.#isDropped = true;
    await maintenance.query(`DROP ROLE ${this.appUser}`);
    await maintenance.end();
  }

  #openPool(config: pg.PoolConfig): pg.Pool {
    const pool = new pg.Pool(config);
    pool.on('error', () => undefined); // an idle client whose backend was terminated on purpose
    this.#pools.push(pool);
    return pool;
  }

  async #assertIdle(): Promise<void> {
    let busy: readonly string[] = [];
    await eventually(
      async () => {
        busy = await this.#busyBackends();
        return busy.length === 0;
      },
      LEAK_LIMIT_MS,
      () => `The test left the server busy with\n  ${busy.join('\n  ')}\n`,
    );
  }

  async #busyBackends(): Promise<readonly string[]> {
    const { rows } = await this.#parts.maintenance.query<{ description: string }>(
      `SELECT format('%s %s for %s: %s', usename, state, clock_timestamp() - state_change, left(query, 200)) AS description
       FROM pg_stat_activity
       WHERE datname = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'`,
      [this.name],
    );
    return rows.map((row) => row.description);
  }

  async #endPools(): Promise<void> {
    for (const pool of this.#pools) {
      const heldCount = pool.totalCount - pool.idleCount;
      const what = `A pool whose clients were not all given back (${String(heldCount)} held, ${String(pool.waitingCount)} waiting)`;
      if (!pool.ending) await settlesWithin(pool.end(), LEAK_LIMIT_MS, what);
      else await eventually(() => pool.ended, LEAK_LIMIT_MS, what);
    }
  }
}

const CHANGE_LOG_SQL = `
  CREATE TABLE sync_changes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id text NOT NULL,
    table_name text NOT NULL,
    record_id text NOT NULL,
    user_id text NOT NULL,
    op text NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
    data jsonb,
    field_timestamps jsonb DEFAULT '{}',
    client_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  ALTER TABLE sync_changes ADD COLUMN IF NOT EXISTS schema_version int NOT NULL DEFAULT 1;
  CREATE INDEX sync_changes_export_order ON sync_changes (user_id, created_at, id);
`;

const ROW_SECURITY_SQL = `
  ALTER TABLE sync_changes ENABLE ROW LEVEL SECURITY;
  ALTER TABLE sync_changes FORCE ROW LEVEL SECURITY;
  CREATE POLICY sync_changes_owner ON sync_changes
    USING (user_id = current_setting('app.current_user_id', true))
    WITH CHECK (user_id = current_setting('app.current_user_id', true));
`;
