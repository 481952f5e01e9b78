// The one error class of the library: a stable code, typed details, and a cause that carries no
// user's data. Everything else in src/ may import this file; it imports nothing.

/** The lanes' stages, as named in the details of an error. */
export type SourceStage = 'connect' | 'begin' | 'check' | 'read' | 'end';

/** Why row-level security would not hold for the role and relation of an export. */
export type TenancyGap =
  | 'not-a-table'
  | 'disabled-on-table'
  | 'role-is-superuser'
  | 'role-bypasses-row-security'
  | 'owner-without-force'
  | 'inactive';

/** What each code tells besides its message. No member ever holds row content. */
export interface BackupErrorDetails {
  /** The database refused, died or answered out of protocol. `rowCount`: rows received before. */
  readonly BACKUP_SOURCE_FAILED: {
    readonly stage: SourceStage;
    readonly rowCount: number;
    readonly sqlState?: string;
    readonly relation?: string;
    readonly column?: string;
  };
  /** The database was silent, or the export lasted, longer than the limit named here. */
  readonly BACKUP_SOURCE_STALLED: {
    readonly stage: SourceStage;
    readonly rowCount: number;
    readonly limit: 'connectTimeoutMs' | 'stallTimeoutMs' | 'maxDurationMs';
    readonly limitMs: number;
  };
  /** The consumer asked for nothing during `limitMs`. */
  readonly BACKUP_SINK_STALLED: {
    readonly rowCount: number;
    readonly limit: 'sinkStallTimeoutMs';
    readonly limitMs: number;
  };
  /** Row-level security is required and would not hold. */
  readonly BACKUP_TENANCY_UNSAFE: { readonly relation: string; readonly reason: TenancyGap };
  /** A row of somebody else arrived (`row`), or a setting changed under the export (`setting`). */
  readonly BACKUP_TENANCY_MISMATCH: {
    readonly found: 'row' | 'setting';
    readonly rowCount: number;
    readonly setting?: string;
  };
  /** No line can express this row. `member` is its name in `ChangeRow`, `column` in the log. */
  readonly BACKUP_ROW_UNMAPPABLE: {
    readonly member: string;
    readonly eventId?: string;
    readonly column?: string;
  };
  /**
   * Not a valid line. `lineNumber`: from 1, where the line is one of many; `member`: the name in
   * `ExportLine`; `byteOffset`: from 0, within the line; `eventId`: where one could be read.
   */
  readonly BACKUP_LINE_INVALID: {
    readonly reason: string;
    readonly lineNumber?: number;
    readonly member?: string;
    readonly byteOffset?: number;
    readonly eventId?: string;
  };
  /** More than a limit allows. `limit`: the option's name; `max`: what it is set to. */
  readonly BACKUP_LIMIT_EXCEEDED: {
    readonly limit: string;
    readonly max: number;
    readonly lineNumber?: number;
    readonly entry?: string;
  };
  /** Lines are not in the order of `(createdAt, eventId)`, or one comes twice. */
  readonly BACKUP_ORDER_VIOLATED: { readonly lineNumber: number };
  /** A function of the host threw, rejected, or did not come back within its limit. */
  readonly BACKUP_HOOK_FAILED: {
    readonly hook: 'map' | 'onFlush';
    readonly lineNumber: number;
    readonly limitMs?: number;
  };
}

/** Every code a `BackupError` can have. Codes are public API: never renamed within a major. */
export type BackupErrorCode = keyof BackupErrorDetails;

/** What is kept of an error that this library did not make. */
export interface ReducedCause {
  readonly name: string;
  readonly code?: string;
  readonly severity?: string;
  readonly routine?: string;
}

/**
 * The only class of error that this library throws for what happens at run time. Wrong use of the
 * API is a `TypeError` or `RangeError` instead; an abort rejects with `signal.reason`.
 *
 * `message` says what failed and what to do, `details` where it happened; neither they nor `cause`
 * hold a user's data. `cause` is a copy of the original error reduced to name, code (SQLSTATE or
 * Node's), severity and routine, since messages and details of Postgres quote rows.
 *
 * @example
 * ```ts
 * import { isBackupError } from 'backup-streams';
 *
 * function statusOf(error: unknown): number {
 *   return isBackupError(error, 'BACKUP_SOURCE_FAILED') && error.details.stage === 'connect' ? 503 : 500;
 * }
 * ```
 */
export class BackupError<Code extends BackupErrorCode = BackupErrorCode> extends Error {
  override readonly name = 'BackupError';
  readonly code: Code;
  readonly details: BackupErrorDetails[Code];
  override readonly cause?: ReducedCause;

  constructor(code: Code, message: string, details: BackupErrorDetails[Code], cause?: unknown) {
    super(message);
    this.code = code;
    this.details = details;
    if (cause !== undefined) this.cause = reduceCause(cause);
  }
}

/** `BackupError` as a union over its codes, so that `switch (error.code)` narrows `details`. */
export type AnyBackupError = { [Code in BackupErrorCode]: BackupError<Code> }[BackupErrorCode];

/**
 * Tells whether a caught value is a `BackupError`, optionally of one code.
 *
 * @param error - anything caught
 * @param code - the code it must have; any when left out
 */
export function isBackupError(error: unknown): error is AnyBackupError;
export function isBackupError<Code extends BackupErrorCode>(
  error: unknown,
  code: Code,
): error is BackupError<Code>;
export function isBackupError(error: unknown, code?: BackupErrorCode): boolean {
  return error instanceof BackupError && (code === undefined || error.code === code);
}

// Names and codes are identifiers; whatever does not look like one may be data and is dropped.
const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,63}$|^[0-9A-Z]{5}$/;

function reduceCause(cause: unknown): ReducedCause {
  const from = (typeof cause === 'object' && cause !== null ? cause : {}) as Record<
    string,
    unknown
  >;
  const kept = (value: unknown): value is string =>
    typeof value === 'string' && identifier.test(value);
  const { name, code, severity, routine } = from;
  return {
    name: kept(name) ? name : 'Error',
    ...(kept(code) && { code }),
    ...(kept(severity) && { severity }),
    ...(kept(routine) && { routine }),
  };
}
