// One change on the wire: ExportLine to the JSON text of one line. The way back is decode-line.

import type { BackupError } from '../errors.js';
import { isChangeOp } from './change-row.js';
import { isAbsentAt, isLineMember } from './export-line.js';
import type { ExportLine } from './export-line.js';
import { joinBytes, writeInteger, writeText } from './json-bytes.js';
import { encodeJson, escapeText, JsonEncodeError } from './json-encode.js';
import { FixedText, writeFixedText } from './fixed-text.js';
import { skipWhitespace } from './json-scan.js';
import { lineInvalid } from './line-invalid.js';
import { asLineText, lineBytesOf, RawJson } from './raw-json.js';
import { maxSchemaVersion } from './schema-version.js';
import { isCanonicalTimestamp } from './timestamp.js';

/** Memory that a line is written into. */
export interface LineOutput {
  readonly bytes: Uint8Array;
  /** The same memory as `bytes`, for words. */
  readonly view: DataView;
  /** Where the next byte goes. */
  end: number;
  /** Makes room for `byteCount` more bytes; `bytes` and `view` may be others afterwards. */
  reserve(byteCount: number): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What stands in a line before the value of each member, with the quote that ends the value before. */
export const linePieces = {
  eventId: new FixedText('{"eventId":"'),
  schemaVersion: new FixedText('","schemaVersion":'),
  appId: new FixedText(',"appId":"'),
  table: new FixedText('","table":"'),
  id: new FixedText('","id":"'),
  op: new FixedText('","op":"'),
  data: new FixedText(',"data":'),
  fieldTimestamps: new FixedText(',"fieldTimestamps":'),
  clientId: new FixedText(',"clientId":"'),
  createdAt: new FixedText('","createdAt":"'),
} as const;
/** More than those, a version, a time, what ends a line and what a piece may overwrite take together. */
export const maxPiecesBytes = 256;

const quote = 0x22;
const rightBrace = 0x7d;
const lineFeed = 0x0a;
const noBytes = new Uint8Array(0);
/** Each op, with the quote behind it. */
export const opPieces = {
  insert: new FixedText('insert"'),
  update: new FixedText('update"'),
  delete: new FixedText('delete"'),
} as const;
// `\u001f`; and a UTF-16 unit has at most three bytes in UTF-8.
const maxUnitBytes = 6;

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
  const output = new OneLine();
  writeExportLine(line, output);
  return decoder.decode(output.bytes.subarray(0, output.end - 1));
}

class OneLine implements LineOutput {
  bytes = noBytes;
  view = new DataView(noBytes.buffer);
  end = 0;

  reserve(byteCount: number): void {
    this.bytes = new Uint8Array(byteCount);
    this.view = new DataView(this.bytes.buffer);
  }
}

/**
 * Writes a line as UTF-8, and its line feed. When it throws, `output.end` is where it was.
 *
 * @returns what was written: the line as it was read, once
 * @throws BackupError as {@link encodeExportLine} does
 */
export function writeExportLine(line: ExportLine, output: LineOutput): ExportLine {
  const read = readOnce(line);
  assertLine(read);
  const textUnits = textLength(read);
  const data = jsonBytes(read.data, 'data', read);
  const fieldTimestamps = jsonBytes(read.fieldTimestamps, 'fieldTimestamps', read);
  const extra = read.extra === undefined ? noBytes : extraBytes(read.extra, read);
  const jsonLength = data.length + fieldTimestamps.length + extra.length;
  output.reserve(maxPiecesBytes + textUnits * maxUnitBytes + jsonLength);
  try {
    output.end = writeMembers(read, { data, fieldTimestamps, extra }, output);
  } catch (error) {
    throw refused(error, textRefused(read), read);
  }
  return read;
}

type ReadLine = Required<Omit<ExportLine, 'extra'>> & { readonly extra: ExportLine['extra'] };

// A host's line may have getters, and what was checked must be what is written. One literal: a spread
// would make each line twice as slow.
function readOnce(line: ExportLine): ReadLine {
  return {
    eventId: line.eventId,
    schemaVersion: line.schemaVersion,
    appId: line.appId,
    table: line.table,
    id: line.id,
    op: line.op,
    data: line.data,
    fieldTimestamps: line.fieldTimestamps,
    clientId: line.clientId,
    createdAt: line.createdAt,
    extra: line.extra,
  };
}

interface JsonParts {
  readonly data: Uint8Array;
  readonly fieldTimestamps: Uint8Array;
  readonly extra: Uint8Array;
}

function writeMembers(line: ReadLine, parts: JsonParts, output: LineOutput): number {
  const { data, fieldTimestamps, extra } = parts;
  const { bytes, view } = output;
  let at = writeHead(line, view, output.end);
  if (data.length > 0) at = writeJson(data, bytes, writeFixedText(linePieces.data, view, at));
  if (fieldTimestamps.length > 0) {
    at = writeJson(fieldTimestamps, bytes, writeFixedText(linePieces.fieldTimestamps, view, at));
  }
  at = writeText(line.clientId, view, writeFixedText(linePieces.clientId, view, at));
  at = writeText(line.createdAt, view, writeFixedText(linePieces.createdAt, view, at));
  bytes[at] = quote;
  at = writeJson(extra, bytes, at + 1);
  bytes[at] = rightBrace;
  bytes[at + 1] = lineFeed;
  return at + 2;
}

function assertLine(line: ExportLine): void {
  const { eventId, schemaVersion, op, createdAt } = line;
  if (!isChangeOp(op)) {
    throw invalid('op', 'op is not one of insert, update, delete', line);
  }
  if (!Number.isInteger(schemaVersion) || schemaVersion < 1 || schemaVersion > maxSchemaVersion) {
    throw invalid('schemaVersion', 'schemaVersion is not an integer from 1 to 2^31 - 1', line);
  }
  if (eventId === '') throw invalid('eventId', 'eventId is empty', line);
  if (typeof createdAt !== 'string' || !isCanonicalTimestamp(createdAt)) {
    throw invalid('createdAt', 'createdAt is not a UTC time as lines hold it', line);
  }
}

/** UTF-16 units of all members that are texts. */
function textLength(line: ExportLine): number {
  return (
    lengthOf(line.eventId, 'eventId', line) +
    lengthOf(line.appId, 'appId', line) +
    lengthOf(line.table, 'table', line) +
    lengthOf(line.id, 'id', line) +
    lengthOf(line.clientId, 'clientId', line)
  );
}

/** Writes what comes before the JSON values. @returns where it ends */
function writeHead(line: ExportLine, out: DataView, start: number): number {
  const { eventId, schemaVersion, appId, table, id, op } = line;
  let at = writeText(eventId, out, writeFixedText(linePieces.eventId, out, start));
  at = writeInteger(schemaVersion, out, writeFixedText(linePieces.schemaVersion, out, at));
  at = writeText(appId, out, writeFixedText(linePieces.appId, out, at));
  at = writeText(table, out, writeFixedText(linePieces.table, out, at));
  at = writeText(id, out, writeFixedText(linePieces.id, out, at));
  return writeFixedText(opPieces[op], out, writeFixedText(linePieces.op, out, at));
}

function lengthOf(text: unknown, member: string, line: ExportLine): number {
  if (typeof text !== 'string') throw invalid(member, `${member} is not a string`, line);
  return text.length;
}

/** Which member it was that {@link writeText} has refused. */
function textRefused(line: ExportLine): string {
  const isRefused = (member: (typeof texts)[number]): boolean => {
    try {
      escapeText(line[member]);
      return false;
    } catch {
      return true;
    }
  };
  return texts.find(isRefused) ?? 'clientId';
}

const texts = ['eventId', 'appId', 'table', 'id', 'clientId'] as const;

function writeJson(json: Uint8Array, out: Uint8Array, at: number): number {
  out.set(json, at);
  return at + json.length;
}

/** The JSON text of a value as it stands in a line; nothing for a value that is left out. */
function jsonBytes(value: unknown, member: string, line: ExportLine): Uint8Array {
  if (value === undefined || value === null) return noBytes;
  // Asked of the text: { a: undefined } and an invalid Date only turn out to be nothing here.
  const bytes = encodedJson(value, member, line);
  return isAbsentAt(bytes, skipWhitespace(bytes, 0), bytes.length) ? noBytes : bytes;
}

function encodedJson(value: unknown, member: string, line: ExportLine): Uint8Array {
  try {
    return value instanceof RawJson
      ? lineBytesOf(value)
      : encoder.encode(asLineText(encodeJson(value)));
  } catch (error) {
    throw refused(error, member, line);
  }
}

function extraBytes(extra: unknown, line: ExportLine): Uint8Array {
  if (!(extra instanceof Map)) throw invalid('extra', 'extra is not a Map', line);
  const parts: Uint8Array[] = [];
  for (const [name, value] of extra as Map<unknown, unknown>) {
    const member = typeof name === 'string' ? name : 'extra';
    if (isLineMember(member)) {
      throw invalid(member, 'extra holds a member that the format names', line);
    }
    lengthOf(name, 'extra', line);
    parts.push(nameBytes(member, line), encodedJson(value, member, line));
  }
  return joinBytes(parts);
}

function nameBytes(name: string, line: ExportLine): Uint8Array {
  try {
    return encoder.encode(`,"${escapeText(name)}":`);
  } catch (error) {
    throw refused(error, 'extra', line);
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
  return lineInvalid(reason, { member, eventId }, cause);
}
