// Scanned lines to the tuples of a binary COPY: the way back of tuple-line. A line's bytes become
// the columns' bytes; `data` is copied, never parsed.

import { createHash } from 'node:crypto';
import { lineInvalid } from '../format/line-invalid.js';
import { lineIndex } from '../format/line-scan.js';
import type { ScannedLine } from '../format/scanned-line.js';
import { copyBytes } from '../format/json-bytes.js';
import { LineBytes } from '../stream/line-bytes.js';
import { TimestampMicros, writeInt32 } from './timestamp-micros.js';

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
const backslash = 0x5c;
// Field lengths, numbers, time and uuid of a line together are shorter.
const fixedBytes = 256;

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
    const { bytes, starts, ends } = scan;
    const room = scan.byteCount + fixedBytes + 4 * this.#options.extraMembers.length;
    this.#output.reserve(room);
    const out = this.#output.bytes;
    const start = this.#output.end;
    out[start] = this.#fieldCount >> 8;
    out[start + 1] = this.#fieldCount;
    let at = writeInt32(lineNumber, out, writeInt32(4, out, start + 2));
    at = this.#writeId(scan, out, writeInt32(16, out, at), lineNumber);
    at = writeText(scan, textFields.appId, out, at);
    at = writeText(scan, textFields.table, out, at);
    at = writeText(scan, textFields.id, out, at);
    at = writeText(scan, textFields.op, out, at);
    at = writeJson(bytes, starts[lineIndex.data], ends[lineIndex.data], out, at);
    const { fieldTimestamps } = lineIndex;
    at = writeJson(bytes, starts[fieldTimestamps], ends[fieldTimestamps], out, at);
    at = writeText(scan, textFields.clientId, out, at);
    at = this.#writeTime(scan, out, writeInt32(8, out, at));
    at = writeInt32(scan.schemaVersion, out, writeInt32(4, out, at));
    for (const member of this.#options.extraMembers) {
      const found = scan.extra.find(({ name }) => name === member);
      at = writeJson(bytes, found?.valueStart, found?.valueEnd, out, at);
    }
    this.#output.end = at;
    this.#lineCount += 1;
  }

  /** The messages of the tuples since the last time, whole. */
  take(): Uint8Array {
    const message = this.#output.take();
    message[0] = 0x64;
    writeInt32(message.length - 1, message, 1);
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

  #writeId(scan: ScannedLine, out: Uint8Array, at: number, lineNumber: number): number {
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

  #writeTime(scan: ScannedLine, out: Uint8Array, at: number): number {
    const start = (scan.starts[lineIndex.createdAt] as number) + 1;
    const end = (scan.ends[lineIndex.createdAt] as number) - 1;
    if (end - start <= 27) {
      this.#times.write(scan.bytes, [start, end], out, at);
    } else {
      // Longer only when it is escaped.
      const text = Buffer.from(scan.text('createdAt'));
      this.#times.write(text, [0, text.length], out, at);
    }
    return at + 8;
  }
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
  out: Buffer,
  start: number,
): number {
  const { bytes } = scan;
  const end = (scan.ends[index] as number) - 1;
  let at = start + 4;
  for (let from = (scan.starts[index] as number) + 1; from < end; from += 1) {
    const byte = bytes[from] as number;
    if (byte === backslash) {
      // Resolved escapes are never longer than they were.
      at = start + 4 + out.write(scan.text(member), start + 4);
      break;
    }
    out[at] = byte;
    at += 1;
  }
  writeInt32(at - start - 4, out, start);
  return at;
}

// jsonb in binary is a version byte and its text.
function writeJson(
  bytes: Uint8Array,
  start: number | undefined,
  end: number | undefined,
  ...[out, at]: readonly [Uint8Array, number]
): number {
  if (start === undefined || end === undefined || start < 0) return writeInt32(-1, out, at);
  const textAt = writeInt32(end - start + 1, out, at);
  out[textAt] = 1;
  return copyBytes(bytes, { start, end }, out, textAt + 1);
}

function parseUuid(
  bytes: Uint8Array,
  start: number,
  end: number,
  ...[out, at]: readonly [Uint8Array, number]
): boolean {
  if (end - start !== 36) return false;
  let to = at;
  for (let index = 0; index < 36; index += 2) {
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (bytes[start + index] !== 0x2d) return false;
      index += 1;
    }
    const high = hexValues[bytes[start + index] as number] as number;
    const low = hexValues[bytes[start + index + 1] as number] as number;
    if (high < 0 || low < 0) return false;
    out[to] = high * 16 + low;
    to += 1;
  }
  return true;
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
