// The change log's table as DDL: made where it is missing, brought up to date where it is old.

import { createHash } from 'node:crypto';
import { booleanOption, refuseUnknown } from '../options.js';
import { eq, like } from './catalog-sql.js';
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
   * a transaction. Where it fails, it leaves an index behind that is not valid, and passes over that one
   * when it is run again: the first statement then warns, with what to run in the warning's hint.
   * Default false.
   */
  readonly concurrently?: boolean | undefined;
}

/**
 * Makes the change log's table. To a table that is there it adds what is missing of these, and no other
 * column:
 *
 * - the column `schema_version`, with 1 for the rows that are there;
 * - an index `(user_id, created_at, id)`, which serves the export's order. One of its own name that a
 *   failed `CREATE INDEX CONCURRENTLY` has left behind is built anew;
 * - row-level security, enabled and forced, with the policy
 *   `user_id = current_setting('app.current_user_id', true)` for reading and writing. The host's own
 *   queries then see and write only rows of the user that their transaction has set there.
 *
 * The table is taken as it is, whoever owns it: let nobody else create in its schema. For tables whose
 * columns have the default names.
 *
 * Run again, it changes nothing and takes no lock that writers would notice. All or nothing, as one
 * statement; runs inside a transaction of the host's as well. Whatever the role's `search_path` finds
 * first, it uses PostgreSQL's own functions, operators and types.
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
  const { schema, table } = options;
  const rowSecurity =
    options.rowSecurity === undefined || booleanOption('rowSecurity', options.rowSecurity);
  const concurrently = booleanOption('concurrently', options.concurrently);
  const log = logTableOf({ schema, table });
  if (`${log.schema}${log.table}`.includes('$')) {
    throw new TypeError('schema and table must not hold $ for a migration');
  }
  const index = derivedName(log.table, 'export_order');
  const policy = derivedName(log.table, 'user');
  const names: Names = {
    relation: quotedRelation(log),
    regclass: `${quoteLiteral(quotedRelation(log))}::pg_catalog.regclass`,
    index: quoteIdentifier(index),
    qualifiedIndex: quotedRelation({ ...log, table: index }),
    indexName: quoteLiteral(index),
    policy: quoteIdentifier(policy),
    policyName: quoteLiteral(policy),
  };
  const body = [
    createTable(names),
    addColumn(names),
    concurrently ? warnOfIndex(names) : createIndex(names),
    ...(rowSecurity ? [secureRows(names)] : []),
  ];
  const migration = `DO $sync_changes$
BEGIN
  -- One migration at a time: IF NOT EXISTS alone can fail when two begin together.
  PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('backup-streams/sync_changes', 0));
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

function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

interface Names {
  /** Quoted, schema-qualified. */
  readonly relation: string;
  /** The relation as a value of SQL. */
  readonly regclass: string;
  /** Quoted; without a schema, as CREATE INDEX takes it. */
  readonly index: string;
  readonly qualifiedIndex: string;
  /** As a literal. */
  readonly indexName: string;
  /** Quoted. */
  readonly policy: string;
  /** As a literal. */
  readonly policyName: string;
}

function createTable({ relation }: Names): string {
  return `
  -- Asked first: IF NOT EXISTS alone needs the right to create even where nothing is to be made.
  IF pg_catalog.to_regclass(${quoteLiteral(relation)}) IS NULL THEN
    CREATE TABLE ${relation} (
      id pg_catalog.uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
      app_id pg_catalog.text NOT NULL,
      table_name pg_catalog.text NOT NULL,
      record_id pg_catalog.text NOT NULL,
      user_id pg_catalog.text NOT NULL,
      op pg_catalog.text NOT NULL CHECK (op ${eq} ANY (ARRAY['insert', 'update', 'delete'])),
      data pg_catalog.jsonb,
      field_timestamps pg_catalog.jsonb DEFAULT '{}',
      client_id pg_catalog.text NOT NULL,
      created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
      schema_version pg_catalog.int4 NOT NULL DEFAULT 1
    );
  END IF;`;
}

function addColumn({ relation, regclass }: Names): string {
  return `
  -- Tables from before schema versions: their rows count as version 1.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute
                  WHERE attrelid ${eq} ${regclass} AND attname ${eq} 'schema_version'
                    AND NOT attisdropped) THEN
    ALTER TABLE ${relation} ADD COLUMN schema_version pg_catalog.int4 NOT NULL DEFAULT 1;
  END IF;`;
}

function createIndex(names: Names): string {
  return `
  -- The export's filter and order; without it every export sorts the user's whole log.
  IF NOT ${hasIndex(names, 'i.indisvalid')} THEN
    IF ${hasIndex(names, leftBehind(names))} THEN
      REINDEX INDEX ${names.qualifiedIndex};
    ELSE
      CREATE INDEX ${names.index} ON ${names.relation} (user_id, created_at, id);
    END IF;
  END IF;`;
}

function warnOfIndex(names: Names): string {
  const remedy = `REINDEX INDEX CONCURRENTLY ${names.qualifiedIndex}`;
  return `
  -- IF NOT EXISTS below passes over it.
  IF ${hasIndex(names, leftBehind(names))} THEN
    RAISE WARNING '% is not valid: a build of it has failed, or is still at work', ${names.indexName}
      USING HINT = ${quoteLiteral(`If none is at work, run: ${remedy}`)};
  END IF;`;
}

function hasIndex({ regclass }: Names, condition: string): string {
  return `EXISTS (SELECT FROM pg_catalog.pg_index AS i
              JOIN pg_catalog.pg_class AS c ON c.oid ${eq} i.indexrelid
             WHERE i.indrelid ${eq} ${regclass} AND i.indpred IS NULL
               AND pg_catalog.pg_get_indexdef(i.indexrelid) ${like} '%(user_id, created_at, id)%'
               AND ${condition})`;
}

// What a CREATE INDEX CONCURRENTLY that fails leaves, to be filled by every write and read by nobody.
function leftBehind({ indexName }: Names): string {
  return `NOT i.indisvalid AND c.relkind ${eq} 'i' AND c.relname ${eq} ${indexName}`;
}

function secureRows({ relation, regclass, policy, policyName }: Names): string {
  const isUsers = `user_id ${eq} pg_catalog.current_setting('app.current_user_id', true)`;
  return `
  -- Forced, so that the owner is held to the policy too.
  IF NOT (SELECT relrowsecurity AND relforcerowsecurity FROM pg_catalog.pg_class
           WHERE oid ${eq} ${regclass}) THEN
    ALTER TABLE ${relation} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy
                  WHERE polrelid ${eq} ${regclass} AND polname ${eq} ${policyName}) THEN
    CREATE POLICY ${policy} ON ${relation}
      USING (${isUsers})
      WITH CHECK (${isUsers});
  END IF;`;
}
