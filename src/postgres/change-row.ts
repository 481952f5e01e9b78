// The server's text of a row to a ChangeRow, with the checks that every row must pass.

import { BackupError } from '../errors.js';
import type { ChangeOp, ChangeRow } from '../format/change-row.js';
import { rawJsonOfJsonb } from '../format/raw-json.js';
import type { RawJson } from '../format/raw-json.js';
import type { ExportRequest } from './export-options.js';
import type { RowFields } from './row-cursor.js';

/**
 * Makes the reader of rows of one export; fields come in the order of `selectedMembers`.
 *
 * The reader throws BackupError `BACKUP_TENANCY_MISMATCH` for a row of another user and
 * `BACKUP_ROW_UNMAPPABLE` for a time that no line can express.
 */
export function rowReader(
  request: ExportRequest,
): (fields: RowFields, rowCount: number) => ChangeRow {
  const { userId, log } = request;
  const extraMembers = log.extraColumns.map(([member]) => member);
  return (fields, rowCount) => {
    if (fields[4] !== userId) throw foreignRow(rowCount);
    const [id, appId, tableName, recordId, , op, data, stamps, clientId, time, version] = fields;
    const row = {
      id: id as string,
      appId: appId as string,
      tableName: tableName as string,
      recordId: recordId as string,
      userId,
      op: op as ChangeOp,
      data: jsonOf(data),
      fieldTimestamps: jsonOf(stamps),
      clientId: clientId as string,
      createdAt: createdAtOf(time, id as string, log.columns.createdAt),
      schemaVersion: version === null ? null : Number(version),
    };
    return extraMembers.length === 0
      ? row
      : { ...row, extra: extraOf(extraMembers, fields.slice(11)) };
  };
}

/** A row of somebody else: policies and filter have both failed, so nothing of it is shown. */
export function foreignRow(rowCount: number): BackupError<'BACKUP_TENANCY_MISMATCH'> {
  return new BackupError(
    'BACKUP_TENANCY_MISMATCH',
    `row ${rowCount} belongs to another user: the export stops before it`,
    { found: 'row', rowCount },
  );
}

/** A time that RFC 3339 cannot write. */
export function timeUnmappable(
  eventId: string | undefined,
  column: string,
): BackupError<'BACKUP_ROW_UNMAPPABLE'> {
  return new BackupError(
    'BACKUP_ROW_UNMAPPABLE',
    `${column} of event ${eventId ?? 'without an id'} is infinite or outside the years 1 to 9999: ` +
      'correct the row; an export never skips one',
    { member: 'createdAt', column, ...(eventId !== undefined && { eventId }) },
  );
}

// With DateStyle ISO and TimeZone UTC Postgres writes '2026-04-14 10:00:00.12+00', the fraction
// already trimmed. Other years have more digits or ' BC' behind them; infinity is a word.
function createdAtOf(text: string | null | undefined, eventId: string, column: string): string {
  if (typeof text !== 'string' || text.charCodeAt(10) !== 0x20 || !text.endsWith('+00')) {
    throw timeUnmappable(eventId, column);
  }
  return `${text.slice(0, 10)}T${text.slice(11, -3)}Z`;
}

function jsonOf(text: string | null | undefined): RawJson | null {
  return text === null || text === undefined ? null : rawJsonOfJsonb(text);
}

function extraOf(members: readonly string[], texts: RowFields): ReadonlyMap<string, RawJson> {
  const extra = new Map<string, RawJson>();
  for (const [index, member] of members.entries()) {
    const value = jsonOf(texts[index]);
    if (value !== null) extra.set(member, value);
  }
  return extra;
}
