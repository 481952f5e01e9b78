// The database of a run: a plain role, the change log with row-level security, and logs of many sizes in it.
import { randomBytes } from 'node:crypto';
import pg from 'pg';

import { type BulkSize, insertBulkRows, measureJsonlBytes } from '../dev/bulk-log.js';
import { connectOrStart } from '../dev/postgres-server.js';
import { exportRequestOf } from '../src/postgres/export-options.js';
import { migrateSyncChanges } from '../src/postgres/index.js';
import { selectLog } from '../src/postgres/select-log.js';
import { LANE_SETTINGS, SELECT_SQL } from './peer-session.js';

/** One user's log. */
export interface Log {
  readonly userId: string;
  readonly size: BulkSize;
  readonly rows: number;
}

/** A {@link Log} that is in the database. */
export interface StoredLog extends Log {
  /** Length of its export. */
  readonly jsonlBytes: number;
  /** The byte lane's own COPY command. */
  readonly copySql: string;
}

/** How the server goes about a query: the plan's top node and the index that it reads. */
export interface QueryPlan {
  readonly query: string;
  readonly plan: string;
}

/** A database for the length of a run. */
export interface BenchDatabase {
  /** Connection string of the plain role. */
  readonly appUrl: string;
  /** Such as `18.4`. */
  readonly serverVersion: string;
  /** Makes the rows of a log, unless they are there, and reads them once. */
  store(log: Log): Promise<StoredLog>;
  /** Has the server tidy up what filling has left, so that no later read does. */
  settle(): Promise<void>;
  explain(log: StoredLog): Promise<readonly QueryPlan[]>;
  readonly close: () => Promise<void>;
}

// Nothing in the background while something is measured. Everything that a query uses is at its default.
export const QUIET_SERVER = {
  autovacuum: 'off',
  checkpoint_timeout: '1h',
  max_wal_size: '4GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
} as const;

const ROWS_PER_INSERT = 100_000;

/** A database with an empty log, for the length of a run. */
export interface EmptyDatabase {
  /** Connected as a superuser. */
  readonly admin: pg.Client;
  /** The plain role. */
  readonly appUser: string;
  /** Connection string of the plain role. */
  readonly appUrl: string;
  /** Such as `18.4`. */
  readonly serverVersion: string;
  readonly close: () => Promise<void>;
}

/** Makes a database on the server that `DATABASE_URL` names, or on one of its own. */
export async function openEmptyDatabase(): Promise<EmptyDatabase> {
  const server = await connectOrStart({ settings: QUIET_SERVER, needsSuperuser: true });
  const name = `backup_streams_bench_${randomBytes(6).toString('hex')}`;
  const role = { user: `${name}_app`, password: randomBytes(12).toString('hex') };
  const maintenance = new pg.Client({ connectionString: server.superuserUrl });
  await maintenance.connect();
  await maintenance.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
  await maintenance.query(`CREATE ROLE ${role.user} LOGIN PASSWORD '${role.password}'`);
  const admin = new pg.Client({ connectionString: server.url({ database: name }) });
  await admin.connect();
  await migrateSyncChanges(admin);
  const { rows } = await admin.query<{ server_version: string }>('SHOW server_version');
  return {
    admin,
    appUser: role.user,
    appUrl: server.url({ database: name, ...role }),
    serverVersion: rows[0]?.server_version ?? 'unknown',
    close: async () => {
      await admin.end();
      await maintenance.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await maintenance.query(`DROP ROLE ${role.user}`);
      await maintenance.end();
      await server.stop();
    },
  };
}

/** Makes a database for exports. */
export async function openBenchDatabase(): Promise<BenchDatabase> {
  const { admin, appUser, appUrl, serverVersion, close } = await openEmptyDatabase();
  await admin.query(`GRANT SELECT ON sync_changes TO ${appUser}`);
  return {
    appUrl,
    serverVersion,
    store: (log) => store(admin, log),
    settle: async () => {
      await admin.query('VACUUM (ANALYZE) sync_changes');
      await admin.query('CHECKPOINT');
    },
    explain: (log) => explain(appUrl, log),
    close,
  };
}

async function store(admin: pg.Client, log: Log): Promise<StoredLog> {
  const { userId, rows, size } = log;
  for (let firstNumber = 1; firstNumber <= rows; firstNumber += ROWS_PER_INSERT) {
    const count = Math.min(ROWS_PER_INSERT, rows - firstNumber + 1);
    await insertBulkRows(admin, { userId, count, size, firstNumber });
  }
  const select = selectLog(exportRequestOf({ userId }, []), (value) => admin.escapeLiteral(value));
  return {
    ...log,
    jsonlBytes: await measureJsonlBytes(admin, userId),
    copySql: `COPY (${select}) TO STDOUT (FORMAT binary)`,
  };
}

async function explain(appUrl: string, log: StoredLog): Promise<readonly QueryPlan[]> {
  const client = new pg.Client({ connectionString: appUrl });
  await client.connect();
  try {
    const copied = log.copySql.slice('COPY ('.length, -') TO STDOUT (FORMAT binary)'.length);
    const peers = SELECT_SQL.replace('$1', client.escapeLiteral(log.userId));
    return [
      await planOf(client, log, { query: "this library's", text: copied, settings: LANE_SETTINGS }),
      await planOf(client, log, { query: "the peers'", text: peers, settings: LANE_SETTINGS }),
      await planOf(client, log, {
        query: "with the server's settings",
        text: copied,
        settings: {},
      }),
    ];
  } finally {
    await client.end();
  }
}

interface Question {
  readonly query: string;
  readonly text: string;
  readonly settings: Readonly<Record<string, string>>;
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

async function planOf(client: pg.Client, log: Log, question: Question): Promise<QueryPlan> {
  const settings = { 'app.current_user_id': log.userId, ...question.settings };
  await client.query('BEGIN');
  for (const [name, value] of Object.entries(settings)) {
    await client.query('SELECT set_config($1, $2, true)', [name, value]);
  }
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
    `EXPLAIN (FORMAT JSON) ${question.text}`,
  );
  await client.query('COMMIT');
  const plan = rows[0]?.['QUERY PLAN'][0].Plan;
  return { query: question.query, plan: plan === undefined ? 'unknown' : describeNode(plan) };
}

function describeNode(node: PlanNode): string {
  const index = node['Index Name'];
  const own = index === undefined ? node['Node Type'] : `${node['Node Type']} using ${index}`;
  return [own, ...(node.Plans ?? []).map(describeNode)].join(' ← ');
}
