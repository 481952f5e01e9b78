// The errors of a container, made in one place.

import { BackupError } from '../errors.js';
import type { ArchiveFeature, LimitName } from '../errors.js';

/** What a container is not. `reason` must not quote it. */
export function archiveInvalid(
  reason: string,
  at: { readonly entry?: string; readonly byteOffset?: number } = {},
  cause?: unknown,
): BackupError<'BACKUP_ARCHIVE_INVALID'> {
  const { entry, byteOffset } = at;
  const where = [entry, byteOffset === undefined ? undefined : `byte ${byteOffset}`]
    .filter((part) => part !== undefined)
    .join(', ');
  const message = `not a whole archive: ${reason}${where === '' ? '' : ` (${where})`}`;
  return new BackupError('BACKUP_ARCHIVE_INVALID', message, { reason, ...at }, cause);
}

/** A feature of zip that no archive of this format uses. */
export function unsupportedFeature(
  feature: ArchiveFeature,
  sentence: string,
  at: { readonly entry?: string; readonly found?: number } = {},
): BackupError<'BACKUP_FORMAT_UNSUPPORTED'> {
  const message = `the archive cannot be read: ${sentence}`;
  return new BackupError('BACKUP_FORMAT_UNSUPPORTED', message, { feature, ...at });
}

/** What the manifest tells, and should not. `reason` must not quote it. */
export function manifestWrong(
  reason: string,
  member?: string,
): BackupError<'BACKUP_MANIFEST_INVALID'> {
  const where = member === undefined ? '' : `: ${member}`;
  return new BackupError('BACKUP_MANIFEST_INVALID', `manifest.json${where}: ${reason}`, {
    reason,
    ...(member !== undefined && { member }),
  });
}

/** Something of the archive is beyond a limit: of the caller's, of the format's, or its own. */
export function limitExceeded(
  limit: LimitName,
  limitValue: number,
  entry?: string,
): BackupError<'BACKUP_LIMIT_EXCEEDED'> {
  const what = entry ?? 'the archive';
  return new BackupError('BACKUP_LIMIT_EXCEEDED', `${what} is beyond ${limit} (${limitValue})`, {
    limit,
    limitValue,
    ...(entry !== undefined && { entry }),
  });
}
