// The one error class of the library: a stable code, typed details, and a cause that carries no
// user's data. Everything else in src/ may import this file.

import { reduceCause } from './error-cause.js';
import type { ReducedCause } from './error-cause.js';

/** The lanes' stages, as named in the details of an error. */
export type SourceStage = 'connect' | 'begin' | 'check' | 'read' | 'end';

/** The stages of a restore, as named in the details of an error. */
export type SinkStage = 'connect' | 'begin' | 'check' | 'stage' | 'plan' | 'write' | 'commit';

/** Why an event of an archive cannot become a row. */
export type ConflictReason = 'other-content' | 'repeated' | 'unavailable';

/**
 * Why row-level security would not hold for the role and relation of an export, or would hide rows
 * without a word. `no-policy`: it is on, and no permissive policy lets the role read. `setting-not-given`:
 * a policy reads a setting of the host's own (`app.tenant`) that the option `settings` does not name and
 * that is not set, or empty; a permissive policy counts only where none does without.
 */
export type TenancyGap =
  | 'not-a-table'
  | 'disabled-on-table'
  | 'role-is-superuser'
  | 'role-bypasses-row-security'
  | 'owner-without-force'
  | 'no-policy'
  | 'setting-not-given'
  | 'inactive';

/** What an archive may use that this release cannot read. */
export type ArchiveFeature =
  'formatVersion' | 'encryption' | 'compression' | 'multi-disk' | 'version-needed' | 'patch-data';

/**
 * What something may be beyond: an option of that name, or what is no option: `maxHeaderBytes` and
 * `maxStanzas` of a sealed archive, `declaredBytes`, which is what the headers of an entry tell of its
 * size.
 */
export type LimitName =
  | 'maxEntries'
  | 'maxEntryBytes'
  | 'maxRatio'
  | 'maxManifestBytes'
  | 'maxLineBytes'
  | 'maxDepth'
  | 'maxWorkFactor'
  | 'maxHeaderBytes'
  | 'maxStanzas'
  | 'declaredBytes';

/** What each code tells besides its message. No member ever holds row content. */
export interface BackupErrorDetails {
  /**
   * The database refused, died or answered out of protocol. `rowCount`: rows received before.
   * `column`: one that is missing, or whose type spells the user's id otherwise. `setting`: one that
   * was changed inside the transaction, such as `TimeZone`.
   */
  readonly BACKUP_SOURCE_FAILED: {
    readonly stage: SourceStage;
    readonly rowCount: number;
    readonly sqlState?: string;
    readonly relation?: string;
    readonly column?: string;
    readonly setting?: string;
  };
  /** The source was silent, or the export lasted, longer than the limit named here. */
  readonly BACKUP_SOURCE_STALLED: {
    readonly stage: SourceStage;
    readonly rowCount: number;
    readonly limit: 'connectTimeoutMs' | 'stallTimeoutMs' | 'maxDurationMs';
    readonly limitMs: number;
  };
  /**
   * The consumer asked for nothing, or the database that is restored into was silent, or the restore
   * lasted, longer than the limit named here. `rowCount`: rows so far; in restores and archives, lines.
   */
  readonly BACKUP_SINK_STALLED: {
    readonly rowCount: number;
    readonly limit: 'sinkStallTimeoutMs' | 'connectTimeoutMs' | 'stallTimeoutMs' | 'maxDurationMs';
    readonly limitMs: number;
  };
  /** Row-level security is required and would not hold. `setting`: for `setting-not-given`. */
  readonly BACKUP_TENANCY_UNSAFE: {
    readonly relation: string;
    readonly reason: TenancyGap;
    readonly setting?: string;
  };
  /**
   * A row of somebody else arrived (`row`), a setting changed under the export (`setting`), or an
   * archive belongs to somebody else (`archive`).
   */
  readonly BACKUP_TENANCY_MISMATCH: {
    readonly found: 'row' | 'setting' | 'archive';
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
  /** Something is larger, longer, deeper or more than the limit named here. */
  readonly BACKUP_LIMIT_EXCEEDED: {
    readonly limit: LimitName;
    readonly limitValue: number;
    readonly entry?: string;
    readonly lineNumber?: number;
    readonly byteOffset?: number;
  };
  /** A line's position is not after that of the line before it. */
  readonly BACKUP_ORDER_VIOLATED: {
    readonly lineNumber: number;
    readonly reason: 'earlier' | 'repeated';
  };
  /** The container is not a whole zip of this format. `byteOffset`: from 0, within the file. */
  readonly BACKUP_ARCHIVE_INVALID: {
    readonly reason: string;
    readonly entry?: string;
    readonly byteOffset?: number;
  };
  /** An entry that every archive has is not there. */
  readonly BACKUP_ENTRY_MISSING: { readonly entry: string };
  /** An entry that the format does not name. `entryIndex`: from 0, in the directory's order. */
  readonly BACKUP_ENTRY_UNEXPECTED: { readonly reason: string; readonly entryIndex: number };
  /** Not a valid manifest. `byteOffset`: from 0, within `manifest.json`. */
  readonly BACKUP_MANIFEST_INVALID: {
    readonly reason: string;
    readonly member?: string;
    readonly byteOffset?: number;
  };
  /** A newer format version, or a feature of zip that the format does not use. */
  readonly BACKUP_FORMAT_UNSUPPORTED: {
    readonly feature: ArchiveFeature;
    readonly entry?: string;
    readonly found?: number;
  };
  /** The events are not the bytes that the manifest tells. `segment`: from 0. */
  readonly BACKUP_DIGEST_MISMATCH: {
    readonly entry: string;
    readonly member: 'eventsSha256' | 'byteCount' | 'segments';
    readonly segment?: number;
    readonly lineNumber?: number;
    readonly byteOffset?: number;
  };
  /** The events are more or fewer lines than the manifest tells. */
  readonly BACKUP_COUNT_MISMATCH: {
    readonly expected: number;
    readonly found: number;
    readonly segment?: number;
  };
  /** The archive holds no signature, although the caller or its manifest asks for one. */
  readonly BACKUP_SIGNATURE_MISSING: { readonly requiredBy: 'caller' | 'manifest' };
  /** The signature is not one of a trusted key over this manifest. */
  readonly BACKUP_SIGNATURE_INVALID: { readonly reason: string };
  /** The manifest names a signing key that is none of the trusted ones. */
  readonly BACKUP_KEY_UNTRUSTED: { readonly keyId: string };
  /** A sealed archive cannot be opened with these secrets, or was cut or altered. */
  readonly BACKUP_SEAL_UNREADABLE: { readonly reason: string };
  /** The line is of a newer schema version than the host's upcaster knows. */
  readonly BACKUP_SCHEMA_UNSUPPORTED: {
    readonly schemaVersion: number;
    readonly current: number;
    readonly lineNumber?: number;
    readonly eventId?: string;
  };
  /**
   * A step of the host's upcaster failed. `fromVersion`: the version that the step takes; `async`: it
   * gave a promise, and steps are synchronous.
   */
  readonly BACKUP_UPCAST_FAILED: {
    readonly reason: 'threw' | 'async' | 'no-line' | 'identity-changed' | 'invalid-line';
    readonly fromVersion: number;
    readonly member?: string;
    readonly lineNumber?: number;
    readonly eventId?: string;
  };
  /**
   * Writing failed and nothing of the transaction that was under way stays. `lineCount`: lines
   * staged or written before; `lineNumber`: the line that the database refused, where it said so.
   */
  readonly BACKUP_SINK_FAILED: {
    readonly stage: SinkStage;
    readonly lineCount: number;
    readonly sqlState?: string;
    readonly relation?: string;
    readonly column?: string;
    readonly lineNumber?: number;
  };
  /**
   * `other-content`: the log holds this event with other content. `repeated`: the lines hold it
   * twice with different content. `unavailable`: the database refuses the id, although none of the
   * user's own rows has it.
   */
  readonly BACKUP_RESTORE_CONFLICT: {
    readonly reason: ConflictReason;
    readonly lineNumber: number;
    readonly eventId: string;
    readonly conflictCount: number;
  };
  /** The connection or the server died after COMMIT was sent. Restoring again is safe. */
  readonly BACKUP_COMMIT_UNKNOWN: { readonly lineCount: number };
  /**
   * A function of the host threw, rejected, or did not come back within its limit. A `BackupError` of its
   * own is passed on unchanged instead.
   */
  readonly BACKUP_HOOK_FAILED: {
    readonly hook: 'map' | 'onFlush' | 'apply' | 'onProgress';
    readonly lineNumber: number;
    readonly limitMs?: number;
  };
}

/** Every code a `BackupError` can have. Codes are public API: never renamed within a major. */
export type BackupErrorCode = keyof BackupErrorDetails;

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
  // Declared only: as a field it would be there, undefined, on errors that have no cause.
  declare readonly cause?: ReducedCause;

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
