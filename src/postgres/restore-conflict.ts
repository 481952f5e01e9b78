// Events whose id is taken, as the report lists them and as errors.

import { BackupError } from '../errors.js';
import type { ConflictReason } from '../errors.js';
import type { RestoreConflict } from './restore-report.js';
import { stays } from './sink-error.js';
import { lineKinds } from './stage-columns.js';
import type { LineKind, SkippedRow } from './stage-columns.js';

const reasons: Readonly<Partial<Record<LineKind, ConflictReason>>> = {
  [lineKinds.repeatedOtherwise]: 'repeated',
  [lineKinds.unavailable]: 'unavailable',
};

/** A line that cannot be written, as a report lists it. */
export function conflictOf({ line, id, kind }: SkippedRow): RestoreConflict {
  return { lineNumber: Number(line), eventId: id, reason: reasons[kind] ?? 'other-content' };
}

const reasonTexts: Readonly<Record<ConflictReason, string>> = {
  'other-content': 'is in the change log with other content',
  repeated: 'comes twice with different content',
  unavailable: 'cannot be written: the database does not give its id to this user',
};

const advice: Readonly<Record<ConflictReason, string>> = {
  'other-content': "onConflict: 'keep-existing' keeps what the log says",
  repeated: "onConflict: 'keep-existing' keeps the first of them",
  unavailable: 'restore with remapUser, which gives new ids, if these are copies of events',
};

/**
 * The error of the first of `conflictCount` conflicts.
 *
 * @param hasCommitted - whether batches before this one are committed
 */
export function conflictError(
  { reason, lineNumber, eventId }: RestoreConflict,
  conflictCount: number,
  hasCommitted = false,
): BackupError<'BACKUP_RESTORE_CONFLICT'> {
  const more = conflictCount > 1 ? `; ${conflictCount - 1} more like it` : '';
  return new BackupError(
    'BACKUP_RESTORE_CONFLICT',
    `event ${eventId} (line ${lineNumber}) ${reasonTexts[reason]}${more}; ` +
      `${hasCommitted ? stays : 'nothing of it stays'}; ${advice[reason]}`,
    { reason, lineNumber, eventId, conflictCount },
  );
}
