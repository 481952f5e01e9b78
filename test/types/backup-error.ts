// What the compiler promises about BackupError: its code decides which details it has.
import { BackupError, isBackupError } from '../../src/index.js';
import type { AnyBackupError, BackupErrorCode } from '../../src/index.js';

export function switchOverTheCodeNarrowsTheDetails(error: unknown): number | undefined {
  // @ts-expect-error -- anything can be caught; nothing is known before isBackupError
  error.code satisfies string;

  if (!isBackupError(error)) return undefined;
  error satisfies Error;
  error.code satisfies BackupErrorCode;
  error.cause satisfies { readonly name: string } | undefined;
  // @ts-expect-error -- not every code has a limit
  error.details.limitMs satisfies unknown;

  switch (error.code) {
    case 'BACKUP_SOURCE_STALLED':
      error.details.limit satisfies 'connectTimeoutMs' | 'stallTimeoutMs' | 'maxDurationMs';
      // @ts-expect-error -- a limit was passed; the server said nothing
      error.details.sqlState satisfies unknown;
      return error.details.limitMs;
    case 'BACKUP_SOURCE_FAILED':
      error.details.sqlState satisfies string | undefined;
      // @ts-expect-error -- the server answered; no limit was passed
      error.details.limitMs satisfies unknown;
      return error.details.rowCount;
    case 'BACKUP_ROW_UNMAPPABLE':
      error.details.member satisfies string;
      return undefined;
    // @ts-expect-error -- no such code, so no such case
    case 'BACKUP_SOURCE_FIALED':
      return undefined;
    default:
      return undefined;
  }
}

export function aCodeAskedForNarrowsAtOnce(error: unknown): void {
  if (isBackupError(error, 'BACKUP_HOOK_FAILED')) {
    error.code satisfies 'BACKUP_HOOK_FAILED';
    error.details.lineNumber satisfies number;
    // @ts-expect-error -- another code's member
    error.details.relation satisfies unknown;
  }
  // @ts-expect-error -- no such code
  isBackupError(error, 'HOOK_FAILED');
}

export function everyErrorIsOneOfTheUnion(error: AnyBackupError): BackupError {
  return error;
}

export function anErrorIsNotChanged(error: AnyBackupError): void {
  // @ts-expect-error -- readonly
  error.code = 'BACKUP_SOURCE_FAILED';
  if (isBackupError(error, 'BACKUP_SOURCE_FAILED')) {
    // @ts-expect-error -- readonly
    error.details.rowCount = 1;
  }
}

export function detailsBelongToTheirCode(): BackupError[] {
  return [
    new BackupError('BACKUP_TENANCY_UNSAFE', 'message', {
      relation: 'sync_changes',
      reason: 'disabled-on-table',
    }),
    // @ts-expect-error -- these are the details of another code
    new BackupError('BACKUP_TENANCY_UNSAFE', 'message', { member: 'data' }),
    // @ts-expect-error -- no such code
    new BackupError('TENANCY_UNSAFE', 'message', {}),
  ];
}
