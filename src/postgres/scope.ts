// Tenancy and the transaction's settings: what must hold before the first row is read, and still
// hold after the last one.

import { BackupError } from '../errors.js';
import type { TenancyGap } from '../errors.js';
import { maxTimerMs } from '../options.js';
import type { PgClient } from './client.js';
import type { ExportRequest } from './export-options.js';
import { userSetting } from './export-options.js';
import { relationOf } from './log-table.js';
import { logMissing, outOfProtocol } from './source-error.js';
import type { SourcePlace } from './source-error.js';

/** The server's own limit comes after the session's, which says more, by this much. */
const serverGraceMs = 1000;

/** How often the server looks whether its client is still there, in milliseconds. */
const connectionCheckMs = 500;

/**
 * Begins a transaction and sets what it needs, all of it local to it and in one round trip: nothing
 * that the host has set for role, database or session then changes what is read. The host's own
 * limits for the role do not apply: a slow reader is no slow statement.
 *
 * @param mode - the transaction's, as `BEGIN` takes it
 */
export async function beginTransaction(
  client: PgClient,
  mode: string,
  { maxDurationMs, stallTimeoutMs }: ExportRequest,
): Promise<void> {
  const serverLimitMs = Math.min(maxDurationMs + serverGraceMs, maxTimerMs);
  const settings: Readonly<Record<string, string | number>> = {
    client_encoding: 'UTF8',
    DateStyle: 'ISO, YMD',
    TimeZone: 'UTC',
    row_security: 'on',
    statement_timeout: serverLimitMs,
    lock_timeout: stallTimeoutMs,
    // Idle for the server is also an export whose last bytes wait for a slow reader or for a hook.
    idle_in_transaction_session_timeout: serverLimitMs,
    // Rows are wanted at once and in the order of the index: a sort of the whole log is the planner's
    // last resort, and compiling the query would only delay the first row.
    enable_sort: 'off',
    jit: 'off',
  };
  const calls = Object.entries(settings).map(([name, value]) => setLocally(name, value));
  // Not on every server: version 17 and 14 brought these; the second works on Linux, from version 16
  // on other Unixes too, and is an error elsewhere. A transaction_timeout that is already running is
  // not changed by another value: it has to be switched off first.
  const newer = [
    whenKnown('transaction_timeout', 0),
    whenKnown('transaction_timeout', serverLimitMs),
    whenKnown('client_connection_check_interval', connectionCheckMs, canCheckConnection),
  ];
  await client.query(`BEGIN ${mode}; SELECT ${[...calls, ...newer].join(', ')}`);
}

const canCheckConnection = `(pg_catalog.version() ~* 'linux' OR pg_catalog.version() ~* 'darwin|bsd'
  AND pg_catalog.current_setting('server_version_num')::int >= 160000)`;

function setLocally(name: string, value: string | number): string {
  return `pg_catalog.set_config('${name}', '${value}', true)`;
}

function whenKnown(name: string, value: number, condition = 'true'): string {
  const isKnown = `pg_catalog.current_setting('${name}', true) IS NOT NULL`;
  return `CASE WHEN ${isKnown} AND ${condition} THEN ${setLocally(name, value)} END`;
}

/** Sets the host's settings, the user's id among them, local to the transaction. */
export async function applySettings(
  client: PgClient,
  { settings }: Pick<ExportRequest, 'settings'>,
): Promise<void> {
  const calls = settings.map(
    (_, index) => `pg_catalog.set_config($${index * 2 + 1}, $${index * 2 + 2}, true)`,
  );
  await client.query(`SELECT ${calls.join(', ')}`, settings.flat());
}

interface LogFacts {
  readonly kind: string;
  readonly isEnabled: boolean;
  readonly isForced: boolean;
  readonly isActive: boolean;
  readonly isSuperuser: boolean;
  readonly bypasses: boolean;
  readonly isOwner: boolean;
  readonly encoding: string;
  readonly columns: readonly string[];
}

// One JSON text, so that type parsers which the host has replaced cannot change what is read.
const factsSql = `
  SELECT json_build_object(
           'kind', c.relkind::text,
           'isEnabled', c.relrowsecurity,
           'isForced', c.relforcerowsecurity,
           'isActive', pg_catalog.row_security_active(c.oid),
           'isSuperuser', r.rolsuper,
           'bypasses', r.rolbypassrls,
           'isOwner', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
           'encoding', current_setting('server_encoding'),
           'columns', ARRAY(SELECT a.attname::text
                              FROM pg_catalog.pg_attribute AS a
                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
         )::text AS facts
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_roles AS r ON r.rolname = current_user
   WHERE n.nspname = $1::text AND c.relname = $2::text`;

/**
 * Checks that the log is there with its columns and that row-level security holds for this role.
 *
 * @throws BackupError `BACKUP_SOURCE_FAILED` naming what is missing, `BACKUP_TENANCY_UNSAFE`
 */
export async function checkLog(
  client: PgClient,
  request: ExportRequest,
  place: SourcePlace,
): Promise<void> {
  const { log } = request;
  const { rows } = await client.query(factsSql, [log.schema, log.table]);
  const row = rows[0] as { readonly facts: string } | undefined;
  if (row === undefined) throw logMissing(place);
  const facts = JSON.parse(row.facts) as LogFacts;
  if (facts.encoding !== 'UTF8') throw outOfProtocol('its encoding is not UTF8', place);
  const needed = [...Object.values(log.columns), ...log.extraColumns.map(([, column]) => column)];
  const missing = needed.find((column) => !facts.columns.includes(column));
  if (missing !== undefined) throw logMissing(place, missing);
  const gap = request.rowSecurity === 'require' ? tenancyGap(facts) : undefined;
  if (gap === undefined) return;
  throw new BackupError(
    'BACKUP_TENANCY_UNSAFE',
    `row-level security would not hold for ${relationOf(log)}: ${gapTexts[gap]}`,
    { relation: relationOf(log), reason: gap },
  );
}

function tenancyGap(facts: LogFacts): TenancyGap | undefined {
  // Through a view the policies of its owner apply, which may be none.
  if (facts.kind !== 'r' && facts.kind !== 'p') return 'not-a-table';
  if (facts.isActive) return undefined;
  if (!facts.isEnabled) return 'disabled-on-table';
  if (facts.isSuperuser) return 'role-is-superuser';
  if (facts.bypasses) return 'role-bypasses-row-security';
  return facts.isOwner && !facts.isForced ? 'owner-without-force' : 'inactive';
}

const explicitOnly = "or pass rowSecurity: 'explicit-filter-only' if the filter alone shall do";

const gapTexts: Readonly<Record<TenancyGap, string>> = {
  'not-a-table': `it is not a table; name the base table, ${explicitOnly}`,
  'disabled-on-table': `it is not enabled; run migrateSyncChanges, ${explicitOnly}`,
  'role-is-superuser': `the role is a superuser; connect as a plain role, ${explicitOnly}`,
  'role-bypasses-row-security': `the role has BYPASSRLS; connect as a plain role, ${explicitOnly}`,
  'owner-without-force': `the role owns the table and FORCE is off; run migrateSyncChanges, ${explicitOnly}`,
  inactive: `it is not active for this role; connect as a plain role, ${explicitOnly}`,
};

/**
 * Reads the settings again before COMMIT: a cursor whose policies read a setting that was changed
 * can end cleanly with rows missing.
 *
 * @throws BackupError `BACKUP_TENANCY_MISMATCH` naming the setting
 */
export async function checkSettings(
  client: PgClient,
  request: ExportRequest,
  rowCount: number,
): Promise<void> {
  const names = request.settings.map(([name]) => name);
  const reads = names.map((_, index) => `current_setting($${index + 1}, true)`);
  const { rows } = await client.query(
    `SELECT json_build_array(${reads.join(', ')})::text AS settings`,
    names,
  );
  const values = JSON.parse((rows[0] as { readonly settings: string }).settings) as unknown[];
  const changed = request.settings.find(([, value], index) => values[index] !== value);
  if (changed === undefined) return;
  const [name] = changed;
  const what = name === userSetting ? 'the user' : 'a setting that policies may read';
  throw new BackupError(
    'BACKUP_TENANCY_MISMATCH',
    `${what} was changed while rows were read (${name}): rows may be missing`,
    { found: 'setting', setting: name, rowCount },
  );
}
