// The error of a position that is not after the one before it.

import { BackupError } from '../errors.js';

/**
 * Makes the error.
 *
 * @param order - as comparing with the one before gave it: zero for the same position, negative for an
 * earlier one
 * @param what - what stands there, in the singular
 * @param advice - what to make of it, by the reason
 */
export function orderViolated(
  order: number,
  lineNumber: number,
  what: 'line' | 'row',
  advice?: { readonly earlier: string; readonly repeated: string },
): BackupError<'BACKUP_ORDER_VIOLATED'> {
  const reason = order < 0 ? 'earlier' : 'repeated';
  const verb = order < 0 ? 'should stand before' : 'is the same event as';
  const more = advice === undefined ? '' : `: ${advice[reason]}`;
  const message = `${what} ${lineNumber} ${verb} the ${what} before it${more}`;
  return new BackupError('BACKUP_ORDER_VIOLATED', message, { lineNumber, reason });
}
