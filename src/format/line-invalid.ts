// The error of an invalid line, for every reader of lines and for their writer.

import { BackupError } from '../errors.js';

/** Where in its text a line is not valid. */
export interface LinePlace {
  readonly lineNumber?: number | undefined;
  /** From 0, within the line. */
  readonly byteOffset?: number | undefined;
  readonly member?: string | undefined;
  readonly eventId?: string | undefined;
}

/** Why a line is invalid, while nobody has asked for an error of it. */
export interface LineFault {
  /** Must not quote the line. */
  readonly reason: string;
  /** Where in the line. */
  readonly place: Omit<LinePlace, 'lineNumber'>;
  /** The limit, where the line is nested deeper. */
  readonly maxDepth: number | undefined;
}

/** The error of a fault: `BACKUP_LINE_INVALID`, or `BACKUP_LIMIT_EXCEEDED` for one past `maxDepth`. */
export function faultError(
  { reason, place, maxDepth }: LineFault,
  lineNumber: number | undefined,
): BackupError<'BACKUP_LINE_INVALID'> | BackupError<'BACKUP_LIMIT_EXCEEDED'> {
  if (maxDepth === undefined) return lineInvalid(reason, { ...place, lineNumber });
  const { byteOffset } = place;
  const message = `a line is nested deeper than ${maxDepth} (maxDepth)${whereOf({ lineNumber, byteOffset })}`;
  return new BackupError('BACKUP_LIMIT_EXCEEDED', message, {
    limit: 'maxDepth',
    limitValue: maxDepth,
    ...(byteOffset !== undefined && { byteOffset }),
    ...(lineNumber !== undefined && { lineNumber }),
  });
}

/** The error of an invalid line. `reason` must not quote it. */
export function lineInvalid(
  reason: string,
  place: LinePlace,
  cause?: unknown,
): BackupError<'BACKUP_LINE_INVALID'> {
  const { lineNumber, byteOffset, member, eventId } = place;
  const details = {
    reason,
    ...(lineNumber !== undefined && { lineNumber }),
    ...(member !== undefined && { member }),
    ...(byteOffset !== undefined && { byteOffset }),
    ...(eventId !== undefined && { eventId }),
  };
  const message = `not a valid line: ${reason}${whereOf(place)}`;
  return new BackupError('BACKUP_LINE_INVALID', message, details, cause);
}

/** Where it is, for the end of a message. */
function whereOf({ lineNumber, byteOffset }: LinePlace): string {
  const line = lineNumber === undefined ? '' : ` (line ${lineNumber})`;
  return byteOffset === undefined ? line : ` at byte ${byteOffset}${line}`;
}
