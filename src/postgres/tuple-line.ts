// One tuple to the bytes of its line, spliced: no member becomes a JavaScript value.

import { linePieces, maxPiecesBytes, opPieces } from '../format/encode-line.js';
import type { LineFacts } from '../format/summary.js';
import { rowUnmappable } from '../format/to-export-line.js';
import { foreignRow, timeUnmappable } from './change-row.js';
import { readInt32, TupleError } from './copy-frames.js';
import type { Tuple } from './copy-frames.js';
import {
  asciiBytes,
  copyBytes,
  equalsAt,
  maxEscapedBytes,
  writeBytes,
  writeEscaped,
  writeInteger,
  writeUuid,
} from '../format/json-bytes.js';
import { writeFixedText } from '../format/fixed-text.js';
import type { FixedText } from '../format/fixed-text.js';
import type { LineBytes } from '../stream/line-bytes.js';
import { LineTally } from './line-tally.js';
import type { LogMember } from './log-table.js';
import { fieldOf, selectedCount } from './select-log.js';
import { TimestampBytes } from './timestamp-bytes.js';

/** Whose tuples these must be and what follows the eleven columns of `selectLog`. */
export interface TupleLineOptions {
  readonly userId: string;
  readonly extraMembers: readonly string[];
  /** The column of `createdAt`, for errors. */
  readonly createdAtColumn: string;
}

/** A member, the place of its column, and what stands in the line before its value. */
interface Field {
  readonly member: LogMember;
  readonly index: number;
  readonly piece: FixedText;
}

function field(member: LogMember, piece: FixedText): Field {
  return { member, index: fieldOf[member], piece };
}

// Objects of one shape, handed about: looking each up by its member's name took a tenth of an export.
const fields = {
  id: field('id', linePieces.eventId),
  schemaVersion: field('schemaVersion', linePieces.schemaVersion),
  appId: field('appId', linePieces.appId),
  tableName: field('tableName', linePieces.table),
  recordId: field('recordId', linePieces.id),
  op: field('op', linePieces.op),
  data: field('data', linePieces.data),
  fieldTimestamps: field('fieldTimestamps', linePieces.fieldTimestamps),
  clientId: field('clientId', linePieces.clientId),
  createdAt: field('createdAt', linePieces.createdAt),
} as const;

const ops = Object.entries(opPieces).map(([op, piece]) => ({ bytes: asciiBytes(op), piece }));
const emptyObject = asciiBytes('{}');
const nullWord = asciiBytes('null');
const quote = 0x22;

/**
 * Writes lines into `output`, byte for byte what `encodeExportLine(toExportLine(row))` gives for the
 * same row, and tallies them.
 */
export class TupleLine {
  readonly #options: TupleLineOptions;
  readonly #output: LineBytes;
  readonly #userId: Uint8Array;
  readonly #extraPieces: readonly Uint8Array[];
  readonly #timestamps = new TimestampBytes();
  readonly #tally = new LineTally();
  #tuple: Tuple;

  constructor(options: TupleLineOptions, output: LineBytes) {
    this.#options = options;
    this.#output = output;
    this.#userId = Buffer.from(options.userId);
    this.#extraPieces = options.extraMembers.map((name) => asciiBytes(`,"${name}":`));
    this.#tuple = { bytes: new Uint8Array(0), starts: new Int32Array(0), ends: new Int32Array(0) };
  }

  /** Lines written so far. */
  get lineCount(): number {
    return this.#tally.lineCount;
  }

  /** What the lines so far were. */
  facts(): LineFacts {
    return this.#tally.facts();
  }

  /**
   * Writes the line of a tuple. When it throws, nothing of the tuple is in `output`.
   *
   * @throws BackupError `BACKUP_TENANCY_MISMATCH`, `BACKUP_ROW_UNMAPPABLE`; TupleError for values
   * that are not of the columns' types
   */
  write(tuple: Tuple): void {
    this.#tuple = tuple;
    const { starts, ends, bytes } = tuple;
    const { userId, appId } = fieldOf;
    if (!equalsAt(bytes, starts[userId] as number, ends[userId] as number, this.#userId)) {
      throw foreignRow(this.lineCount + 1);
    }
    this.#output.reserve(this.#maxLineBytes());
    const { bytes: out, view } = this.#output;
    const version = this.#version();
    const idAt = writeFixedText(fields.id.piece, view, this.#output.end);
    let at = writeUuid(bytes, this.#start(fields.id, 16), view, idAt);
    at = writeInteger(version, view, writeFixedText(fields.schemaVersion.piece, view, at));
    at = this.#writeText(fields.appId, at);
    at = this.#writeText(fields.tableName, at);
    at = this.#writeText(fields.recordId, at);
    at = writeFixedText(this.#op(), view, writeFixedText(fields.op.piece, view, at));
    at = this.#writeJson(fields.data, at);
    at = this.#writeJson(fields.fieldTimestamps, at);
    at = this.#writeText(fields.clientId, at);
    const timeAt = writeFixedText(fields.createdAt.piece, view, at);
    at = this.#writeTime(out, timeAt);
    out[at] = quote;
    const end = this.#writeExtra(out, at + 1);
    out[end] = 0x7d;
    out[end + 1] = 0x0a;
    this.#output.end = end + 2;
    const app = { bytes, start: starts[appId] as number, end: ends[appId] as number };
    this.#tally.add({ version, app, out, idAt, timeAt, timeEnd: at });
  }

  #maxLineBytes(): number {
    const { starts, ends } = this.#tuple;
    let total = maxPiecesBytes;
    for (let index = 0; index < starts.length; index += 1) {
      const isJson = index === fieldOf.data || index === fieldOf.fieldTimestamps;
      const start = starts[index] as number;
      if (start < 0) continue;
      const length = (ends[index] as number) - start;
      total += isJson || index >= selectedCount ? length : length * maxEscapedBytes;
    }
    for (const piece of this.#extraPieces) total += piece.length;
    return total;
  }

  /** Where the value of a member starts, which has exactly `length` bytes. */
  #start({ member, index }: Field, length: number): number {
    const start = this.#tuple.starts[index] as number;
    if (start < 0) throw this.#unmappable(member);
    if ((this.#tuple.ends[index] as number) - start !== length) {
      throw new TupleError(`${member} of another type`);
    }
    return start;
  }

  #version(): number {
    const { schemaVersion } = fields;
    if (this.#tuple.starts[schemaVersion.index] === -1) return 1;
    return Math.max(1, readInt32(this.#tuple.bytes, this.#start(schemaVersion, 4)));
  }

  #op(): FixedText {
    const { bytes, starts, ends } = this.#tuple;
    const start = starts[fieldOf.op] as number;
    const end = ends[fieldOf.op] as number;
    const op =
      start < 0 ? undefined : ops.find((known) => equalsAt(bytes, start, end, known.bytes));
    if (op === undefined) throw this.#unmappable('op');
    return op.piece;
  }

  #writeText({ member, index, piece }: Field, at: number): number {
    const { bytes, starts, ends } = this.#tuple;
    const start = starts[index] as number;
    if (start < 0) throw this.#unmappable(member);
    const end = ends[index] as number;
    const { view } = this.#output;
    return writeEscaped(bytes, { start, end }, view, writeFixedText(piece, view, at));
  }

  #writeJson({ index, piece }: Field, at: number): number {
    const { bytes, starts, ends } = this.#tuple;
    if (starts[index] === -1) return at;
    const start = this.#jsonStart(index);
    const end = ends[index] as number;
    if (equalsAt(bytes, start, end, emptyObject) || equalsAt(bytes, start, end, nullWord))
      return at;
    const { bytes: out, view } = this.#output;
    return copyBytes(bytes, { start, end }, out, writeFixedText(piece, view, at));
  }

  /** jsonb in binary is a version byte and its text, which is never empty. */
  #jsonStart(index: number): number {
    const start = this.#tuple.starts[index] as number;
    if (this.#tuple.bytes[start] !== 1 || start + 1 >= (this.#tuple.ends[index] as number)) {
      throw new TupleError('a jsonb of another version');
    }
    return start + 1;
  }

  #writeTime(out: Uint8Array, at: number): number {
    const { bytes } = this.#tuple;
    const start = this.#start(fields.createdAt, 8);
    const low = readInt32(bytes, start + 4) >>> 0;
    const end = this.#timestamps.write(readInt32(bytes, start), low, out, at);
    if (end < 0) throw timeUnmappable(this.#eventId(), this.#options.createdAtColumn);
    return end;
  }

  #writeExtra(out: Uint8Array, start: number): number {
    const { bytes, starts, ends } = this.#tuple;
    let at = start;
    for (const [index, piece] of this.#extraPieces.entries()) {
      const field = selectedCount + index;
      if (starts[field] === -1) continue;
      const value = { start: this.#jsonStart(field), end: ends[field] as number };
      at = copyBytes(bytes, value, out, writeBytes(piece, out, at));
    }
    return at;
  }

  #eventId(): string | undefined {
    const start = this.#tuple.starts[fieldOf.id] as number;
    if (start < 0) return undefined;
    const text = Buffer.alloc(36);
    writeUuid(this.#tuple.bytes, start, new DataView(text.buffer, text.byteOffset, 36), 0);
    return text.toString('latin1');
  }

  #unmappable(member: LogMember): Error {
    return rowUnmappable(member, this.#eventId());
  }
}
