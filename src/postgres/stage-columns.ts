// The stage of a restore: a temporary table of fixed types, and when a line of it is the same as
// another, or as a row of the log.

import { byBytes, eq, gt, identical, le } from './catalog-sql.js';
import type { LogMember, LogTable } from './log-table.js';
import { quoteIdentifier } from './log-table.js';

/** The table that lines are staged in. */
export const stage = 'pg_temp.backup_streams_stage';
/** The table of the log's own rows, once they are upcast. */
export const again = 'pg_temp.backup_streams_again';
/** The table of lines that are not written, and why: their `kind`. */
export const skip = 'pg_temp.backup_streams_skip';

/** Why a line is not written, as one letter of type `"char"`. */
export const lineKinds = {
  /** Its event was among the lines before, with the same content. */
  repeated: 'r',
  /** Its event was among the lines before, with other content. */
  repeatedOtherwise: 'x',
  /** The log holds its event with the same content. */
  present: 'p',
  /** The log holds its event with other content. */
  presentOtherwise: 'c',
  /** The log's row is of an older schema version: to be compared once more when it is upcast. */
  undecided: 'u',
  /** The user's log does not hold its event, and yet the database does not take it. */
  unavailable: 'f',
} as const;

/** One of {@link lineKinds}. */
export type LineKind = (typeof lineKinds)[keyof typeof lineKinds];

/** A line that is not written, as statements tell of it. */
export interface SkippedRow {
  readonly line: string;
  readonly id: string;
  readonly kind: LineKind;
}

/**
 * Where each of a row's members stands in the stage, and as what. Texts compare by their bytes,
 * whatever the database's collation thinks equal.
 */
export const staged: readonly (readonly [LogMember, string, string])[] = [
  ['id', 'id', 'uuid'],
  ['appId', 'app', 'text'],
  ['tableName', 'tab', 'text'],
  ['recordId', 'rec', 'text'],
  ['op', 'op', 'text'],
  ['data', 'data', 'jsonb'],
  ['fieldTimestamps', 'stamps', 'jsonb'],
  ['clientId', 'client', 'text'],
  ['createdAt', 'at', 'timestamptz'],
  ['schemaVersion', 'version', 'int4'],
];

/** The columns of a staged table, for CREATE TABLE. */
export function stageColumns({ extraColumns }: LogTable): string {
  const columns = staged.map(
    ([, name, type]) => `${name} pg_catalog.${type}${type === 'text' ? ` ${byBytes}` : ''}`,
  );
  return [...columns, ...extraColumns.map((_, index) => `x${index} pg_catalog.jsonb`)].join(', ');
}

/** Whether the exported lines of staged line `s` and the log's row `e` are identical. */
export function sameAsLog({ columns, extraColumns }: LogTable): string {
  const parts = staged
    .filter(([member]) => member !== 'id')
    .map(([member, name]) => {
      const column = `e.${quoteIdentifier(columns[member])}`;
      if (member === 'data' || member === 'fieldTimestamps') {
        return sameJson(`s.${name}`, presentJson(`${column}::pg_catalog.jsonb`));
      }
      if (member === 'schemaVersion') return `${versionOf(column)} ${eq} s.${name}`;
      if (member === 'createdAt') return `${column}::pg_catalog.timestamptz ${eq} s.${name}`;
      return `${column}::pg_catalog.text ${byBytes} ${eq} s.${name}`;
    });
  const extra = extraColumns.map(([, column], index) =>
    sameJson(`s.x${index}`, `pg_catalog.to_jsonb(e.${quoteIdentifier(column)})`),
  );
  return [...parts, ...extra].join(' AND ');
}

/** Whether two staged lines are identical. */
export function sameStaged({ extraColumns }: LogTable, a: string, b: string): string {
  const parts = staged.map(([, name, type]) =>
    type === 'jsonb' ? sameJson(`${a}.${name}`, `${b}.${name}`) : `${a}.${name} ${eq} ${b}.${name}`,
  );
  const extra = extraColumns.map((_, index) => sameJson(`${a}.x${index}`, `${b}.x${index}`));
  return [...parts, ...extra].join(' AND ');
}

/** Whether `s` is a line of a slice that is to be written: `after` exclusive, `until` inclusive. */
export function inSlice(after: string, until: string, skips: boolean): string {
  const slice = `s.line ${gt} ${after}::pg_catalog.int4 AND s.line ${le} ${until}::pg_catalog.int4`;
  return skips
    ? `${slice} AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line ${eq} s.line)`
    : slice;
}

/** The schema version that an export gives a row. */
export function versionOf(column: string): string {
  return `greatest(coalesce(${column}::pg_catalog.int4, 1), 1)`;
}

// An export leaves these out, so they count as none.
function presentJson(value: string): string {
  return `CASE WHEN ${value} ${eq} 'null'::pg_catalog.jsonb OR ${value} ${eq} '{}'::pg_catalog.jsonb THEN NULL ELSE ${value} END`;
}

// Texts must be identical: for jsonb's own equality 1.0 is 1.00. Values with the same bytes have the
// same text, and are the ordinary case (PostgreSQL manual, section 9.25.6).
function sameJson(a: string, b: string): string {
  return `(${sameImage(a, b)} OR ${sameImage(`(${a})::pg_catalog.text`, `(${b})::pg_catalog.text`)})`;
}

/** Whether two values are the same bytes, or both NULL. */
function sameImage(a: string, b: string): string {
  return `ROW(${a})::pg_catalog.record ${identical} ROW(${b})::pg_catalog.record`;
}
