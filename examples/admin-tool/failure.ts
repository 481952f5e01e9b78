// What a failed run tells: a code for programs, a sentence and the next step for people, and the exit
// code. No row, no key and no password is in any of it.
import { isBackupError } from 'backup-streams';
import type { AnyBackupError } from 'backup-streams';

/** What this tool fails with besides the codes of `BackupError`. Part of what scripts rely on. */
export type ToolErrorCode =
  | 'USAGE'
  | 'FILE_EXISTS'
  | 'PART_FILE_EXISTS'
  | 'NOT_A_FILE'
  | 'FILE_SEALED'
  | 'FILE_TOO_LARGE'
  | 'LOG_EMPTY'
  | 'WRITTEN_UNVERIFIED'
  | 'AUDIT_FAILED'
  | 'INTERRUPTED';

/** A failure of the tool's own; its message is for the operator. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly code: ToolErrorCode;
  readonly exitCode: number;

  constructor(code: ToolErrorCode, message: string, exitCode = code === 'USAGE' ? 2 : 1) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** What is told of a failure. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Where it happened: counts, stages, names of limits and columns. */
  readonly details: Readonly<Record<string, string | number>>;
  /** What to do, where this tool can say more than the message does. */
  readonly advice?: string;
  readonly exitCode: number;
}

/** What to tell of anything that was thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ToolError) {
    const { code, message, exitCode } = error;
    return { code, message, details: {}, exitCode };
  }
  if (isBackupError(error)) {
    const { code, message, details, cause } = error;
    const advice = adviceOn(error);
    const hasNews = cause?.code !== undefined && !message.includes(cause.code);
    return {
      code,
      message,
      details: { ...details, ...(hasNews && { cause: cause.code }) },
      ...(advice !== undefined && { advice }),
      exitCode: 1,
    };
  }
  // The library refuses wrong options with these, before it does anything; they quote no values.
  if (error instanceof TypeError || error instanceof RangeError) {
    return { code: 'USAGE', message: error.message, details: {}, exitCode: 2 };
  }
  if (isSystemError(error)) {
    const { code, message } = error;
    return { code, message: message.replace(`${code}: `, ''), details: {}, exitCode: 1 };
  }
  // Whatever else it is, its message may hold anything.
  const name = error instanceof Error ? error.name : typeof error;
  return { code: 'INTERNAL', message: `unexpected ${name}`, details: {}, exitCode: 1 };
}

function adviceOn(error: AnyBackupError): string | undefined {
  switch (error.code) {
    case 'BACKUP_TENANCY_UNSAFE':
      if (error.details.reason === 'setting-not-given') {
        return 'Name the setting in service.ts.';
      }
      return error.details.reason === 'no-policy'
        ? undefined
        : "Connect as your service's plain role, or add --explicit-filter-only.";
    case 'BACKUP_TENANCY_MISMATCH':
      return error.details.found === 'archive'
        ? 'Name the user whose archive it is; restore --remap-user makes a copy of it for another user.'
        : undefined;
    case 'BACKUP_RESTORE_CONFLICT':
      return '--on-conflict report lists all of them and leaves them as the log has them.';
    case 'BACKUP_COMMIT_UNKNOWN':
      return 'Run the same command again.';
    case 'BACKUP_SOURCE_FAILED':
    case 'BACKUP_SINK_FAILED':
      return error.details.stage === 'connect' ? 'Check DATABASE_URL.' : undefined;
    case 'BACKUP_SOURCE_STALLED':
    case 'BACKUP_SINK_STALLED':
      return error.details.limit === 'maxDurationMs' ? 'Allow more with --max-minutes.' : undefined;
    default:
      return undefined;
  }
}

/** An error of the file system: its message says what was tried, and with which path. */
function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
