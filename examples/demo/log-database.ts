// The database that the demo exports from: one of its own with a made-up log, or an existing one.
import { randomBytes } from 'node:crypto';
import { migrateSyncChanges } from 'backup-streams/postgres';
import pg from 'pg';
import { SAMPLE_USERS, sampleRows, writeRows } from '../../dev/sample-log.js';
import { startPostgres } from '../../dev/postgres-server.js';
import { DemoError } from './options.js';
import { countText, ProgressLine, Stopwatch } from './wording.js';

/** What the steps of the demo need around them. */
export interface Stage {
  /** Prints a line. */
  say(line: string): void;
  /** Registers what has to be undone at the end, however the demo ends. */
  atEnd(undo: () => unknown): void;
}

/** A database with a change log in it. */
export interface LogDatabase {
  /** Connections of the role that the service runs as. */
  readonly pool: pg.Pool;
  /** Reads past this library, to have something to hold its work against. */
  readonly witness: Witness;
}

/**
 * Starts a Postgres that is gone when the demo ends, with a plain role and a log of several users.
 *
 * @param userId - has rows in it, besides others
 */
export async function makeDatabase(
  { userId, rowCount }: { readonly userId: string; readonly rowCount: number },
  stage: Stage,
): Promise<LogDatabase> {
  let watch = new Stopwatch();
  const server = await startPostgres();
  stage.atEnd(() => server.stop());
  stage.say(
    `Started a Postgres for this demo alone, on ${server.host}:${server.port} (${watch.text()})`,
  );

  watch = new Stopwatch();
  const admin = openPool(server.superuserUrl, stage);
  await migrateSyncChanges(admin);
  // A plain role, as a service should have: row-level security does nothing for a superuser.
  const role = { user: 'sync_service', password: randomBytes(12).toString('hex') };
  await admin.query(`CREATE ROLE ${role.user} LOGIN PASSWORD '${role.password}'`);
  await admin.query(`GRANT SELECT ON sync_changes TO ${role.user}`);
  const others = SAMPLE_USERS.filter((other) => other !== userId);
  const rows = sampleRows({ count: rowCount, userIds: [userId, ...others] });
  await writeRows(admin, withProgress(rows, rowCount));
  await admin.query('ANALYZE sync_changes');
  const apps = await admin.query('SELECT DISTINCT app_id FROM sync_changes');
  stage.say(
    `Wrote a change log of ${countText(rowCount)} rows: ${others.length + 1} users, ` +
      `${apps.rows.length} apps (${watch.text()})`,
  );
  return { pool: openPool(server.url(role), stage), witness: new Witness(admin) };
}

function* withProgress<T>(rows: Iterable<T>, total: number): Generator<T> {
  const progress = new ProgressLine(process.stdout);
  let count = 0;
  for (const row of rows) {
    count += 1;
    progress.show(() => `  ${countText(count)} of ${countText(total)} rows written`);
    yield row;
  }
  progress.clear();
}

/** Takes an existing database, which is only read. */
export function openDatabase(databaseUrl: string, stage: Stage): LogDatabase {
  const pool = openPool(databaseUrl, stage);
  const { host, pathname } = new URL(databaseUrl); // without the password
  return { pool, witness: new Witness(pool, `${host}${pathname}`) };
}

function openPool(connectionString: string, stage: Stage): pg.Pool {
  const pool = new pg.Pool({ connectionString, connectionTimeoutMillis: 10_000 });
  pool.on('error', () => undefined); // an idle client; whoever needs one next is told
  // Not waited for: after Ctrl-C a query may still be running.
  stage.atEnd(() => void pool.end());
  return pool;
}

/** Plain SQL on the change log. */
export class Witness {
  readonly #pool: pg.Pool;
  readonly #where: string;

  constructor(pool: pg.Pool, where = 'the demo database') {
    this.#pool = pool;
    this.#where = where;
  }

  /**
   * The ids of a user's rows: all of them, or those among `ids`.
   *
   * @throws DemoError when the log cannot be read
   */
  async eventIds(userId: string, ids?: readonly string[]): Promise<Set<string>> {
    const client = await this.#tell(this.#pool.connect());
    try {
      await this.#tell(client.query('BEGIN READ ONLY'));
      await this.#tell(
        client.query(`SELECT set_config('app.current_user_id', $1, true)`, [userId]),
      );
      const among = ids === undefined ? '' : 'AND id = ANY($2::uuid[])';
      const { rows } = await this.#tell(
        client.query<[string]>({
          text: `SELECT id::text FROM sync_changes WHERE user_id = $1 ${among}`,
          values: ids === undefined ? [userId] : [userId, ids],
          rowMode: 'array',
        }),
      );
      return new Set(rows.map(([id]) => id));
    } finally {
      client.release(true);
    }
  }

  async #tell<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw new DemoError(`Cannot read sync_changes in ${this.#where}: ${reasonOf(error)}.`);
    }
  }
}

/** One short reason; an attempt on several addresses has no message of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error && error.message !== '' ? error.message : 'unknown error';
}
