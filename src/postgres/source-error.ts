// Errors of the driver and of the server as this library's own.

import { BackupError } from '../errors.js';
import type { SourceStage } from '../errors.js';

/** Where an export is when something happens to it. */
export interface SourcePlace {
  readonly stage: SourceStage;
  readonly rowCount: number;
  readonly relation: string;
}

const sqlStatePattern = /^[0-9A-Z]{5}$/;

const stageTexts: Readonly<Record<SourceStage, string>> = {
  connect: 'no connection to the database',
  begin: 'the export could not begin its transaction',
  check: 'the change log could not be checked',
  read: 'reading the change log failed',
  end: 'the export could not be completed',
};

/** Wraps what `pg` threw. Neither its message nor its detail is kept: they may quote rows. */
export function sourceFailed(
  cause: unknown,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  const sqlState = typeof code === 'string' && sqlStatePattern.test(code) ? code : undefined;
  const where = place.stage === 'connect' ? '' : ` (${place.relation}, ${place.rowCount} rows)`;
  return new BackupError(
    'BACKUP_SOURCE_FAILED',
    `${stageTexts[place.stage]}${where}${sqlState === undefined ? '' : `: SQLSTATE ${sqlState}`}`,
    { ...place, ...(sqlState !== undefined && { sqlState }) },
    cause,
  );
}

/** The pool gave no client to work with. `problem`: what is wrong with what it gave. */
export function clientUnusable(
  problem: string,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  return new BackupError('BACKUP_SOURCE_FAILED', `${stageTexts.connect}: ${problem}`, place);
}

/** The log or a column of it is not there. */
export function logMissing(
  place: SourcePlace,
  column?: string,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const what = column === undefined ? place.relation : `column ${column} of ${place.relation}`;
  return new BackupError(
    'BACKUP_SOURCE_FAILED',
    `there is no ${what}: name it in the option log, or run migrateSyncChanges`,
    column === undefined
      ? { ...place, sqlState: '42P01' }
      : { ...place, sqlState: '42703', column },
  );
}

/** The server broke its own protocol: what came does not prove a complete export. */
export function outOfProtocol(
  reason: string,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const message = `the database's answer does not prove a whole export: ${reason}`;
  return new BackupError('BACKUP_SOURCE_FAILED', message, place);
}
