// One change on the wire: ExportLine to the JSON text of one line. The way back is decode-line.

import { z } from 'zod';
import { BackupError } from '../errors.js';
import { changeOpSchema, extraSchema, textSchema } from './change-row.js';
import { encodeJson, escapeText, isPlain, JsonEncodeError } from './json-encode.js';
import { asLineText, lineTextOf, RawJson } from './raw-json.js';
import { maxSchemaVersion } from './schema-version.js';
import { isCanonicalTimestamp } from './timestamp.js';

/** zod schema of an {@link ExportLine}. */
export const exportLineSchema = z
  .object({
    eventId: textSchema.min(1),
    schemaVersion: z.int().min(1).max(maxSchemaVersion),
    appId: textSchema,
    table: textSchema,
    id: textSchema,
    op: changeOpSchema,
    data: z.unknown().optional(),
    fieldTimestamps: z.unknown().optional(),
    clientId: textSchema,
    createdAt: z.string().refine(isCanonicalTimestamp, 'not a UTC time as lines hold it'),
    extra: extraSchema.refine(namesNoMember, 'holds a member that the format names').optional(),
  })
  .readonly();

/**
 * One change as a line holds it. `eventId` is the row's id, `id` the record's. `data` and
 * `fieldTimestamps` are `RawJson`, or plain values where a host's mapper made them. `extra` holds
 * the members after `createdAt`: the host's own columns, or what a newer writer added.
 */
export type ExportLine = z.infer<typeof exportLineSchema>;

/** The members of a line that the format names, in the order in which they are written. */
export const lineMembers = [
  'eventId',
  'schemaVersion',
  'appId',
  'table',
  'id',
  'op',
  'data',
  'fieldTimestamps',
  'clientId',
  'createdAt',
] as const;

/** A member of a line that the format names. */
export type LineMember = (typeof lineMembers)[number];

function isLineMember(name: string): name is LineMember {
  return (lineMembers as readonly string[]).includes(name);
}

function namesNoMember(extra: ReadonlyMap<string, RawJson>): boolean {
  return ![...extra.keys()].some(isLineMember);
}

/**
 * Writes a line as JSON text, without the line feed. Members come in the format's order; `data` and
 * `fieldTimestamps` are left out when they are `null` or `{}`.
 *
 * @param line - a valid line; values that are no `RawJson` are written without rounding
 * @throws BackupError `BACKUP_LINE_INVALID` naming the member that no line can hold
 *
 * @example
 * ```ts
 * import { encodeExportLine, toExportLine, type ChangeRow } from 'backup-streams';
 *
 * const jsonl = (rows: ChangeRow[]): string =>
 *   rows.map((row) => encodeExportLine(toExportLine(row)) + '\n').join('');
 * ```
 */
export function encodeExportLine(line: ExportLine): string {
  if (line.op !== 'insert' && line.op !== 'update' && line.op !== 'delete') {
    throw invalid('op', 'op is not one of insert, update, delete', line);
  }
  const version = line.schemaVersion;
  if (!Number.isInteger(version) || version < 1 || version > maxSchemaVersion) {
    throw invalid('schemaVersion', 'schemaVersion is not an integer from 1 to 2^31 - 1', line);
  }
  if (line.eventId === '') throw invalid('eventId', 'eventId is empty', line);
  if (typeof line.createdAt !== 'string' || !isCanonicalTimestamp(line.createdAt)) {
    throw invalid('createdAt', 'createdAt is not a UTC time as lines hold it', line);
  }
  const { eventId, appId, table, id, op, data, fieldTimestamps, clientId, createdAt } = line;
  // Quotes in the literals, not around each text: every further piece would cost when the line is
  // put together.
  return (
    `{"eventId":"${inQuotes(eventId, 'eventId', line)}","schemaVersion":${version}` +
    `,"appId":"${inQuotes(appId, 'appId', line)}","table":"${inQuotes(table, 'table', line)}` +
    `","id":"${inQuotes(id, 'id', line)}","op":"${op}"` +
    jsonMember(data, line, 'data') +
    jsonMember(fieldTimestamps, line, 'fieldTimestamps') +
    `,"clientId":"${inQuotes(clientId, 'clientId', line)}","createdAt":"${createdAt}` +
    (line.extra === undefined ? '"}' : `"${extraMembers(line)}`)
  );
}

/**
 * Whether a value is left out of a line: JSON `null` and `{}` count as none, as SQL NULL does.
 * Anything else is data, whatever its type.
 */
export function isAbsentJson(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (value instanceof RawJson) return isAbsentText(value.text);
  // A Map or an instance of a class has no keys either, and is not nothing: encoding refuses it.
  return (
    typeof value === 'object' &&
    isPlain(value) &&
    !('toJSON' in value) &&
    Object.keys(value).length === 0
  );
}

function isAbsentText(text: string): boolean {
  return !text.startsWith('{"') && emptyText.test(text);
}

const emptyText = /^[ \t\n\r]*(?:null|\{[ \t\n\r]*\})[ \t\n\r]*$/;

function inQuotes(text: unknown, member: string, line: ExportLine): string {
  if (typeof text !== 'string') throw invalid(member, `${member} is not a string`, line);
  try {
    return escapeText(text);
  } catch (error) {
    throw refused(error, member, line);
  }
}

function jsonMember(value: unknown, line: ExportLine, member: 'data' | 'fieldTimestamps'): string {
  if (value === undefined || value === null) return '';
  // Asked of the text: { a: undefined } and an invalid Date only turn out to be nothing here.
  const text = jsonText(value, member, line);
  return isAbsentText(text) ? '' : `,"${member}":${text}`;
}

function extraMembers(line: ExportLine): string {
  const extra: unknown = line.extra;
  if (!(extra instanceof Map)) throw invalid('extra', 'extra is not a Map', line);
  const parts: string[] = [];
  for (const [name, value] of extra as Map<unknown, unknown>) {
    const member = typeof name === 'string' ? name : 'extra';
    if (isLineMember(member)) {
      throw invalid(member, 'extra holds a member that the format names', line);
    }
    parts.push(`,"${inQuotes(name, 'extra', line)}":${jsonText(value, member, line)}`);
  }
  return parts.join('') + '}';
}

function jsonText(value: unknown, member: string, line: ExportLine): string {
  try {
    return value instanceof RawJson ? lineTextOf(value) : asLineText(encodeJson(value));
  } catch (error) {
    throw refused(error, member, line);
  }
}

function refused(error: unknown, member: string, line: ExportLine): BackupError {
  if (error instanceof JsonEncodeError) return invalid(member, `${member}: ${error.message}`, line);
  // The host's own toJSON or getter: what it says may quote the value.
  return invalid(member, `${member}: reading the value threw`, line, error);
}

function invalid(
  member: string,
  reason: string,
  line?: { readonly eventId?: unknown },
  cause?: unknown,
): BackupError<'BACKUP_LINE_INVALID'> {
  const eventId = typeof line?.eventId === 'string' ? line.eventId : undefined;
  const details = { reason, member, ...(eventId !== undefined && { eventId }) };
  return new BackupError('BACKUP_LINE_INVALID', `not a valid line: ${reason}`, details, cause);
}
