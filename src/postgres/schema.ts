// The change log's table as DDL: made where it is missing, brought up to date where it is old.

import { createHash } from 'node:crypto';
import { refuseUnknown } from '../options.js';
import type { PgQueryable } from './client.js';
import { logTableOf, quotedRelation, quoteIdentifier } from './log-table.js';

/** Options of {@link migrateSyncChanges}. */
export interface MigrateSyncChangesOptions {
  /** Default `public`. Must exist. */
  readonly schema?: string | undefined;
  /** Default `sync_changes`. */
  readonly table?: string | undefined;
  /** Enable and force row-level security, with the policy on the user. Default true. */
  readonly rowSecurity?: boolean | undefined;
}

/** Options of {@link syncChangesSql}. */
export interface SyncChangesSqlOptions extends MigrateSyncChangesOptions {
  /**
   * Make the index with CREATE INDEX CONCURRENTLY, as a second statement that has to be run outside
   * a transaction. Default false.
   */
  readonly concurrently?: boolean | undefined;
}

/**
 * Makes or updates the change log's table: columns (also where the table is from before
 * `schema_version`), the index `(user_id, created_at, id)` that serves the export's order, and
 * row-level security, enabled and forced, with the policy
 * `user_id = current_setting('app.current_user_id', true)` for reading and writing. The host's own
 * queries then see and write only rows of the user that their transaction has set there. For tables
 * whose columns have the default names.
 *
 * Idempotent: what is there is left alone and takes no lock that writers would notice. All or
 * nothing, as one statement; runs inside a transaction of the host's as well.
 *
 * @param client - a `pg.Client`, `pg.PoolClient` or `pg.Pool` of a role that may do this
 * @throws TypeError for invalid options; what `pg` throws otherwise
 *
 * @example
 * ```ts
 * import pg from 'pg';
 * import { migrateSyncChanges } from 'backup-streams/postgres';
 *
 * const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] });
 * await migrateSyncChanges(pool);
 * ```
 */
export async function migrateSyncChanges(
  client: PgQueryable,
  options: MigrateSyncChangesOptions = {},
): Promise<void> {
  refuseUnknown('migrateSyncChanges', options, ['schema', 'table', 'rowSecurity']);
  await client.query(syncChangesSql(options));
}

/**
 * The same as text, for a host's own migrations.
 *
 * @returns one statement, or two with `concurrently`
 * @throws TypeError for invalid options
 */
export function syncChangesSql(options: SyncChangesSqlOptions = {}): string {
  refuseUnknown('syncChangesSql', options, ['schema', 'table', 'rowSecurity', 'concurrently']);
  const { schema, table, rowSecurity = true, concurrently = false } = options;
  for (const [name, value] of Object.entries({ rowSecurity, concurrently })) {
    if (typeof value !== 'boolean') throw new TypeError(`${name} must be a boolean`);
  }
  const log = logTableOf({ schema, table });
  if (`${log.schema}${log.table}`.includes('$')) {
    throw new TypeError('schema and table must not hold $ for a migration');
  }
  const names: Names = {
    relation: quotedRelation(log),
    literal: `'${quotedRelation(log).replaceAll("'", "''")}'`,
    index: quoteIdentifier(derivedName(log.table, 'export_order')),
    policy: derivedName(log.table, 'user'),
  };
  const body = [
    createTable(names),
    addColumn(names),
    ...(concurrently ? [] : [createIndex(names)]),
    ...(rowSecurity ? [secureRows(names)] : []),
  ];
  const migration = `DO $sync_changes$
BEGIN
  -- One migration at a time: IF NOT EXISTS alone can fail when two begin together.
  PERFORM pg_advisory_xact_lock(hashtextextended('backup-streams/sync_changes', 0));
${body.join('\n')}
END
$sync_changes$;
`;
  return concurrently
    ? `${migration}\nCREATE INDEX CONCURRENTLY IF NOT EXISTS ${names.index}
  ON ${names.relation} (user_id, created_at, id);\n`
    : migration;
}

// Postgres cuts names at 63 bytes, so that those of two long tables could become one, or the table's
// own: a name that is too long carries a digest instead of its end.
function derivedName(table: string, suffix: string): string {
  if (Buffer.byteLength(`${table}_${suffix}`) <= 63) return `${table}_${suffix}`;
  const ending = `_${createHash('sha256').update(table).digest('hex').slice(0, 8)}_${suffix}`;
  let stem = table;
  while (Buffer.byteLength(stem + ending) > 63) stem = stem.slice(0, -1);
  return stem.toWellFormed() + ending;
}

interface Names {
  /** Quoted, schema-qualified. */
  readonly relation: string;
  /** The same as a literal. */
  readonly literal: string;
  readonly index: string;
  /** Not quoted. */
  readonly policy: string;
}

function createTable({ relation, literal }: Names): string {
  return `
  -- Asked first: IF NOT EXISTS alone needs the right to create even where nothing is to be made.
  IF to_regclass(${literal}) IS NULL THEN
    CREATE TABLE ${relation} (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      app_id text NOT NULL,
      table_name text NOT NULL,
      record_id text NOT NULL,
      user_id text NOT NULL,
      op text NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
      data jsonb,
      field_timestamps jsonb DEFAULT '{}',
      client_id text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      schema_version int NOT NULL DEFAULT 1
    );
  END IF;`;
}

function addColumn({ relation, literal }: Names): string {
  return `
  -- Tables from before schema versions: their rows count as version 1.
  IF NOT EXISTS (SELECT FROM pg_attribute
                  WHERE attrelid = ${literal}::regclass AND attname = 'schema_version'
                    AND NOT attisdropped) THEN
    ALTER TABLE ${relation} ADD COLUMN schema_version int NOT NULL DEFAULT 1;
  END IF;`;
}

function createIndex({ relation, literal, index }: Names): string {
  return `
  -- The export's filter and order; without it every export sorts the user's whole log.
  IF NOT EXISTS (SELECT FROM pg_index
                  WHERE indrelid = ${literal}::regclass AND indisvalid AND indpred IS NULL
                    AND pg_get_indexdef(indexrelid) LIKE '%(user_id, created_at, id)%') THEN
    CREATE INDEX ${index} ON ${relation} (user_id, created_at, id);
  END IF;`;
}

function secureRows({ relation, literal, policy }: Names): string {
  const isUsers = "user_id = current_setting('app.current_user_id', true)";
  return `
  -- Forced, so that the owner is held to the policy too.
  IF NOT (SELECT relrowsecurity AND relforcerowsecurity FROM pg_class
           WHERE oid = ${literal}::regclass) THEN
    ALTER TABLE ${relation} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policy
                  WHERE polrelid = ${literal}::regclass
                    AND polname = '${policy.replaceAll("'", "''")}') THEN
    CREATE POLICY ${quoteIdentifier(policy)} ON ${relation}
      USING (${isUsers})
      WITH CHECK (${isUsers});
  END IF;`;
}
