// Lines of older schema versions to lines of today's, one step at a time.

import { BackupError } from '../errors.js';
import type { BackupErrorDetails } from '../errors.js';
import { integerOption, refuseUnknown } from '../options.js';
import { encodeExportLine } from './encode-line.js';
import type { ExportLine } from './export-line.js';
import { maxSchemaVersion } from './schema-version.js';
import { isThenable, leaveUnawaited } from './thenable.js';

/**
 * Brings a line of one schema version to the next. Called once per line that is of its version or
 * older, in order, synchronously; the line is frozen. Returns a line made from it, as
 * `{ ...line, data }` does, and no promise of one. Must be pure, since a backup may be restored more
 * than once. `eventId`, `appId`, `table`, `id`, `clientId` and `createdAt` must stay; `schemaVersion`
 * is set by the upcaster; `extra` stays unless the step gives one, also `undefined`. A throw fails the
 * reading with `BACKUP_UPCAST_FAILED`.
 */
export type UpcastStep = (line: ExportLine) => ExportLine;

/** Options of {@link createUpcaster}. */
export interface UpcasterOptions {
  /** The schema version that the host's code is at: an integer from 1. */
  readonly current: number;
  /**
   * One step for each version below `current`: `steps[n]` takes a line of version n to n + 1. A Map
   * or entries do as well.
   */
  readonly steps:
    Readonly<Record<number, UpcastStep>> | Iterable<readonly [fromVersion: number, UpcastStep]>;
}

/** One step of a path of versions. */
export interface UpcastStage {
  readonly fromVersion: number;
  readonly toVersion: number;
}

/** Brings lines to the current schema version. */
export interface Upcaster {
  /** The version that lines come out with. */
  readonly current: number;
  /**
   * The line as it would have been written today; a line of the current version is given back as it
   * is.
   *
   * @param line - a line of any version up to `current`
   * @param lineNumber - from 1, for errors
   * @throws BackupError `BACKUP_SCHEMA_UNSUPPORTED` for a newer line, `BACKUP_UPCAST_FAILED` when a
   * step throws, is async, gives no line, or changes what identifies the event
   */
  upcast(line: ExportLine, lineNumber?: number): ExportLine;
  /**
   * The steps that a line of this version goes through, in order; none for the current version.
   *
   * @throws RangeError for what is no version from 1 to `current`
   */
  explain(version: number): readonly UpcastStage[];
}

const heldMembers = ['eventId', 'appId', 'table', 'id', 'clientId', 'createdAt'] as const;

/**
 * Makes an upcaster out of a host's steps. It is complete, or it is not made: a backup of version 1
 * must find its way whenever it is brought back.
 *
 * @throws TypeError for a gap, a step that is there twice, a step at or beyond `current`, a step
 * that is no function; RangeError for a `current` that is no version
 *
 * @example
 * ```ts
 * import { createUpcaster, RawJson } from 'backup-streams';
 *
 * // An object with one member called otherwise; its values' texts are moved, not parsed.
 * function renamed(json: unknown, from: string, to: string): unknown {
 *   if (!(json instanceof RawJson) || !json.text.startsWith('{')) return json;
 *   const members = [...json.members()];
 *   return RawJson.fromMembers(members.map(([name, value]) => [name === from ? to : name, value]));
 * }
 *
 * const upcaster = createUpcaster({
 *   current: 2,
 *   steps: {
 *     // Version 2 calls the title of a task `name`, in its data and in its times.
 *     1: (line) =>
 *       line.table === 'tasks'
 *         ? {
 *             ...line,
 *             data: renamed(line.data, 'title', 'name'),
 *             fieldTimestamps: renamed(line.fieldTimestamps, 'title', 'name'),
 *           }
 *         : line,
 *   },
 * });
 * upcaster.explain(1); // [{ fromVersion: 1, toVersion: 2 }]
 * ```
 */
export function createUpcaster(options: UpcasterOptions): Upcaster {
  const { current, steps } = optionsOf(options);
  const explain = (version: number): readonly UpcastStage[] => {
    if (!Number.isInteger(version) || version < 1 || version > current) {
      throw new RangeError(`a version must be an integer from 1 to ${current}`);
    }
    return Array.from({ length: current - version }, (_, index) => ({
      fromVersion: version + index,
      toVersion: version + index + 1,
    }));
  };
  const upcast = (given: ExportLine, lineNumber?: number): ExportLine => {
    if (given.schemaVersion > current) throw newerThan(current, given, lineNumber);
    let line = given;
    while (line.schemaVersion < current) {
      line = take(steps[line.schemaVersion - 1] as UpcastStep, line, lineNumber);
    }
    return line;
  };
  return Object.freeze({ current, upcast, explain });
}

function optionsOf(options: UpcasterOptions): { current: number; steps: UpcastStep[] } {
  refuseUnknown('createUpcaster', options, ['current', 'steps']);
  const { current, steps } = options;
  integerOption('current', current, { min: 1, max: maxSchemaVersion });
  if (typeof steps !== 'object' || (steps as unknown) === null) {
    throw new TypeError('steps must be an object of functions by version');
  }
  const found = new Map<number, UpcastStep>();
  for (const [key, step] of entriesOf(steps)) {
    const version = Number(key);
    if (!Number.isInteger(version) || version < 1) {
      throw new TypeError('steps: a key is no schema version');
    }
    if (version >= current) {
      throw new TypeError(`steps: ${version} is not below current, which is ${current}`);
    }
    if (found.has(version)) throw new TypeError(`steps: ${version} is there twice`);
    if (typeof step !== 'function') throw new TypeError(`steps: ${version} is no function`);
    found.set(version, step);
  }
  return {
    current,
    steps: Array.from({ length: current - 1 }, (_, index) => {
      const step = found.get(index + 1);
      if (step === undefined) throw new TypeError(`steps: there is no step from ${index + 1}`);
      return step;
    }),
  };
}

function entriesOf(
  steps: UpcasterOptions['steps'],
): Iterable<readonly [number | string, UpcastStep]> {
  return Symbol.iterator in steps
    ? (steps as Iterable<readonly [number, UpcastStep]>)
    : Object.entries(steps);
}

function take(step: UpcastStep, line: ExportLine, lineNumber: number | undefined): ExportLine {
  const failed = (
    reason: BackupErrorDetails['BACKUP_UPCAST_FAILED']['reason'],
    more: { readonly member?: string; readonly cause?: unknown } = {},
  ): BackupError => upcastFailed(reason, line, { ...more, lineNumber });
  const { extra } = line;
  let result: unknown;
  let isLater: boolean;
  let made: ExportLine | undefined;
  try {
    // Copies, so that a step which keeps or changes its argument changes nothing of ours, and that
    // what is checked is what is given on.
    result = step(Object.freeze({ ...line }));
    isLater = isThenable(result);
    if (typeof result === 'object' && result !== null) {
      const schemaVersion = line.schemaVersion + 1;
      made = { ...(extra !== undefined && { extra }), ...(result as ExportLine), schemaVersion };
    }
  } catch (cause) {
    throw failed('threw', { cause });
  }
  if (isLater) {
    leaveUnawaited(result as PromiseLike<unknown>);
    throw failed('async');
  }
  if (made === undefined) throw failed('no-line');
  const changed = heldMembers.find((member) => made[member] !== line[member]);
  if (changed !== undefined) throw failed('identity-changed', { member: changed });
  return made;
}

/**
 * The JSON text of an upcast line.
 *
 * @throws BackupError `BACKUP_UPCAST_FAILED` when the steps made what no line can hold
 */
export function encodeUpcast(line: ExportLine, from: ExportLine, lineNumber?: number): string {
  try {
    return encodeExportLine(line);
  } catch (cause) {
    const { details } = cause as BackupError<'BACKUP_LINE_INVALID'>;
    throw upcastFailed('invalid-line', from, { member: details.member, cause, lineNumber });
  }
}

const reasonTexts = {
  threw: 'threw',
  async: 'is async: it must give the line itself, not a promise of it',
  'no-line': 'gave no line',
  'identity-changed': 'changed what identifies the event',
  'invalid-line': 'made what no line can hold',
} as const;

function upcastFailed(
  reason: keyof typeof reasonTexts,
  { schemaVersion: fromVersion, eventId }: ExportLine,
  more: {
    readonly member?: string | undefined;
    readonly lineNumber?: number | undefined;
    readonly cause?: unknown;
  },
): BackupError<'BACKUP_UPCAST_FAILED'> {
  const { member, lineNumber, cause } = more;
  const memberText = member === undefined ? '' : ` (${member})`;
  return new BackupError(
    'BACKUP_UPCAST_FAILED',
    `the host's step from schema version ${fromVersion} ${reasonTexts[reason]}${memberText}` +
      (lineNumber === undefined ? '' : `, line ${lineNumber}`),
    {
      reason,
      fromVersion,
      eventId,
      ...(member !== undefined && { member }),
      ...(lineNumber !== undefined && { lineNumber }),
    },
    cause,
  );
}

function newerThan(
  current: number,
  { schemaVersion, eventId }: ExportLine,
  lineNumber: number | undefined,
): BackupError<'BACKUP_SCHEMA_UNSUPPORTED'> {
  const placeText = lineNumber === undefined ? `event ${eventId}` : `line ${lineNumber}`;
  return new BackupError(
    'BACKUP_SCHEMA_UNSUPPORTED',
    `${placeText} is of schema version ${schemaVersion}, and this host knows versions up to ` +
      `${current}: update the host and try again; nothing is lost`,
    { schemaVersion, current, eventId, ...(lineNumber !== undefined && { lineNumber }) },
  );
}
