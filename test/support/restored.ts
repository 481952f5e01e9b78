// Logs to restore: exported from one database, and what is in another afterwards.
import type pg from 'pg';

import {
  type LogTableOptions,
  type RestoreInput,
  type RestoreOptions,
  type RestoreReport,
  pgExportStream,
  restoreToPostgres,
} from '../../src/postgres/index.js';
import type { PgPool } from '../../src/postgres/client.js';
import { USER } from './change-log.js';
import { collectText } from './collect.js';
import { type TestDatabase, withDatabase } from './database.js';
import { settlesWithin } from './deadline.js';

const NEVER_ENDS_MS = 60_000;

/** The whole log of a user as JSONL. */
export function exportOf(
  pool: pg.Pool,
  userId: string = USER,
  log?: LogTableOptions,
): Promise<string> {
  return collectText(pgExportStream(pool, { userId, log }));
}

/** As `restoreToPostgres` for {@link USER}, from a text too; a restore that never ends fails. */
export function restore(
  pool: PgPool,
  input: RestoreInput | string,
  options: Partial<RestoreOptions> = {},
): Promise<RestoreReport> {
  const from = typeof input === 'string' ? [Buffer.from(input)] : input;
  const restoring = restoreToPostgres(pool, from, { userId: USER, ...options });
  return settlesWithin(restoring, NEVER_ENDS_MS, 'The restore');
}

/** A database with an empty change log. */
export function withEmptyLog<T>(use: (db: TestDatabase, pool: pg.Pool) => Promise<T>): Promise<T> {
  return withDatabase(async (db) => {
    await db.createChangeLog();
    return use(db, db.pool());
  });
}

/** How many rows the log holds, of whomever. */
export async function countRows(db: TestDatabase): Promise<number> {
  const { rows } = await db.admin.query<{ count: string }>('SELECT count(*) FROM sync_changes');
  return Number(rows[0]?.count);
}

/** A line as an export writes it, with whatever the test is about. */
export function lineText(
  rowNumber: number,
  members: Readonly<Record<string, string>> = {},
): string {
  const second = String(rowNumber % 60).padStart(2, '0');
  const minute = String(Math.floor(rowNumber / 60) % 60).padStart(2, '0');
  const all = {
    eventId: `"00000000-0000-4000-8000-${rowNumber.toString(16).padStart(12, '0')}"`,
    schemaVersion: '1',
    appId: '"todo"',
    table: '"tasks"',
    id: `"row-${String(rowNumber)}"`,
    op: '"insert"',
    data: '{"title": "canary"}',
    clientId: '"client-a"',
    createdAt: `"2026-04-14T10:${minute}:${second}Z"`,
    ...members,
  };
  const parts = Object.entries(all).map(([name, value]) => `"${name}":${value}`);
  return `{${parts.join(',')}}\n`;
}
