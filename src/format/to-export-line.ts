// The only mapping in the library: a row of the log to the line that stands for it.

import { BackupError } from '../errors.js';
import { isChangeOp } from './change-row.js';
import type { ChangeRow } from './change-row.js';
import { isAbsentJson } from './export-line.js';
import type { ExportLine } from './export-line.js';
import { normalizeSchemaVersion } from './schema-version.js';
import { canonicalTimestamp } from './timestamp.js';
import { isUuid } from './uuid.js';

/**
 * Maps a row to its line. Pure: the same row always gives the same line.
 *
 * `schemaVersion` is normalised (missing, zero or negative gives 1), `createdAt` brought to UTC with
 * microseconds, a uuid written in lower case; `data` and `fieldTimestamps` are left out when they
 * are SQL NULL, JSON `null` or `{}`, and passed on untouched otherwise.
 *
 * @throws BackupError `BACKUP_ROW_UNMAPPABLE` naming the member and the event: a time that is
 * infinite or outside the years 1 to 9999, an invalid op or version, a text that is missing,
 * an `extra` that is not a Map
 *
 * @example
 * ```ts
 * import { toExportLine } from 'backup-streams';
 *
 * const line = toExportLine({
 *   id: '00000000-0000-4000-8000-000000000001',
 *   appId: 'todo',
 *   tableName: 'tasks',
 *   recordId: 'task-1',
 *   userId: 'user-1',
 *   op: 'insert',
 *   data: { title: 'Buy milk' },
 *   clientId: 'client-a',
 *   createdAt: new Date('2026-04-14T10:00:00Z'),
 * });
 * line.schemaVersion; // 1
 * ```
 */
export function toExportLine(row: ChangeRow): ExportLine {
  const { op, data, fieldTimestamps, extra } = row;
  if (!isChangeOp(op)) throw unmappable(row, 'op');
  const eventId = textOf(row.id, row, 'id');
  if (eventId === '') throw unmappable(row, 'id');
  const line: { -readonly [Member in keyof ExportLine]?: ExportLine[Member] } = {
    eventId: upperCase.test(eventId) && isUuid(eventId) ? eventId.toLowerCase() : eventId,
    schemaVersion: versionOf(row),
    appId: textOf(row.appId, row, 'appId'),
    table: textOf(row.tableName, row, 'tableName'),
    id: textOf(row.recordId, row, 'recordId'),
    op,
  };
  if (!isAbsentJson(data)) line.data = data;
  if (!isAbsentJson(fieldTimestamps)) line.fieldTimestamps = fieldTimestamps;
  line.clientId = textOf(row.clientId, row, 'clientId');
  line.createdAt = timeOf(row);
  if (extra !== undefined) {
    if (!(extra instanceof Map)) throw unmappable(row, 'extra');
    if (extra.size > 0) line.extra = extra;
  }
  return line as ExportLine;
}

const upperCase = /[A-F]/;

function textOf(text: unknown, row: ChangeRow, member: keyof ChangeRow): string {
  if (typeof text !== 'string') throw unmappable(row, member);
  return text;
}

function versionOf(row: ChangeRow): number {
  try {
    return normalizeSchemaVersion(row.schemaVersion);
  } catch {
    throw unmappable(row, 'schemaVersion');
  }
}

function timeOf(row: ChangeRow): string {
  const time: unknown = row.createdAt;
  const isTime = typeof time === 'string' || time instanceof Date;
  const canonical = isTime ? canonicalTimestamp(time) : undefined;
  if (canonical === undefined) throw unmappable(row, 'createdAt');
  return canonical;
}

function unmappable(row: ChangeRow, member: keyof ChangeRow): BackupError<'BACKUP_ROW_UNMAPPABLE'> {
  const { id } = row as { readonly id: unknown };
  return rowUnmappable(member, typeof id === 'string' ? id : undefined);
}

/** A row that no line can express: the member of `ChangeRow` that is why, and whose event it is. */
export function rowUnmappable(
  member: string,
  eventId?: string,
): BackupError<'BACKUP_ROW_UNMAPPABLE'> {
  return new BackupError(
    'BACKUP_ROW_UNMAPPABLE',
    `no line can express ${member} of ${eventId === undefined ? 'a row' : `event ${eventId}`}: ` +
      'correct the row; an export never skips one',
    { member, ...(eventId !== undefined && { eventId }) },
  );
}
