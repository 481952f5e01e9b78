// Errors of the driver and of the server as this library's own.

import { systemCodeOf } from '../error-cause.js';
import { BackupError } from '../errors.js';
import type { SourceStage } from '../errors.js';
import { sqlStateOf } from './sql-state.js';

/** Where an export is when something happens to it. */
export interface SourcePlace {
  readonly stage: SourceStage;
  readonly rowCount: number;
  readonly relation: string;
}

const insufficientPrivilege = '42501';

const stageTexts: Readonly<Record<SourceStage, string>> = {
  connect: 'no connection to the database',
  begin: 'the export could not begin its transaction',
  check: 'the change log could not be checked',
  read: 'reading the change log failed',
  end: 'the export could not be completed',
};

/** What the role must be allowed at each stage. */
const neededPrivileges: Readonly<Record<SourceStage, string>> = {
  connect: 'CONNECT on the database',
  begin: 'the right to set what the option settings names',
  check: 'SELECT on the table and USAGE on its schema',
  read: 'SELECT on every column that is exported, USAGE on the schema, and what the policies use',
  end: 'the right to read what the option settings names',
};

/** Wraps what `pg` threw. Neither its message nor its detail is kept: they may quote rows. */
export function sourceFailed(
  cause: unknown,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const sqlState = sqlStateOf(cause);
  const where = place.stage === 'connect' ? '' : ` (${place.relation}, ${place.rowCount} rows)`;
  const what = sqlState === undefined ? systemCodeOf(cause) : `SQLSTATE ${sqlState}`;
  const advice =
    sqlState === insufficientPrivilege ? `; the role needs ${neededPrivileges[place.stage]}` : '';
  return new BackupError(
    'BACKUP_SOURCE_FAILED',
    `${stageTexts[place.stage]}${where}${what === undefined ? '' : `: ${what}`}${advice}`,
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

/**
 * The log or a column of it is not there.
 *
 * @param advises - whether `migrateSyncChanges` would make it: of a table that is there it makes no
 * column but `schema_version`, and nothing under other names
 */
export function logMissing(
  place: SourcePlace,
  { advises, column }: { readonly advises: boolean; readonly column?: string },
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const what = column === undefined ? place.relation : `column ${column} of ${place.relation}`;
  const advice = `name what there is in the option log${advises ? ', or run migrateSyncChanges' : ''}`;
  return new BackupError(
    'BACKUP_SOURCE_FAILED',
    `there is no ${what}: ${advice}`,
    column === undefined
      ? { ...place, sqlState: '42P01' }
      : { ...place, sqlState: '42703', column },
  );
}

/** The user's id is spelt otherwise than its column holds it, or is no value of the column's type. */
export function userSpeltOtherwise(
  { column, type }: { readonly column: string; readonly type: string },
  place: SourcePlace,
  cause?: unknown,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const message =
    `userId is spelt otherwise than column ${column} of ${place.relation} holds it, and would not find ` +
    `all of the user's rows: give it as ${column}::text, of type ${type}, has it`;
  return new BackupError('BACKUP_SOURCE_FAILED', message, { ...place, column }, cause);
}

/** Somebody has changed a setting that decides how values are spelt. */
export function outOfSettings(
  setting: string,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const message =
    `${setting} was changed inside the transaction, so that values may be spelt otherwise than they ` +
    "are: await every query of the pool's connect handlers, or set it for the role";
  return new BackupError('BACKUP_SOURCE_FAILED', message, { ...place, setting });
}

/** The server broke its own protocol: what came does not prove a complete export. */
export function outOfProtocol(
  reason: string,
  place: SourcePlace,
): BackupError<'BACKUP_SOURCE_FAILED'> {
  const message = `the database's answer does not prove a whole export: ${reason}`;
  return new BackupError('BACKUP_SOURCE_FAILED', message, place);
}
