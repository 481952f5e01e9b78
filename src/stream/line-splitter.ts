// Bytes, cut anywhere, to whole lines: by 0x0A only, within a limit, UTF-8 checked.

import { isUtf8 } from 'node:buffer';
import { BackupError } from '../errors.js';
import { lineInvalid } from '../format/line-invalid.js';

const lineFeed = 0x0a;
const keptBytes = 1024 * 1024;

/** The reason of the error for a line that is not UTF-8. */
export const notUtf8 = 'it is not UTF-8';

/** The longest line that is read unless an option says otherwise: 512 MiB, about V8's longest text. */
export const longestLineBytes = 512 * 1024 * 1024;

/**
 * Cuts bytes into lines. `feed` takes a chunk, `next` steps to its next whole line until there is
 * none, `finish` says that no more bytes come. A line that lies whole in its chunk is not copied.
 *
 * @throws BackupError `BACKUP_LINE_INVALID` for bytes that are no UTF-8 and for a last line without
 * its line feed; `BACKUP_LIMIT_EXCEEDED` once a line is longer than `maxLineBytes`
 */
export class LineSplitter {
  /** The bytes that `start` and `end` point into; valid until the next call of `next`. */
  bytes: Buffer = Buffer.alloc(0);
  /** Where the line starts. */
  start = 0;
  /** Where it ends: the place of its line feed. */
  end = 0;
  /** Its number, from 1. */
  lineNumber = 0;
  /** Whether it is UTF-8; {@link advance} goes on where it is not. */
  isUtf8 = true;
  readonly #maxLineBytes: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  // Up to here the chunk is known to be UTF-8.
  #checkedTo = 0;
  #carried = Buffer.alloc(0);
  #carriedLength = 0;

  constructor(maxLineBytes = longestLineBytes) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Takes the next chunk, after `next` has given false. It is read until `next` gives false again. */
  feed(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#at = 0;
    this.#checkedTo = 0;
  }

  /** Steps to the next line. @returns false when the chunk has no further whole line */
  next(): boolean {
    if (!this.advance()) return false;
    if (!this.isUtf8) throw lineInvalid(notUtf8, { lineNumber: this.lineNumber });
    return true;
  }

  /** As {@link next}, also to a line that is not UTF-8: nothing is wrong with where it ends. */
  advance(): boolean {
    this.isUtf8 = true;
    const end = this.#chunk.indexOf(lineFeed, this.#at);
    if (end < 0) {
      this.#carry(this.#chunk.length, this.lineNumber + 1);
      return false;
    }
    this.lineNumber += 1;
    if (this.#carriedLength > 0) {
      this.#carry(end, this.lineNumber);
      this.bytes = this.#carried;
      this.start = 0;
      this.end = this.#carriedLength;
      this.#carriedLength = 0;
      this.#checkLine();
    } else {
      this.bytes = this.#chunk;
      this.start = this.#at;
      this.end = end;
      if (end - this.#at > this.#maxLineBytes) throw this.#tooLong(this.lineNumber);
      if (end > this.#checkedTo) this.#checkChunk();
    }
    this.#at = end + 1;
    return true;
  }

  /** To be called after the last chunk: a line without its end is half a line. */
  finish(): void {
    if (this.#carriedLength === 0) return;
    throw lineInvalid('it has no end: the text is cut off', { lineNumber: this.lineNumber + 1 });
  }

  /** Keeps the chunk's bytes up to `end` for a line that goes on in the next one. */
  #carry(end: number, lineNumber: number): void {
    const length = this.#carriedLength + end - this.#at;
    if (length > this.#maxLineBytes) throw this.#tooLong(lineNumber);
    if (this.#carriedLength === 0 && this.#carried.length > keptBytes) {
      // A long line's buffer is not kept for the short ones that follow.
      this.#carried = Buffer.alloc(0);
    }
    if (length > this.#carried.length) {
      // Doubled, so that a long line in small pieces is not copied for each of them.
      const roomy = Math.min(Math.max(this.#carried.length * 2, 4096), this.#maxLineBytes);
      const larger = Buffer.allocUnsafeSlow(Math.max(length, roomy));
      larger.set(this.#carried.subarray(0, this.#carriedLength));
      this.#carried = larger;
    }
    this.#carried.set(this.#chunk.subarray(this.#at, end), this.#carriedLength);
    this.#carriedLength = length;
    this.#at = end;
  }

  // One check for all lines of the chunk: no line feed is part of a longer character. Only where
  // that fails is it done line by line, so that the first bad one is named.
  #checkChunk(): void {
    const lastEnd = this.#chunk.lastIndexOf(lineFeed);
    if (this.#checkedTo === 0 && isUtf8(this.#chunk.subarray(this.#at, lastEnd))) {
      this.#checkedTo = lastEnd;
      return;
    }
    this.#checkedTo = this.end;
    this.#checkLine();
  }

  #checkLine(): void {
    this.isUtf8 = isUtf8(this.bytes.subarray(this.start, this.end));
  }

  #tooLong(lineNumber: number): BackupError<'BACKUP_LIMIT_EXCEEDED'> {
    return new BackupError(
      'BACKUP_LIMIT_EXCEEDED',
      `line ${lineNumber} is longer than ${this.#maxLineBytes} bytes (maxLineBytes)`,
      { limit: 'maxLineBytes', limitValue: this.#maxLineBytes, lineNumber },
    );
  }
}
