// The options that both lanes share, checked before any I/O.

import { refuseUnknown, signalOption, timeOption } from '../options.js';
import { positionSchema } from '../format/position.js';
import type { Position } from '../format/position.js';
import { isUuid } from '../format/uuid.js';
import { logTableOf } from './log-table.js';
import type { LogTable, LogTableOptions } from './log-table.js';

/** Options of an export, whichever lane. */
export interface PgExportOptions {
  /**
   * Whose rows: a text of 1 to 255 bytes in UTF-8 without white space at its ends, spelt as the log's
   * column has it as text. Where the column's type spells it otherwise (`uuid` in upper case, `042` for
   * a `bigint`, `citext` in another case than the rows), it is refused: it would find no row, or not all.
   */
  readonly userId: string;
  /** Only rows after this position. */
  readonly after?: Position | undefined;
  /** Only rows up to this position, itself included. */
  readonly until?: Position | undefined;
  /** Only rows of these apps; all when left out. */
  readonly apps?: readonly string[] | undefined;
  /** Only rows of these tables; all when left out. */
  readonly tables?: readonly string[] | undefined;
  /** Where the change log lies. */
  readonly log?: LogTableOptions | undefined;
  /**
   * Further settings that the host's row-level policies read, such as
   * `{ 'app.current_user_space_ids': '' }`: set for the transaction and checked again at its end.
   * `app.current_user_id` is always the user; `app.current_user_space_ids` is emptied unless given.
   *
   * A setting that a policy reads and that is neither given nor set for the role may hide rows, and is
   * refused (`setting-not-given`), but only where a policy names it itself, as
   * `current_setting('app.tenant')`: what functions of the policy read is not seen, so give that in any
   * case. Give a setting as `''` if it is meant to be empty.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /**
   * `require` (default) refuses a role or relation for which row-level security is inert.
   * `explicit-filter-only` leaves tenancy to the filter on the user and the check of every row.
   * Where row-level security is active, its policies apply with either, and both refuse what would hide
   * rows: that no policy lets any be read (`no-policy`), and a setting that is not given (see `settings`).
   */
  readonly rowSecurity?: 'require' | 'explicit-filter-only' | undefined;
  /** Aborts the export: it rejects with `signal.reason` and the server stops working on it. */
  readonly signal?: AbortSignal | undefined;
  /** How long the pool may take to give a client, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long the server may be silent while it is waited for, in milliseconds. Default 30,000. */
  readonly stallTimeoutMs?: number | undefined;
  /**
   * How long the consumer may take nothing, in milliseconds, also when all rows are here and only
   * wait for it. Default 120,000.
   */
  readonly sinkStallTimeoutMs?: number | undefined;
  /**
   * How long the whole export may last, until the consumer has the last of it, in milliseconds.
   * Default 3,600,000: one hour.
   */
  readonly maxDurationMs?: number | undefined;
}

/** What an export and a restore share, checked: whose rows, where they lie, and how long all may take. */
export interface LogScope {
  readonly userId: string;
  readonly log: LogTable;
  /** Every setting of the transaction that policies may read, the user's own first. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly rowSecurity: 'require' | 'explicit-filter-only';
  readonly signal: AbortSignal | undefined;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly maxDurationMs: number;
}

/** {@link PgExportOptions} with their defaults, checked. */
export interface ExportRequest extends LogScope {
  readonly after: Position | undefined;
  readonly until: Position | undefined;
  readonly apps: readonly string[] | undefined;
  readonly tables: readonly string[] | undefined;
  readonly sinkStallTimeoutMs: number;
}

/** The names of the options that {@link logScopeOf} takes. */
export const logScopeNames = [
  'userId',
  'log',
  'settings',
  'rowSecurity',
  'signal',
  'connectTimeoutMs',
  'stallTimeoutMs',
  'maxDurationMs',
] as const satisfies readonly (keyof PgExportOptions)[];

const ownNames = ['after', 'until', 'apps', 'tables', 'sinkStallTimeoutMs'] as const;

/** The longest id of a user, in bytes of UTF-8. */
const mostUserIdBytes = 255;

/** The setting that names the user to row-level policies. */
export const userSetting = 'app.current_user_id';
const spaceSetting = 'app.current_user_space_ids';

/** Checks the options of an export and fills in the defaults. `lane`: the lane's own options. */
export function exportRequestOf(options: PgExportOptions, lane: readonly string[]): ExportRequest {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError('an export takes an options object with a userId');
  }
  refuseUnknown('the export', options, [...logScopeNames, ...ownNames, ...lane]);
  return {
    ...logScopeOf(options),
    after: positionOption('after', options.after),
    until: positionOption('until', options.until),
    apps: listOption('apps', options.apps),
    tables: listOption('tables', options.tables),
    sinkStallTimeoutMs: timeOption('sinkStallTimeoutMs', options.sinkStallTimeoutMs ?? 120_000),
  };
}

/** Checks what an export and a restore share, and fills in the defaults. */
export function logScopeOf(
  options: Pick<PgExportOptions, (typeof logScopeNames)[number]>,
): LogScope {
  const { rowSecurity = 'require', signal } = options;
  const userId = textOption('userId', options.userId);
  // Postgres would cut or refuse these only after a query; an empty id matches unset settings.
  if (userId === '') throw new TypeError('userId must not be empty');
  if (Buffer.byteLength(userId) > mostUserIdBytes || userId.trim() !== userId) {
    throw new TypeError('userId must be 255 bytes at most, without white space at its ends');
  }
  if (rowSecurity !== 'require' && rowSecurity !== 'explicit-filter-only') {
    throw new TypeError("rowSecurity must be 'require' or 'explicit-filter-only'");
  }
  signalOption(signal);
  return {
    userId,
    log: logTableOf(options.log),
    settings: settingsOf(userId, options.settings),
    rowSecurity,
    signal,
    connectTimeoutMs: timeOption('connectTimeoutMs', options.connectTimeoutMs ?? 10_000),
    stallTimeoutMs: timeOption('stallTimeoutMs', options.stallTimeoutMs ?? 30_000),
    maxDurationMs: timeOption('maxDurationMs', options.maxDurationMs ?? 3_600_000),
  };
}

// Only names with a dot are a host's own; a built-in setting could undo what tenancy rests on.
const customSetting = /^[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)+$/;

function settingsOf(
  userId: string,
  given: Readonly<Record<string, string>> = {},
): (readonly [string, string])[] {
  const settings = new Map([
    [userSetting, userId],
    [spaceSetting, ''],
  ]);
  for (const [name, value] of Object.entries(given)) {
    if (!customSetting.test(name)) {
      throw new TypeError("settings: a name must be a host's own, with a dot in it");
    }
    // Postgres compares names without regard to case.
    if (name.toLowerCase() === userSetting) {
      throw new TypeError(`settings: ${userSetting} is always the userId`);
    }
    settings.set(name.toLowerCase(), textOption(`settings: ${name}`, value));
  }
  return [...settings];
}

function textOption(where: string, text: unknown): string {
  if (typeof text !== 'string') throw new TypeError(`${where} must be a string`);
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new TypeError(`${where} must not hold NUL or an unpaired surrogate`);
  }
  return text;
}

function listOption(
  where: string,
  list: readonly string[] | undefined,
): readonly string[] | undefined {
  if (list === undefined) return undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw new TypeError(`${where} must be a non-empty array of names: leave it out for all`);
  }
  return list.map((name) => textOption(where, name));
}

function positionOption(where: string, position: unknown): Position | undefined {
  if (position === undefined) return undefined;
  const parsed = positionSchema.safeParse(position);
  if (!parsed.success || !isUuid(parsed.data.eventId)) {
    throw new TypeError(`${where} must be { createdAt, eventId }: a line's time and a uuid`);
  }
  return parsed.data;
}
