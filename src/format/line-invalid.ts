// The error of a line that is none, for every reader of lines.

import { BackupError } from '../errors.js';

/** Where in its text a line is not valid. */
export interface LinePlace {
  readonly lineNumber?: number | undefined;
  /** From 0, within the line. */
  readonly byteOffset?: number | undefined;
  readonly member?: string | undefined;
  readonly eventId?: string | undefined;
}

/** The error of a line that is none. `reason` must not quote it. */
export function lineInvalid(reason: string, place: LinePlace): BackupError<'BACKUP_LINE_INVALID'> {
  const { lineNumber, byteOffset, member, eventId } = place;
  return new BackupError('BACKUP_LINE_INVALID', `not a valid line: ${reason}${whereOf(place)}`, {
    reason,
    ...(lineNumber !== undefined && { lineNumber }),
    ...(member !== undefined && { member }),
    ...(byteOffset !== undefined && { byteOffset }),
    ...(eventId !== undefined && { eventId }),
  });
}

/** Where it is, for the end of a message. */
export function whereOf({ lineNumber, byteOffset }: LinePlace): string {
  const line = lineNumber === undefined ? '' : ` (line ${lineNumber})`;
  return byteOffset === undefined ? line : ` at byte ${byteOffset}${line}`;
}
