// What every transaction sets for itself: nothing that the host has set for role, database or session
// then changes a byte of what is read, or stands in the way of a slow reader.

import { BackupError } from '../errors.js';
import { maxTimerMs } from '../options.js';
import { ge } from './catalog-sql.js';
import type { LogScope } from './export-options.js';
import { outOfSettings } from './source-error.js';
import type { SourcePlace } from './source-error.js';

/** The server's own limit comes after the session's, which says more, by this much. */
const serverGraceMs = 1000;

/** How often the server looks whether its client is still there, in milliseconds. */
const connectionCheckMs = 500;

/** Settings that decide what is read and how it is spelt, as `current_setting` tells them. */
const spelling: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  // Up to version 11 all digits need to be asked for; from 12 on anything above 0 gives them.
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmlbinary: 'base64',
  row_security: 'on',
};

/** The calls that set what a transaction needs, local to it, as items of a SELECT. */
export function sessionSettingCalls({ maxDurationMs, stallTimeoutMs }: LogScope): string[] {
  const serverLimitMs = serverLimitOf(maxDurationMs);
  const settings: Readonly<Record<string, string | number>> = {
    ...spelling,
    statement_timeout: serverLimitMs,
    lock_timeout: stallTimeoutMs,
    // Idle for the server is also an export whose last bytes wait for a slow reader or for a hook.
    idle_in_transaction_session_timeout: serverLimitMs,
    // Rows are wanted at once and in the order of the index: a sort of the whole log is the planner's
    // last resort, and compiling the query would only delay the first row.
    enable_sort: 'off',
    jit: 'off',
  };
  return Object.entries(settings).map(([name, value]) => setLocally(name, value));
}

/**
 * As {@link sessionSettingCalls}, for what not every server knows: version 17 and 14 brought these; the
 * second works on Linux, from version 16 on other Unixes too, and is an error elsewhere. A
 * transaction_timeout that is already running is not changed by another value: it has to be switched
 * off first.
 */
export function newerSettingCalls({ maxDurationMs }: LogScope): string[] {
  return [
    whenKnown('transaction_timeout', 0),
    whenKnown('transaction_timeout', serverLimitOf(maxDurationMs)),
    whenKnown('client_connection_check_interval', connectionCheckMs, canCheckConnection),
  ];
}

/** Reads what {@link assertSpelling} looks at, as items of a JSON array. */
export const spellingReads = Object.keys(spelling).map(
  (name) => `pg_catalog.current_setting('${name}')`,
);

/**
 * Checks that nobody has changed what decides how rows are read: another query on the leased client,
 * such as one of a `connect` handler that the pool does not wait for, or a function of the host's.
 *
 * @param values - what {@link spellingReads} gave
 * @throws BackupError `BACKUP_TENANCY_MISMATCH` for `row_security`, otherwise `BACKUP_SOURCE_FAILED`;
 * both name the setting
 */
export function assertSpelling(values: readonly unknown[], place: SourcePlace): void {
  const changed = Object.entries(spelling).find(([, value], index) => values[index] !== value);
  if (changed === undefined) return;
  const [setting] = changed;
  if (setting === 'row_security') throw settingChanged(setting, place.rowCount);
  throw outOfSettings(setting, place);
}

/** A setting that tenancy rests on is not what the export has set. */
export function settingChanged(
  setting: string,
  rowCount: number,
  what = 'a setting that policies may read',
): BackupError<'BACKUP_TENANCY_MISMATCH'> {
  return new BackupError(
    'BACKUP_TENANCY_MISMATCH',
    `${what} was changed while rows were read (${setting}): rows may be missing`,
    { found: 'setting', setting, rowCount },
  );
}

const canCheckConnection = `(pg_catalog.version() OPERATOR(pg_catalog.~*) 'linux'
  OR pg_catalog.version() OPERATOR(pg_catalog.~*) 'darwin|bsd'
  AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 ${ge} 160000)`;

function serverLimitOf(maxDurationMs: number): number {
  return Math.min(maxDurationMs + serverGraceMs, maxTimerMs);
}

function setLocally(name: string, value: string | number): string {
  return `pg_catalog.set_config('${name}', '${value}', true)`;
}

function whenKnown(name: string, value: number, condition = 'true'): string {
  const isKnown = `pg_catalog.current_setting('${name}', true) IS NOT NULL`;
  return `CASE WHEN ${isKnown} AND ${condition} THEN ${setLocally(name, value)} END`;
}
