// Lines back into the change log: verified, staged, planned, and only then written.

import { hearErrors, refuseSpent } from '../stream/unread-source.js';
import { poolOption } from './client.js';
import type { PgPool } from './client.js';
import { isArchive, isRestoreInput } from './restore-input.js';
import type { RestoreInput } from './restore-input.js';
import { restoreRequestOf } from './restore-options.js';
import type { RestoreOptions } from './restore-options.js';
import type { RestoreReport } from './restore-report.js';
import { RestoreRun } from './restore-run.js';

/**
 * Restores lines into a user's change log in Postgres. Doing it twice is the same as doing it once.
 *
 * Nothing is written before everything is checked: an archive is verified in the pass that stages its
 * lines in a temporary table, and the stage is held against the log. Then all is written in one
 * transaction, or in several that can be resumed (`batchSize`). Where the user has no rows yet and the
 * id has a unique key, writing itself is what finds an id that is taken; all is taken back then, and
 * planned. Events that are there with the same content are skipped. Every digit of a number and every
 * microsecond stays, and lines that an export wrote come out of the next export the same; other
 * lines take the spelling of `jsonb`, which writes 1e2 as 100 and sorts members. A table that would
 * make other rows of the lines than they say (its columns' types, its triggers, its rules) fails the
 * restore. Rows are always the given user's, and row-level security stays on.
 *
 * One client is leased. It comes back clean after COMMIT or a dry run; after a failure it is destroyed.
 * Two restores of one user wait for each other. The role needs the right to make temporary tables.
 *
 * @param pool - a `pg.Pool`
 * @param input - an archive, which stays open; or lines, or JSONL bytes, which are read once and
 * checked line by line
 * @returns what was done; with `dryRun` what would be done. An id that another user's event has is
 * only found by writing
 * @throws TypeError or RangeError at the call for invalid options; BackupError: what verifying
 * the archive finds; `BACKUP_LINE_INVALID`, `BACKUP_LIMIT_EXCEEDED`, `BACKUP_SCHEMA_UNSUPPORTED`,
 * `BACKUP_UPCAST_FAILED`, `BACKUP_RESTORE_CONFLICT`, `BACKUP_TENANCY_UNSAFE`,
 * `BACKUP_TENANCY_MISMATCH`, `BACKUP_SINK_FAILED`, `BACKUP_SINK_STALLED`, `BACKUP_SOURCE_STALLED`,
 * `BACKUP_HOOK_FAILED`, `BACKUP_COMMIT_UNKNOWN`; `signal.reason` after an abort; whatever else the
 * input fails with, as it is
 *
 * @example
 * ```ts
 * import pg from 'pg';
 * import type { Archive } from 'backup-streams';
 * import { restoreToPostgres } from 'backup-streams/postgres';
 *
 * async function restore(pool: pg.Pool, archive: Archive, userId: string): Promise<void> {
 *   const plan = await restoreToPostgres(pool, archive, { userId, dryRun: true });
 *   if (!plan.ok) throw new Error(plan.refused[0]?.message ?? `${plan.conflictCount} conflicts`);
 *   const report = await restoreToPostgres(pool, archive, { userId });
 *   console.log(`${report.newCount} restored, ${report.presentCount} were there`);
 * }
 * ```
 */
export async function restoreToPostgres(
  pool: PgPool,
  input: RestoreInput,
  options: RestoreOptions,
): Promise<RestoreReport> {
  if (isRestoreInput(input) && !isArchive(input)) {
    refuseSpent(input);
    hearErrors(input);
  }
  poolOption(pool);
  const request = restoreRequestOf(options);
  if (!isRestoreInput(input)) {
    throw new TypeError('a restore takes an archive, or an iterable of lines or bytes');
  }
  const { verify } = request;
  if (isArchive(input)) {
    // Made and not begun: it checks what the archive is asked for, before anything is connected to.
    input.verifiedLines(verify);
  } else if (
    verify.trustedKeys !== undefined ||
    (verify.requireSignature ?? false) ||
    verify.expectArchiveId !== undefined
  ) {
    throw new TypeError(
      'trustedKeys, requireSignature and expectArchiveId are asked of an archive: lines and bytes have no signature',
    );
  }
  return new RestoreRun(pool, input, request).run();
}
