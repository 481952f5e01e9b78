// Scanned lines to the tuples of a binary COPY: the way back of tuple-line. A line's bytes become
// the columns' bytes; `data` is copied, never parsed.

import { createHash } from 'node:crypto';
import { lineInvalid } from '../format/line-invalid.js';
import { lineIndex } from '../format/line-scan.js';
import type { ScannedLine } from '../format/scanned-line.js';
import { copyBytes, copyPlain } from '../format/json-bytes.js';
import { LineBytes } from '../stream/line-bytes.js';
import { TimestampMicros } from './timestamp-micros.js';

/** Options of {@link StagedLines}. */
export interface StagedLinesOptions {
  /** The members after `createdAt` that have a column, in the columns' order. */
  readonly extraMembers: readonly string[];
  /** Whose new event ids are derived; ids stay as they are when left out. */
  readonly remapTo: string | undefined;
}

// PGCOPY\n\xff\r\n\0, no flags, no extension (PostgreSQL manual, COPY, "Binary Format").
const header = [80, 71, 67, 79, 80, 89, 10, 255, 13, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
// CopyData: its letter and its length.
const frameBytes = 5;
// Field lengths, numbers, time and uuid of a line together are shorter.
const fixedBytes = 256;

const backslash = 0x5c;

const hexValues = Int8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? -1 : value;
});

/** Gathers tuples into CopyData messages. */
export class StagedLines {
  readonly #options: StagedLinesOptions;
  readonly #output = new LineBytes();
  readonly #times = new TimestampMicros();
  readonly #user: Uint8Array | undefined;
  readonly #fieldCount: number;
  #lineCount = 0;

  constructor(options: StagedLinesOptions) {
    this.#options = options;
    this.#user = options.remapTo === undefined ? undefined : Buffer.from(options.remapTo);
    this.#fieldCount = 11 + options.extraMembers.length;
    this.#begin();
    this.#append(header);
  }

  /** Tuples so far. */
  get lineCount(): number {
    return this.#lineCount;
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#output.length;
  }

  /**
   * Appends the tuple of a scanned line.
   *
   * @throws BackupError `BACKUP_LINE_INVALID` for an event id that is no uuid; then nothing of the
   * line is appended
   */
  add(scan: ScannedLine, lineNumber: number): void {
    const { starts, ends } = scan;
    const output = this.#output;
    output.reserve(scan.byteCount + fixedBytes + 4 * this.#options.extraMembers.length);
    const { view } = output;
    view.setInt16(output.end, this.#fieldCount);
    let at = writeInt32(lineNumber, view, writeInt32(4, view, output.end + 2));
    at = this.#writeId(scan, writeInt32(16, view, at), lineNumber);
    at = writeText(scan, textFields.appId, output, at);
    at = writeText(scan, textFields.table, output, at);
    at = writeText(scan, textFields.id, output, at);
    at = writeText(scan, textFields.op, output, at);
    at = writeJson(scan, starts[lineIndex.data], ends[lineIndex.data], output, at);
    const { fieldTimestamps } = lineIndex;
    at = writeJson(scan, starts[fieldTimestamps], ends[fieldTimestamps], output, at);
    at = writeText(scan, textFields.clientId, output, at);
    at = this.#writeTime(scan, view, writeInt32(8, view, at));
    at = writeInt32(scan.schemaVersion, view, writeInt32(4, view, at));
    for (const member of this.#options.extraMembers) {
      const found = scan.extra.find(({ name }) => name === member);
      at = writeJson(scan, found?.valueStart, found?.valueEnd, output, at);
    }
    this.#output.end = at;
    this.#lineCount += 1;
  }

  /** The messages of the tuples since the last time, whole. */
  take(): Uint8Array {
    const message = this.#output.take();
    message[0] = 0x64;
    new DataView(message.buffer, message.byteOffset).setInt32(1, message.length - 1);
    this.#begin();
    return message;
  }

  /** As {@link take}, with COPY's trailer at the end. */
  takeLast(): Uint8Array {
    this.#append([0xff, 0xff]);
    return this.take();
  }

  #begin(): void {
    this.#append(new Array<number>(frameBytes).fill(0));
  }

  #append(piece: readonly number[]): void {
    this.#output.reserve(piece.length);
    this.#output.bytes.set(piece, this.#output.end);
    this.#output.end += piece.length;
  }

  #writeId(scan: ScannedLine, at: number, lineNumber: number): number {
    const out = this.#output.bytes;
    const start = (scan.starts[lineIndex.eventId] as number) + 1;
    const end = (scan.ends[lineIndex.eventId] as number) - 1;
    if (!parseUuid(scan.bytes, start, end, out, at)) {
      // An escaped id is rare, but means the same.
      const text = Buffer.from(scan.text('eventId'));
      if (!parseUuid(text, 0, text.length, out, at)) {
        throw lineInvalid('eventId is no uuid, which the change log needs', {
          lineNumber,
          member: 'eventId',
        });
      }
    }
    if (this.#user !== undefined) deriveId(out.subarray(at, at + 16), this.#user);
    return at + 16;
  }

  #writeTime(scan: ScannedLine, out: DataView, at: number): number {
    const start = (scan.starts[lineIndex.createdAt] as number) + 1;
    const end = (scan.ends[lineIndex.createdAt] as number) - 1;
    if (isPlain(scan.bytes, start, end)) {
      this.#times.write(scan.bytes, [start, end], out, at);
    } else {
      const text = Buffer.from(scan.text('createdAt'));
      this.#times.write(text, [0, text.length], out, at);
    }
    return at + 8;
  }
}

/** Whether a text is written without escapes. */
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (bytes[at] === backslash) return false;
  }
  return true;
}

type TextMember = 'appId' | 'table' | 'id' | 'op' | 'clientId';

function textField(member: TextMember): { readonly member: TextMember; readonly index: number } {
  return { member, index: lineIndex[member] };
}

// Not looked up by name for each line, as in tuple-line.
const textFields = {
  appId: textField('appId'),
  table: textField('table'),
  id: textField('id'),
  op: textField('op'),
  clientId: textField('clientId'),
} as const;

function writeText(
  scan: ScannedLine,
  { member, index }: ReturnType<typeof textField>,
  output: LineBytes,
  start: number,
): number {
  const text = { start: (scan.starts[index] as number) + 1, end: (scan.ends[index] as number) - 1 };
  let length = copyPlain(scan.bytes, text, output.view, start + 4);
  // Resolved escapes are never longer than they were.
  if (length < text.end - text.start) {
    length = output.bytes.write(scan.text(member), start + 4);
  }
  return writeInt32(length, output.view, start) + length;
}

// jsonb in binary is a version byte and its text.
function writeJson(
  { bytes }: ScannedLine,
  start: number | undefined,
  end: number | undefined,
  ...[output, at]: readonly [LineBytes, number]
): number {
  const { bytes: out, view } = output;
  if (start === undefined || end === undefined || start < 0) return writeInt32(-1, view, at);
  const textAt = writeInt32(end - start + 1, view, at);
  out[textAt] = 1;
  return copyBytes(bytes, { start, end }, out, textAt + 1);
}

function writeInt32(value: number, out: DataView, at: number): number {
  out.setInt32(at, value);
  return at + 4;
}

function parseUuid(
  bytes: Uint8Array,
  start: number,
  end: number,
  ...[out, at]: readonly [Uint8Array, number]
): boolean {
  if (end - start !== 36) return false;
  let to = at;
  // Negative as soon as one of the digits is.
  let all = 0;
  for (let index = 0; index < 36; index += 2) {
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (bytes[start + index] !== 0x2d) return false;
      index += 1;
    }
    const high = hexValues[bytes[start + index] as number] as number;
    const low = hexValues[bytes[start + index + 1] as number] as number;
    all |= high | low;
    out[to] = (high << 4) | low;
    to += 1;
  }
  return all >= 0;
}

/**
 * Makes another user's event id out of an old one: uuid version 5 (RFC 9562, section 5.5) with the
 * old id as the namespace and the user's id as the name. The same two always give the same.
 */
function deriveId(id: Uint8Array, user: Uint8Array): void {
  const digest = createHash('sha1').update(id).update(user).digest();
  id.set(digest.subarray(0, 16));
  id[6] = ((id[6] as number) & 0x0f) | 0x50;
  id[8] = ((id[8] as number) & 0x3f) | 0x80;
}
