// Tenancy and the transaction's settings: what must hold before the first row is read, and still
// hold after the last one.

import type { PgClient } from './client.js';
import type { LogScope } from './export-options.js';
import { userSetting } from './export-options.js';
import { readLogFacts } from './log-facts.js';
import { isStandardLog, relationOf } from './log-table.js';
import { assertRowSecurity } from './policy-gap.js';
import {
  assertSpelling,
  newerSettingCalls,
  sessionSettingCalls,
  settingChanged,
  spellingReads,
} from './session-settings.js';
import { logMissing, outOfProtocol } from './source-error.js';
import type { SourcePlace } from './source-error.js';
import { checkUserSpelling } from './user-spelling.js';

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
  scope: LogScope,
): Promise<void> {
  const calls = [...sessionSettingCalls(scope), ...newerSettingCalls(scope)];
  await client.query(`BEGIN ${mode}; SELECT ${calls.join(', ')}`);
}

/**
 * Sets the host's settings, the user's id among them, local to the transaction; and its own once more,
 * since a `connect` handler that the pool does not wait for may have put a SET after BEGIN.
 */
export async function applySettings(client: PgClient, scope: LogScope): Promise<void> {
  const calls = scope.settings.map(
    (_, index) =>
      `pg_catalog.set_config($${index * 2 + 1}::pg_catalog.text, $${index * 2 + 2}::pg_catalog.text, true)`,
  );
  await client.query(
    `SELECT ${[...sessionSettingCalls(scope), ...calls].join(', ')}`,
    scope.settings.flat(),
  );
}

/**
 * Checks that the log is there with its columns, that the user's id is spelt as the log holds it, and
 * that row-level security holds for this role.
 *
 * @throws BackupError `BACKUP_SOURCE_FAILED` naming what is missing, the column whose type spells the
 * id otherwise, or a setting that was changed; `BACKUP_TENANCY_UNSAFE`; `BACKUP_TENANCY_MISMATCH`
 */
export async function checkLog(
  client: PgClient,
  scope: LogScope,
  place: SourcePlace,
): Promise<void> {
  const { log } = scope;
  const facts = await readLogFacts(client, log);
  if (facts === undefined) throw logMissing(place, { advises: isStandardLog(log) });
  if (facts.encoding !== 'UTF8') throw outOfProtocol('its encoding is not UTF8', place);
  const { columns, extraColumns } = log;
  const needed = [...Object.values(columns), ...extraColumns.map(([, column]) => column)];
  const column = needed.find((name) => !facts.columns.includes(name));
  if (column !== undefined) {
    // The one column that the migration adds to a table that is there.
    const advises = isStandardLog(log) && column === columns.schemaVersion;
    throw logMissing(place, { advises, column });
  }
  assertSpelling(facts.spelling, place);
  assertRowSecurity(facts, scope);
  const { userType: type } = facts;
  if (type !== null) await checkUserSpelling(client, scope, { type, place });
}

/**
 * Reads the settings again before COMMIT: a cursor whose policies read a setting that was changed
 * can end cleanly with rows missing, and values may be spelt in another encoding or time zone.
 *
 * @throws BackupError `BACKUP_TENANCY_MISMATCH` naming a setting that decides which rows are seen,
 * `BACKUP_SOURCE_FAILED` naming one that decides how they are spelt
 */
export async function checkSettings(
  client: PgClient,
  scope: LogScope,
  rowCount: number,
): Promise<void> {
  const { settings, log } = scope;
  const names = settings.map(([name]) => name);
  const reads = names.map(
    (_, index) => `pg_catalog.current_setting($${index + 1}::pg_catalog.text, true)`,
  );
  const { rows } = await client.query(
    `SELECT pg_catalog.json_build_array(${[...reads, ...spellingReads].join(', ')})::pg_catalog.text AS settings`,
    names,
  );
  const values = JSON.parse((rows[0] as { readonly settings: string }).settings) as unknown[];
  const changed = settings.find(([, value], index) => values[index] !== value);
  if (changed !== undefined) {
    const [name] = changed;
    throw settingChanged(name, rowCount, name === userSetting ? 'the user' : undefined);
  }
  const place = { stage: 'end', rowCount, relation: relationOf(log) } as const;
  assertSpelling(values.slice(names.length), place);
}
