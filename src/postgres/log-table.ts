// Where the change log lies: schema, table and columns, with the format's names as defaults.

import { lineMembers } from '../format/export-line.js';
import { refuseUnknown } from '../options.js';

/** The members of a row that come from columns, with the columns' default names. */
export const defaultColumns = {
  id: 'id',
  appId: 'app_id',
  tableName: 'table_name',
  recordId: 'record_id',
  userId: 'user_id',
  op: 'op',
  data: 'data',
  fieldTimestamps: 'field_timestamps',
  clientId: 'client_id',
  createdAt: 'created_at',
  schemaVersion: 'schema_version',
} as const;

/** A member of a row that comes from a column. */
export type LogMember = keyof typeof defaultColumns;

/** Options that say where the change log lies. Names are taken as they are, not folded. */
export interface LogTableOptions {
  /** Default `public`. */
  readonly schema?: string | undefined;
  /** Default `sync_changes`. */
  readonly table?: string | undefined;
  /** Column names that differ from the defaults: `{ userId: 'owner_id' }`. */
  readonly columns?: Partial<Readonly<Record<LogMember, string>>> | undefined;
  /**
   * The host's own columns: member name in the line to column. Written after `createdAt` in this
   * order as `to_jsonb(column)`, left out when NULL. Columns that are not named here are not
   * exported.
   */
  readonly extraColumns?: Readonly<Record<string, string>> | undefined;
}

/** {@link LogTableOptions} with their defaults, checked. */
export interface LogTable {
  readonly schema: string;
  readonly table: string;
  readonly columns: Readonly<Record<LogMember, string>>;
  /** Member name and column, in order. */
  readonly extraColumns: readonly (readonly [member: string, column: string])[];
}

const standardSchema = 'public';
const standardTable = 'sync_changes';
const logMembers = Object.keys(defaultColumns) as LogMember[];
const extraMember = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Checks the options and fills in the defaults. */
export function logTableOf(options: LogTableOptions = {}): LogTable {
  refuseUnknown('log', options, ['schema', 'table', 'columns', 'extraColumns']);
  const {
    schema = standardSchema,
    table = standardTable,
    columns = {},
    extraColumns = {},
  } = options;
  refuseUnknown('log.columns', columns, logMembers);
  const mapped = Object.fromEntries(
    logMembers.map((member) => [
      member,
      nameOption(`log.columns.${member}`, columns[member] ?? defaultColumns[member]),
    ]),
  ) as Record<LogMember, string>;
  return {
    schema: nameOption('log.schema', schema),
    table: nameOption('log.table', table),
    columns: mapped,
    extraColumns: Object.entries(extraColumns).map(([member, column]) => {
      if (!extraMember.test(member) || (lineMembers as readonly string[]).includes(member)) {
        throw new TypeError(
          'log.extraColumns: a member name is an identifier that the format does not name itself',
        );
      }
      return [member, nameOption(`log.extraColumns.${member}`, column)] as const;
    }),
  };
}

/** Whether this is the table that `migrateSyncChanges` makes unless it is told otherwise. */
export function isStandardLog({ schema, table, columns }: LogTable): boolean {
  const areStandard = logMembers.every((member) => columns[member] === defaultColumns[member]);
  return schema === standardSchema && table === standardTable && areStandard;
}

/** The relation for messages: `public.sync_changes`. */
export function relationOf(log: LogTable): string {
  return `${log.schema}.${log.table}`;
}

/** The quoted, schema-qualified relation for SQL. */
export function quotedRelation(log: LogTable): string {
  return `${quoteIdentifier(log.schema)}.${quoteIdentifier(log.table)}`;
}

/** Quotes an identifier (PostgreSQL manual, section 4.1.1). */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function nameOption(where: string, name: unknown): string {
  // Postgres cuts identifiers at 63 bytes without a word, which could hit another object.
  if (typeof name !== 'string' || name === '' || name.includes('\0') || utf8Length(name) > 63) {
    throw new TypeError(`${where} must be a name of 1 to 63 bytes`);
  }
  return name;
}

function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}
