// The rows of a cursor as bytes, read off the socket before `pg` gets to see them: it would make a
// text of every field of every row, and put a row of many chunks together in memory of its own. What
// `pg` finds in their place are stand-ins, rows without fields: one for the rows that a chunk holds
// next to each other, so that its own reading of the messages goes on undisturbed. A stand-in ends with
// its chunk, except where less than its own seven bytes of a row have come with it.

import type { PgConnection } from './client.js';
import { readInt32, TupleError } from './copy-frames.js';
import type { Tuple } from './copy-frames.js';

// PostgreSQL manual, "Message Formats": one byte of type, an int32 length that counts itself, and the
// body, which in a row begins with the int16 number of its fields.
const headerBytes = 5;
const standInBytes = headerBytes + 2;
const dataRow = 0x44;
const rowDescription = 0x54;
const portalSuspended = 0x73;
// ParseComplete, BindComplete and RowDescription come before the first row, in this order.
const prologue: readonly number[] = [0x31, 0x32, rowDescription];
// Notices, notifications and changes of parameters may come at any time.
const asynchronous: readonly number[] = [0x4e, 0x41, 0x53];
const nowhere = -1;
const noBytes = Buffer.alloc(0);
const noFields = new Int32Array(0);

/** What a {@link RowTap} tells. */
export interface RowTapListener {
  /**
   * Called for each row, in order. Its ranges are valid until the call returns; its bytes are the
   * server's text of each field, and stay.
   */
  onRow(row: Tuple): void;
  /** Called when a row cannot be read, or the listener has thrown: the tap reads no more. */
  onTapFailure(error: unknown): void;
}

/**
 * Reads the rows of one query off a socket, beginning with the answer to its Parse message. Gives up,
 * for good, at the first message that it does not expect there: `pg` finds whole rows from then on.
 */
export class RowTap {
  readonly #socket: PgConnection['stream'];
  readonly #listener: RowTapListener;
  readonly #row: { -readonly [Name in keyof Tuple]: Tuple[Name] } = {
    bytes: noBytes,
    starts: noFields,
    ends: noFields,
  };
  #prologueIndex = 0;
  #isClosed = false;
  // How many bytes are still to come of a row in which the tap was closed.
  #closingBytes = 0;
  // The start of a message of which more is needed than has come.
  #partial = noBytes;
  #partialBytes = 0;
  // How many more bytes belong to a message of which nothing more is needed.
  #skipBytes = 0;
  // The stand-in that `pg` reads: its length, and how much of it has been handed over.
  #standInLength = 0;
  #standInEnd = 0;
  #standInCount = 0;
  // Where in this chunk the last message begins when it is a stand-in that can be made longer.
  #growingAt = nowhere;

  constructor(socket: PgConnection['stream'], listener: RowTapListener) {
    this.#socket = socket;
    this.#listener = listener;
    // Before the listener of `pg`, which is handed the same chunk next.
    socket.prependListener('data', this.#onData);
  }

  /** How many rows without fields `pg` finds, or begins to find, in place of those that came so far. */
  get standInCount(): number {
    return this.#standInCount;
  }

  /** Leaves everything to `pg` that comes from here on, or after the row that is coming. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const isInRow = this.#partialBytes >= headerBytes && this.#partial[0] === dataRow;
    this.#closingBytes = isInRow ? this.#partial.length - this.#partialBytes : 0;
    this.#partial = noBytes;
    this.#partialBytes = 0;
    if (this.#closingBytes === 0) this.#socket.removeListener('data', this.#onData);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#growingAt = nowhere;
    if (this.#isClosed) {
      this.#goOnClosing(chunk);
      return;
    }
    try {
      let at = this.#goOn(chunk);
      if (at === chunk.length) return;
      // `pg` may use a chunk's memory again for what comes later, so what is kept lies in a copy.
      const bytes = Buffer.allocUnsafeSlow(chunk.length);
      bytes.set(chunk);
      while (at < chunk.length && !this.#isClosed) at = this.#begin(bytes, at, chunk);
    } catch (error) {
      this.close();
      this.#listener.onTapFailure(error);
    }
  };

  /** Replaces the rest of a row whose beginning `pg` has not seen: it could not read it. */
  #goOnClosing(chunk: Buffer): void {
    const end = Math.min(chunk.length, this.#closingBytes);
    this.#closingBytes -= end;
    this.#replace(chunk, 0, end, this.#closingBytes);
    if (this.#closingBytes === 0) this.#socket.removeListener('data', this.#onData);
  }

  /**
   * Takes the message at `at`, or what there is of it; a row is replaced in the chunk.
   *
   * @returns where the next one starts
   */
  #begin(bytes: Buffer, at: number, chunk: Buffer): number {
    if (at + headerBytes > bytes.length) {
      this.#partial = Buffer.allocUnsafeSlow(headerBytes);
      return this.#fill(chunk, at);
    }
    if (!this.#expects(bytes, at)) return this.#giveUp(chunk);
    const needed = neededBytes(bytes, at);
    if (at + needed > bytes.length) {
      this.#partial = Buffer.allocUnsafeSlow(needed);
      return this.#fillMessage(chunk, at);
    }
    // First, since `pg` throws at a row that it cannot read, where nobody can catch it.
    if (bytes[at] === dataRow) this.#replace(chunk, at, at + needed, 0);
    else this.#growingAt = nowhere;
    this.#take(bytes, at, needed);
    return this.#skip(chunk, at + needed, messageBytes(bytes, at) - needed);
  }

  /** Goes on with a message that has begun before this chunk. @returns where the next one starts */
  #goOn(chunk: Buffer): number {
    if (this.#partialBytes === 0) return this.#skip(chunk, 0, this.#skipBytes);
    let at = 0;
    if (this.#partialBytes < headerBytes) {
      at = this.#fill(chunk, at);
      if (this.#partialBytes < headerBytes) return at;
      if (!this.#expects(this.#partial, 0)) return this.#giveUp(chunk);
      const header = this.#partial;
      this.#partial = Buffer.allocUnsafeSlow(neededBytes(header, 0));
      header.copy(this.#partial);
      // `pg` has been handed the header as it was.
      if (header[0] === dataRow) this.#standIn(messageBytes(header, 0), headerBytes);
    }
    at = this.#fillMessage(chunk, at);
    const message = this.#partial;
    if (this.#partialBytes < message.length) return at;
    this.#partial = noBytes;
    this.#partialBytes = 0;
    this.#take(message, 0, message.length);
    return this.#skip(chunk, at, messageBytes(message, 0) - message.length);
  }

  /** Copies from the chunk what the partial message lacks. @returns where that ends */
  #fill(chunk: Buffer, from: number): number {
    const copied = chunk.copy(this.#partial, this.#partialBytes, from);
    this.#partialBytes += copied;
    return from + copied;
  }

  /** As `#fill`, of a message whose header has come; a row is replaced in the chunk. */
  #fillMessage(chunk: Buffer, from: number): number {
    const end = this.#fill(chunk, from);
    const isRow = this.#partial[0] === dataRow;
    if (isRow) this.#replace(chunk, from, end, this.#partial.length - this.#partialBytes);
    return end;
  }

  /**
   * Puts into the chunk, from `start` to `end`, what `pg` reads instead of a row or a part of one.
   *
   * @param rest - how many bytes of the row are still to come
   */
  #replace(chunk: Buffer, start: number, end: number, rest: number): void {
    const length = end - start;
    if (this.#standInEnd === this.#standInLength) {
      // Whatever is still to come must have room for a stand-in of its own.
      const mayEnd = rest === 0 || rest >= standInBytes;
      if (mayEnd && this.#growingAt !== nowhere) {
        this.#standInEnd = this.#standInLength += length;
        chunk.writeInt32BE(this.#standInLength - 1, this.#growingAt + 1);
        return;
      }
      const isWhole = mayEnd && length >= standInBytes;
      this.#standIn(isWhole ? length : length + rest, 0);
      if (isWhole) this.#growingAt = start;
    }
    for (let at = start, from = this.#standInEnd; at < end && from < standInBytes; at += 1) {
      chunk[at] = standInByte(this.#standInLength, from);
      from += 1;
    }
    this.#standInEnd += length;
  }

  /** A stand-in of this length begins; `pg` has so much of it. */
  #standIn(length: number, end: number): void {
    this.#standInLength = length;
    this.#standInEnd = end;
    this.#standInCount += 1;
  }

  /** Passes over bytes of which nothing is needed, and over the rest of them in later chunks. */
  #skip(chunk: Buffer, from: number, byteCount: number): number {
    const end = Math.min(chunk.length, from + byteCount);
    this.#skipBytes = byteCount - (end - from);
    return end;
  }

  /** Whether a message with the header at `at` may come now. */
  #expects(bytes: Buffer, at: number): boolean {
    const type = bytes[at] as number;
    if (messageBytes(bytes, at) < neededBytes(bytes, at)) return false;
    if (type === dataRow || type === portalSuspended) return this.#row.starts.length > 0;
    return asynchronous.includes(type) || type === prologue[this.#prologueIndex];
  }

  /** Reads what is needed of a message. */
  #take(bytes: Buffer, at: number, needed: number): void {
    const type = bytes[at];
    if (type === dataRow) this.#takeRow(bytes, at + headerBytes, at + needed);
    else if (type === prologue[this.#prologueIndex]) this.#prologueIndex += 1;
    if (type === rowDescription) this.#describe(readInt16(bytes, at + headerBytes));
  }

  #describe(fieldCount: number): void {
    this.#row.starts = new Int32Array(fieldCount);
    this.#row.ends = new Int32Array(fieldCount);
  }

  #takeRow(bytes: Buffer, start: number, end: number): void {
    const { starts, ends } = this.#row;
    if (readInt16(bytes, start) !== starts.length) throw new TupleError('another number of fields');
    let at = start + 2;
    for (let index = 0; index < starts.length; index += 1) {
      if (at + 4 > end) throw new TupleError('fields of another length than their row');
      const length = readInt32(bytes, at);
      at += 4;
      starts[index] = length < 0 ? -1 : at;
      if (length > 0) at += length;
      ends[index] = at;
    }
    if (at !== end) throw new TupleError('fields of another length than their row');
    this.#row.bytes = bytes;
    this.#listener.onRow(this.#row);
    this.#row.bytes = noBytes;
  }

  #giveUp(chunk: Buffer): number {
    this.close();
    return chunk.length;
  }
}

/** How much of a message is read: all of a row, of a description the number of its fields. */
function neededBytes(bytes: Buffer, at: number): number {
  const type = bytes[at];
  if (type === dataRow) return Math.max(messageBytes(bytes, at), headerBytes);
  return type === rowDescription ? headerBytes + 2 : headerBytes;
}

/** One byte of a row without fields, which is `length` bytes long. */
function standInByte(length: number, offset: number): number {
  if (offset === 0) return dataRow;
  return offset < headerBytes ? (length - 1) >> (8 * (headerBytes - 1 - offset)) : 0;
}

function messageBytes(bytes: Buffer, at: number): number {
  return 1 + readInt32(bytes, at + 1);
}

function readInt16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
