// COPY's binary framing: header, tuples and trailer out of chunks that may be cut anywhere.
// The layout is PostgreSQL manual, COPY, "Binary Format".

/** What came is no binary COPY, or not one of the columns that were asked for. */
export class TupleError extends Error {}

/** One tuple as byte ranges of its fields; the start of a field that is NULL is -1. */
export interface Tuple {
  /** Valid until the call returns; not held on to after it, since a row may be large. */
  readonly bytes: Uint8Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

const noBytes = new Uint8Array(0);

// PGCOPY\n\xff\r\n\0
const signature = Uint8Array.of(80, 71, 67, 79, 80, 89, 10, 255, 13, 10, 0);
const headerBytes = signature.length + 8;

/** Cuts the data of one COPY into tuples. */
export class CopyFrames {
  readonly #onTuple: (tuple: Tuple) => void;
  readonly #tuple: { bytes: Uint8Array; readonly starts: Int32Array; readonly ends: Int32Array };
  #carried = noBytes;
  #carriedLength = 0;
  #hasHeader = false;
  #hasTrailer = false;

  constructor(fieldCount: number, onTuple: (tuple: Tuple) => void) {
    this.#onTuple = onTuple;
    this.#tuple = {
      bytes: this.#carried,
      starts: new Int32Array(fieldCount),
      ends: new Int32Array(fieldCount),
    };
  }

  /** Whether the trailer has come, which ends the data. */
  get hasTrailer(): boolean {
    return this.#hasTrailer;
  }

  /**
   * Takes the next piece of data, which the caller may reuse afterwards.
   *
   * @throws TupleError where it is not what was asked for
   */
  push(chunk: Uint8Array): void {
    const bytes = this.#carriedLength === 0 ? chunk : this.#joined(chunk);
    let at = this.#hasHeader ? 0 : this.#readHeader(bytes);
    while (this.#hasHeader && !this.#hasTrailer) {
      const end = this.#locateFields(bytes, at);
      if (end < 0) break;
      at = end;
      if (this.#hasTrailer) break;
      this.#tuple.bytes = bytes;
      this.#onTuple(this.#tuple);
    }
    if (this.#hasTrailer && at < bytes.length) throw new TupleError('data after the trailer');
    this.#tuple.bytes = noBytes;
    this.#carry(bytes, at);
  }

  #readHeader(bytes: Uint8Array): number {
    if (bytes.length < headerBytes) return 0;
    if (signature.some((byte, index) => bytes[index] !== byte)) {
      throw new TupleError('no binary COPY');
    }
    const extensionBytes = readInt32(bytes, headerBytes - 4);
    if (readInt32(bytes, signature.length) !== 0 || extensionBytes < 0) {
      throw new TupleError('an unknown kind of binary COPY');
    }
    if (bytes.length < headerBytes + extensionBytes) return 0;
    this.#hasHeader = true;
    return headerBytes + extensionBytes;
  }

  /** Finds the fields of the tuple at `start`. @returns its end; -1 when it is not all there */
  #locateFields(bytes: Uint8Array, start: number): number {
    const { starts, ends } = this.#tuple;
    if (start + 2 > bytes.length) return -1;
    const count = ((bytes[start] as number) << 8) | (bytes[start + 1] as number);
    let at = start + 2;
    if (count === 0xffff) {
      this.#hasTrailer = true;
      return at;
    }
    if (count !== starts.length) throw new TupleError('another number of fields');
    for (let index = 0; index < count; index += 1) {
      if (at + 4 > bytes.length) return -1;
      const length = readInt32(bytes, at);
      at += 4;
      if (length < -1) throw new TupleError('a field of negative length');
      starts[index] = length === -1 ? -1 : at;
      if (length > 0) at += length;
      if (at > bytes.length) return -1;
      ends[index] = at;
    }
    return at;
  }

  #joined(chunk: Uint8Array): Uint8Array {
    const length = this.#carriedLength + chunk.length;
    if (length > this.#carried.length) {
      // Doubled, so that a row that comes byte by byte is not copied for each byte.
      const larger = new Uint8Array(Math.max(length, this.#carried.length * 2));
      larger.set(this.#carried.subarray(0, this.#carriedLength));
      this.#carried = larger;
    }
    this.#carried.set(chunk, this.#carriedLength);
    this.#carriedLength = length;
    return this.#carried.subarray(0, length);
  }

  /** Keeps what is left of `bytes`, which are either the chunk or all that was carried. */
  #carry(bytes: Uint8Array, at: number): void {
    if (this.#carriedLength === 0) {
      if (at < bytes.length) this.#joined(bytes.subarray(at));
      return;
    }
    if (at === 0) return;
    this.#carried.copyWithin(0, at, this.#carriedLength);
    this.#carriedLength -= at;
    // A large row's buffer is not kept for the small ones that follow.
    if (this.#carriedLength === 0) this.#carried = noBytes;
  }
}

/** A big-endian, signed 32-bit integer. */
export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}
