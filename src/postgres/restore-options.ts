// The options of a restore, checked before any I/O.

import type { Upcaster } from '../format/upcast.js';
import type { ArchiveVerifyOptions } from '../stream/archive-port.js';
import { longestLineBytes } from '../stream/line-splitter.js';
import {
  booleanOption,
  functionOption,
  integerOption,
  refuseUnknown,
  timeOption,
} from '../options.js';
import { logScopeNames, logScopeOf } from './export-options.js';
import type { LogScope, PgExportOptions } from './export-options.js';
import type { LogTable } from './log-table.js';

/** How far a restore is. */
export interface RestoreProgress {
  /**
   * `verify` and `stage` change nothing in the log; `write` does. Into an empty log it begins anew when
   * an event's id turns out to be taken.
   */
  readonly phase: 'verify' | 'stage' | 'plan' | 'write';
  /** Lines staged, in `stage`; lines passed over or written, in `write`; otherwise those before. */
  readonly lineCount: number;
  /** How many lines there are, once that is known. */
  readonly totalCount?: number;
}

/** Options of {@link restoreToPostgres}. */
export interface RestoreOptions
  extends
    Pick<
      PgExportOptions,
      'userId' | 'log' | 'settings' | 'rowSecurity' | 'signal' | 'connectTimeoutMs'
    >,
    Pick<ArchiveVerifyOptions, 'expectArchiveId' | 'trustedKeys' | 'requireSignature'> {
  /** Brings older lines to the host's schema version. Without one, versions are kept as they are. */
  readonly upcaster?: Upcaster | undefined;
  /** Plan and report only: nothing is written. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * What to do with an event that the log holds with other content, or that the lines hold twice
   * with different content. `stop` (default) fails with `BACKUP_RESTORE_CONFLICT` before anything
   * is written. `keep-existing` keeps what the log, or the first of the lines, says and counts them;
   * `report` does the same and lists every one of them in the report.
   */
  readonly onConflict?: 'stop' | 'keep-existing' | 'report' | undefined;
  /**
   * Give events new ids, derived from this user and the old id, so that another user's archive can
   * be restored and restoring it again is harmless. Events of the user's own archive keep their ids.
   * Bare lines do not say whose they are and always get new ids. Default false: another user's
   * archive is refused.
   */
  readonly remapUser?: boolean | undefined;
  /**
   * Commit after every so many lines instead of once at the end: an integer from 1. Everything is
   * checked before the first of these transactions, except for what only writing finds: ids that
   * another user's events have, and the log's own constraints. A restore that was interrupted is
   * resumed by running it again. By default it is all one transaction.
   */
  readonly batchSize?: number | undefined;
  /** Called now and then; may be async. A throw ends the restore with `BACKUP_HOOK_FAILED`. */
  readonly onProgress?: ((progress: RestoreProgress) => unknown) | undefined;
  /** How long one call of `onProgress` may take, in milliseconds. Default 30,000. */
  readonly hookTimeoutMs?: number | undefined;
  /** Longest line in bytes. Default: what the archive says of itself, or 536,870,912 (512 MiB). */
  readonly maxLineBytes?: number | undefined;
  /** How many objects and arrays may be open at once in one value. No limit by default. */
  readonly maxDepth?: number | undefined;
  /**
   * How long the database, or what the lines are read from, may be silent while it is waited for, in
   * milliseconds. Default 30,000.
   */
  readonly stallTimeoutMs?: number | undefined;
  /** How long the whole restore may last, in milliseconds. Default 3,600,000: one hour. */
  readonly maxDurationMs?: number | undefined;
}

/** {@link RestoreOptions} with their defaults, checked. */
export interface RestoreRequest {
  /** What an export and a restore share: user, table, settings, limits. */
  readonly scope: LogScope;
  readonly upcaster: Upcaster | undefined;
  readonly dryRun: boolean;
  readonly onConflict: 'stop' | 'keep-existing' | 'report';
  readonly remapUser: boolean;
  readonly batchSize: number | undefined;
  readonly onProgress: ((progress: RestoreProgress) => unknown) | undefined;
  readonly hookTimeoutMs: number;
  readonly maxLineBytes: number | undefined;
  readonly maxDepth: number | undefined;
  /** What the archive is asked for besides. */
  readonly verify: ArchiveVerifyOptions;
}

const ownNames = [
  'upcaster',
  'dryRun',
  'onConflict',
  'remapUser',
  'batchSize',
  'onProgress',
  'hookTimeoutMs',
  'maxLineBytes',
  'maxDepth',
  'expectArchiveId',
  'trustedKeys',
  'requireSignature',
] as const;

const conflictPolicies = ['stop', 'keep-existing', 'report'] as const;

/** Checks the options of a restore and fills in the defaults. */
export function restoreRequestOf(options: RestoreOptions): RestoreRequest {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError('a restore takes an options object with a userId');
  }
  refuseUnknown('the restore', options, [...logScopeNames, ...ownNames]);
  const scope = logScopeOf(options);
  checkColumns(scope.log);
  const { upcaster, onConflict = 'stop', batchSize, onProgress, maxLineBytes, maxDepth } = options;
  if (upcaster !== undefined && !isUpcaster(upcaster)) {
    throw new TypeError('upcaster must come from createUpcaster');
  }
  if (!conflictPolicies.includes(onConflict)) {
    throw new TypeError(`onConflict must be one of ${conflictPolicies.join(', ')}`);
  }
  const hookTimeoutMs = options.hookTimeoutMs ?? 30_000;
  return {
    scope,
    upcaster,
    dryRun: booleanOption('dryRun', options.dryRun),
    onConflict,
    remapUser: booleanOption('remapUser', options.remapUser),
    batchSize: optional('batchSize', batchSize, 2_147_483_647),
    onProgress: functionOption('onProgress', onProgress),
    hookTimeoutMs: timeOption('hookTimeoutMs', hookTimeoutMs),
    maxLineBytes: optional('maxLineBytes', maxLineBytes, longestLineBytes),
    maxDepth: optional('maxDepth', maxDepth),
    verify: verifyOptionsOf(options, scope),
  };
}

// An export may read a column twice. Written twice, one of the values would be lost, or be the owner's.
function checkColumns({ columns, extraColumns }: LogTable): void {
  const names = [...Object.values(columns), ...extraColumns.map(([, column]) => column)];
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new TypeError(`log: ${twice} stands for more than one member`);
}

function isUpcaster(value: Partial<Upcaster> | null): boolean {
  const methods = [value?.upcast, value?.explain];
  return Number.isInteger(value?.current) && methods.every((one) => typeof one === 'function');
}

function verifyOptionsOf(options: RestoreOptions, scope: LogScope): ArchiveVerifyOptions {
  const { remapUser, expectArchiveId, trustedKeys, requireSignature, maxLineBytes } = options;
  if (expectArchiveId !== undefined && typeof expectArchiveId !== 'string') {
    throw new TypeError('expectArchiveId must be a string');
  }
  return {
    ...(remapUser !== true && { userId: scope.userId }),
    ...(expectArchiveId !== undefined && { expectArchiveId }),
    ...(trustedKeys !== undefined && { trustedKeys }),
    ...(requireSignature !== undefined && { requireSignature }),
    ...(maxLineBytes !== undefined && { maxLineBytes }),
    ...(scope.signal !== undefined && { signal: scope.signal }),
  };
}

function optional(name: string, value: number | undefined, max?: number): number | undefined {
  if (value === undefined) return undefined;
  return integerOption(name, value, { min: 1, ...(max !== undefined && { max }) });
}
