// Errors of the driver and of the server while a log is restored, as this library's own.

import { systemCodeOf } from '../error-cause.js';
import { BackupError } from '../errors.js';
import type { SinkStage } from '../errors.js';
import { sqlStateOf } from './sql-state.js';

/** Where a restore is when something happens to it. */
export interface SinkPlace {
  readonly stage: SinkStage;
  readonly lineCount: number;
  readonly relation: string;
}

const stageTexts: Readonly<Record<SinkStage, string>> = {
  connect: 'no connection to the database',
  begin: 'the restore could not begin its transaction',
  check: 'the change log could not be checked',
  stage: 'the lines could not be staged',
  plan: 'the lines could not be compared with the change log',
  write: 'the lines could not be written',
  commit: 'the restore could not be committed',
};

/** What a failure leaves behind once batches are committed. */
export const stays = 'the batches before it are committed, and restoring again goes on after them';

interface DriverError {
  readonly severity?: unknown;
  readonly where?: unknown;
  readonly column?: unknown;
}

/**
 * Wraps what `pg` threw. Neither its message nor its detail is kept: they may quote rows.
 *
 * @param hasCommitted - whether batches before this one are committed
 */
export function sinkFailed(
  cause: unknown,
  place: SinkPlace,
  hasCommitted = false,
): BackupError<'BACKUP_SINK_FAILED'> {
  const { where, column } = (cause ?? {}) as DriverError;
  const sqlState = sqlStateOf(cause);
  const code = sqlState === undefined ? systemCodeOf(cause) : `SQLSTATE ${sqlState}`;
  // Of what the server says about a COPY only the number of the row is taken, which is the line's.
  const copyLine = typeof where === 'string' ? /^COPY [^,]*, line (\d+)/.exec(where) : null;
  const lineNumber = place.stage === 'stage' && copyLine !== null ? Number(copyLine[1]) : undefined;
  const what = [
    ...(place.stage === 'connect' ? [] : [`${place.relation}, ${place.lineCount} lines`]),
    ...(lineNumber === undefined ? [] : [`line ${lineNumber}`]),
    ...(code === undefined ? [] : [code]),
  ].join(', ');
  return new BackupError(
    'BACKUP_SINK_FAILED',
    `${stageTexts[place.stage]}${what === '' ? '' : ` (${what})`}; ${hasCommitted ? stays : 'nothing of it stays'}`,
    {
      ...place,
      ...(sqlState !== undefined && { sqlState }),
      ...(lineNumber !== undefined && { lineNumber }),
      ...(typeof column === 'string' && sqlState?.startsWith('23') === true && { column }),
    },
    cause,
  );
}

/** A column that would hold something else than the line gives it. */
export function valueUnheld(
  column: string,
  lineNumber: number,
  place: SinkPlace,
): BackupError<'BACKUP_SINK_FAILED'> {
  return new BackupError(
    'BACKUP_SINK_FAILED',
    `${column} of ${place.relation} would hold another value than line ${lineNumber} has for it: its ` +
      'type, length or precision changes it; nothing is written',
    { ...place, column, lineNumber },
  );
}

/** Rows came into the log otherwise than their lines say. */
export function rowsRewritten(
  place: SinkPlace,
  hasCommitted: boolean,
): BackupError<'BACKUP_SINK_FAILED'> {
  return new BackupError(
    'BACKUP_SINK_FAILED',
    `a trigger or a rule of ${place.relation} makes other rows of the lines than they say; ` +
      (hasCommitted ? stays : 'nothing of it stays'),
    place,
  );
}

/** A pooler has given the next batch to another session than the one in which the lines are staged. */
export function sessionLost(place: SinkPlace): BackupError<'BACKUP_SINK_FAILED'> {
  return new BackupError(
    'BACKUP_SINK_FAILED',
    `a batch of ${place.relation} came into another session than the one before: with batchSize, ` +
      `connect past poolers in transaction mode; ${stays}`,
    place,
  );
}

/** What the checks that exports share have found, told of a restore. */
export function asSinkFailure(
  { message, details, cause }: BackupError<'BACKUP_SOURCE_FAILED'>,
  { stage, lineCount }: SinkPlace,
): BackupError<'BACKUP_SINK_FAILED'> {
  const { relation, column, sqlState } = details;
  return new BackupError(
    'BACKUP_SINK_FAILED',
    message,
    {
      stage,
      lineCount,
      ...(relation !== undefined && { relation }),
      ...(column !== undefined && { column }),
      ...(sqlState !== undefined && { sqlState }),
    },
    cause,
  );
}

/** The server broke its own protocol. */
export function outOfCopy(): Error {
  return new Error('the server did not complete the COPY');
}

// The connection failed, which a pooler may call an ordinary error; the server is going down; a cluster
// cannot tell.
const unknownStates = /^(?:08|57P|40003)/;
// May be a PANIC over the server's own log, in which the commit may or may not be; as an ordinary error they
// are an answer. A severity has no code of its own: where it is written otherwise, nobody knows.
const panicStates = /^(?:53|58|XX)/;

/**
 * COMMIT failed. What the server refuses it rolls back; a connection that ends, and a server that goes
 * down, may do so before the commit or after it. Told by the SQLSTATE: the severity is written in the
 * server's language.
 */
export function commitFailed(cause: unknown, place: SinkPlace, hasCommitted: boolean): BackupError {
  const sqlState = sqlStateOf(cause);
  const { severity } = (cause ?? {}) as DriverError;
  const isUnknown =
    sqlState === undefined ||
    unknownStates.test(sqlState) ||
    (panicStates.test(sqlState) && severity !== 'ERROR');
  return isUnknown ? commitUnknown(place.lineCount, cause) : sinkFailed(cause, place, hasCommitted);
}

/** Nobody knows whether the transaction was committed. */
export function commitUnknown(
  lineCount: number,
  cause?: unknown,
): BackupError<'BACKUP_COMMIT_UNKNOWN'> {
  return new BackupError(
    'BACKUP_COMMIT_UNKNOWN',
    'the answer to COMMIT did not come: it is not known whether the lines are in the change log. ' +
      'Restore again: what is there is skipped',
    { lineCount },
    cause,
  );
}
