// The one query of an export: the same columns, filter and order for both lanes.

import { eq, gt, le } from './catalog-sql.js';
import type { ExportRequest } from './export-options.js';
import { quotedRelation, quoteIdentifier } from './log-table.js';
import type { LogMember, LogTable } from './log-table.js';

// Cast, so that both lanes read what they expect whatever the host's columns are: binary COPY would
// misread another type without a word. A cast to the type that a column has costs nothing.
const selected: readonly (readonly [LogMember, string])[] = [
  ['id', 'uuid'],
  ['appId', 'text'],
  ['tableName', 'text'],
  ['recordId', 'text'],
  ['userId', 'text'],
  ['op', 'text'],
  ['data', 'jsonb'],
  ['fieldTimestamps', 'jsonb'],
  ['clientId', 'text'],
  ['createdAt', 'timestamptz'],
  ['schemaVersion', 'int4'],
];

/** How many columns {@link selectLog} gives before the extra ones. */
export const selectedCount = selected.length;

/** Where each member stands in what {@link selectLog} gives. */
export const fieldOf = Object.fromEntries(
  selected.map(([member], index) => [member, index]),
) as Readonly<Record<LogMember, number>>;

/** What an export selects of the log, which is called `c`, in order: the members, then extra columns. */
export function selectedFields(log: LogTable): readonly string[] {
  return [
    ...selected.map(
      ([member, type]) => `c.${quoteIdentifier(log.columns[member])}::pg_catalog.${type}`,
    ),
    ...log.extraColumns.map(([, name]) => `pg_catalog.to_jsonb(c.${quoteIdentifier(name)})`),
  ];
}

/**
 * The SELECT of an export.
 *
 * @param bind - puts a value into the query: as a parameter or as an escaped literal. Nothing else
 * that a caller gave gets into the text, but for quoted identifiers.
 */
export function selectLog(request: ExportRequest, bind: (value: string) => string): string {
  const { log, after, until, apps, tables } = request;
  const column = (member: LogMember): string => `c.${quoteIdentifier(log.columns[member])}`;
  // The table's columns, not the output's: ORDER BY a bare name would sort what was selected.
  const time = `${column('createdAt')}::pg_catalog.timestamptz`;
  const id = `${column('id')}::pg_catalog.uuid`;
  const beyond = (operator: string, position: { createdAt: string; eventId: string }): string =>
    `(${time}, ${id}) ${operator} ` +
    `(${bind(position.createdAt)}::pg_catalog.timestamptz, ${bind(position.eventId)}::pg_catalog.uuid)`;
  const anyOf = (member: LogMember, names: readonly string[]): string =>
    `${column(member)}::pg_catalog.text ${eq} ANY (${bind(arrayLiteral(names))}::pg_catalog.text[])`;
  const conditions = [
    `${column('userId')}::pg_catalog.text ${eq} ${bind(request.userId)}::pg_catalog.text`,
    ...(after === undefined ? [] : [beyond(gt, after)]),
    ...(until === undefined ? [] : [beyond(le, until)]),
    ...(apps === undefined ? [] : [anyOf('appId', apps)]),
    ...(tables === undefined ? [] : [anyOf('tableName', tables)]),
  ];
  return (
    `SELECT ${selectedFields(log).join(', ')} FROM ${quotedRelation(log)} AS c ` +
    `WHERE ${conditions.join(' AND ')} ORDER BY ${time}, ${id}`
  );
}

// PostgreSQL manual, section 8.15.2. One value, however many names there are.
function arrayLiteral(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
