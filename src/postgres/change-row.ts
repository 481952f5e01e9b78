// The server's text of a row to a ChangeRow, with the checks that every row must pass.

import { BackupError } from '../errors.js';
import { changeOps } from '../format/change-row.js';
import type { ChangeOp, ChangeRow } from '../format/change-row.js';
import { rawJsonOfJsonb } from '../format/raw-json.js';
import type { RawJson } from '../format/raw-json.js';
import { rowUnmappable } from '../format/to-export-line.js';
import type { LogScope } from './export-options.js';
import type { Tuple } from './copy-frames.js';
import { asciiBytes, equalsAt } from '../format/json-bytes.js';
import type { LogMember } from './log-table.js';
import { RecentTexts } from './recent-texts.js';
import { fieldOf, selectedCount } from './select-log.js';

const noBytes = new Uint8Array(0);
// What a socket gives at once; a fat row's memory is not held on to.
const maxHeldBytes = 64 * 1024;
const ops = changeOps.map((text) => ({
  text,
  bytes: asciiBytes(text),
}));

/**
 * Reads rows of one export, whose fields come in the order of `selectLog` as the server's text.
 */
export class ChangeRowReader {
  readonly #scope: LogScope;
  readonly #userId: Uint8Array;
  readonly #texts = new RecentTexts();
  // Of a row before, whose bytes are often those of the next one too.
  #bytes: Uint8Array = noBytes;
  #memory: ArrayBufferLike = noBytes.buffer;

  constructor(scope: LogScope) {
    this.#scope = scope;
    this.#userId = Buffer.from(scope.userId);
  }

  /**
   * Makes the row of a tuple, whose bytes its JSON values keep.
   *
   * @throws BackupError `BACKUP_TENANCY_MISMATCH` for a row of another user and
   * `BACKUP_ROW_UNMAPPABLE` for one that is no ChangeRow: NULL, an op that is none, a time that no
   * line can express
   */
  read(tuple: Tuple, rowCount: number): ChangeRow & { readonly createdAt: string } {
    const { bytes, starts, ends } = tuple;
    const { userId, log } = this.#scope;
    const userAt = starts[fieldOf.userId] as number;
    if (!equalsAt(bytes, userAt, ends[fieldOf.userId] as number, this.#userId)) {
      throw foreignRow(rowCount);
    }
    const id = idOf(tuple);
    if (id === undefined) throw rowUnmappable('id');
    const createdAt = createdAtOf(tuple);
    if (createdAt === undefined) throw timeUnmappable(id, log.columns.createdAt);
    const row = {
      id,
      appId: this.#text(tuple, fieldOf.appId, 'appId'),
      tableName: this.#text(tuple, fieldOf.tableName, 'tableName'),
      recordId: this.#text(tuple, fieldOf.recordId, 'recordId'),
      userId,
      op: this.#op(tuple),
      data: this.#json(tuple, fieldOf.data),
      fieldTimestamps: this.#json(tuple, fieldOf.fieldTimestamps),
      clientId: this.#text(tuple, fieldOf.clientId, 'clientId'),
      createdAt,
      schemaVersion: versionOf(tuple),
    };
    return log.extraColumns.length === 0 ? row : { ...row, extra: this.#extra(tuple) };
  }

  #text(tuple: Tuple, index: number, member: LogMember): string {
    const { bytes, starts, ends } = tuple;
    const start = starts[index] as number;
    if (start < 0) throw rowUnmappable(member, idOf(tuple));
    return this.#texts.textOf(bytes as Buffer, start, ends[index] as number);
  }

  // The format's own texts, since comparing with those takes no look at the characters.
  #op(tuple: Tuple): ChangeOp {
    const { bytes, starts, ends } = tuple;
    const start = starts[fieldOf.op] as number;
    const end = ends[fieldOf.op] as number;
    for (const op of ops) if (equalsAt(bytes, start, end, op.bytes)) return op.text;
    throw rowUnmappable('op', idOf(tuple));
  }

  #json({ bytes, starts, ends }: Tuple, index: number): RawJson | null {
    const start = starts[index] as number;
    if (start < 0) return null;
    const length = (ends[index] as number) - start;
    return rawJsonOfJsonb(new Uint8Array(this.#memoryOf(bytes), bytes.byteOffset + start, length));
  }

  // Asking a typed array for its memory costs as much as making another one of it.
  #memoryOf(bytes: Uint8Array): ArrayBufferLike {
    if (bytes === this.#bytes) return this.#memory;
    const memory = bytes.buffer;
    if (bytes.length <= maxHeldBytes) {
      this.#bytes = bytes;
      this.#memory = memory;
    }
    return memory;
  }

  #extra(tuple: Tuple): ReadonlyMap<string, RawJson> {
    const extra = new Map<string, RawJson>();
    for (const [index, [member]] of this.#scope.log.extraColumns.entries()) {
      const value = this.#json(tuple, selectedCount + index);
      if (value !== null) extra.set(member, value);
    }
    return extra;
  }
}

/** A row that the driver has made texts of, as the bytes that they were. */
export function tupleOfTexts(texts: readonly (string | null)[]): Tuple {
  const fields = texts.map((text) => (text === null ? undefined : Buffer.from(text)));
  const starts = new Int32Array(fields.length);
  const ends = new Int32Array(fields.length);
  let at = 0;
  for (const [index, field] of fields.entries()) {
    starts[index] = field === undefined ? -1 : at;
    at += field?.length ?? 0;
    ends[index] = at;
  }
  const bytes = Buffer.allocUnsafeSlow(at);
  for (const [index, field] of fields.entries()) field?.copy(bytes, starts[index]);
  return { bytes, starts, ends };
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
function createdAtOf({ bytes, starts, ends }: Tuple): string | undefined {
  const start = starts[fieldOf.createdAt] as number;
  const end = ends[fieldOf.createdAt] as number;
  if (start < 0 || bytes[start + 10] !== space || !equalsAt(bytes, end - 3, end, utcOffset)) {
    return undefined;
  }
  // In place, since the bytes are the row's own: one text is made instead of five.
  bytes[start + 10] = letterT;
  bytes[end - 3] = letterZ;
  return (bytes as Buffer).toString('latin1', start, end - 2);
}

const space = 0x20;
const letterT = 0x54;
const letterZ = 0x5a;
const utcOffset = asciiBytes('+00');
const minus = 0x2d;
const digitZero = 0x30;

// A uuid, which is ASCII.
function idOf({ bytes, starts, ends }: Tuple): string | undefined {
  const start = starts[fieldOf.id] as number;
  if (start < 0) return undefined;
  return (bytes as Buffer).toString('latin1', start, ends[fieldOf.id]);
}

// An int4, as Postgres writes it.
function versionOf({ bytes, starts, ends }: Tuple): number | null {
  const start = starts[fieldOf.schemaVersion] as number;
  if (start < 0) return null;
  const isNegative = bytes[start] === minus;
  let value = 0;
  const end = ends[fieldOf.schemaVersion] as number;
  for (let at = isNegative ? start + 1 : start; at < end; at += 1) {
    value = value * 10 + (bytes[at] as number) - digitZero;
  }
  return isNegative ? -value : value;
}
