// Holds each line against the one before it, by the log's order, over bytes.

import { copyPlain } from './json-bytes.js';
import { lineIndex } from './line-scan.js';
import type { LineScanner } from './line-scan.js';

const encoder = new TextEncoder();

/** Where lines stand in the order of `(createdAt, eventId)`. */
export class LineOrder {
  // Keys, which order as bytes: the time without its Z, NUL, the event id. Trimmed fractions order as
  // texts then, and neither of the two can hold NUL. A uuid and a time fit.
  #key = new DataView(new ArrayBuffer(128));
  #previous = new DataView(new ArrayBuffer(128));
  // Every key comes after an empty one.
  #previousLength = 0;

  /**
   * Compares a scanned line with the one of the call before, and remembers it for the next call.
   *
   * @returns a positive number when it comes after that one, and for the first line; zero for the
   * same position; a negative number when it should have come before
   */
  compare(scan: LineScanner): number {
    const length = this.#writeKey(scan);
    const order = this.#compareKeys(length);
    [this.#key, this.#previous] = [this.#previous, this.#key];
    this.#previousLength = length;
    return order;
  }

  /** Writes the line's key. @returns its length */
  #writeKey(scan: LineScanner): number {
    const { bytes, starts, ends } = scan;
    const timeStart = (starts[lineIndex.createdAt] as number) + 1;
    const timeEnd = (ends[lineIndex.createdAt] as number) - 2;
    const idStart = (starts[lineIndex.eventId] as number) + 1;
    const idEnd = (ends[lineIndex.eventId] as number) - 1;
    this.#reserve(timeEnd - timeStart + 1 + idEnd - idStart);
    const timeLength = this.#write(bytes, timeStart, timeEnd, 0);
    if (timeLength < 0) return this.#writeEscapedKey(scan);
    this.#key.setUint8(timeLength, 0);
    const length = this.#write(bytes, idStart, idEnd, timeLength + 1);
    return length < 0 ? this.#writeEscapedKey(scan) : length;
  }

  #writeEscapedKey(scan: LineScanner): number {
    const time = scan.text('createdAt').slice(0, -1);
    const key = encoder.encode(`${time}\0${scan.text('eventId')}`);
    this.#reserve(key.length);
    new Uint8Array(this.#key.buffer).set(key);
    return key.length;
  }

  /** Copies bytes into the key. @returns where they end there, or -1 when they hold an escape */
  #write(bytes: Uint8Array, start: number, end: number, at: number): number {
    const copied = copyPlain(bytes, { start, end }, this.#key, at);
    return copied < end - start ? -1 : at + copied;
  }

  #compareKeys(length: number): number {
    const key = this.#key;
    const previous = this.#previous;
    const shorter = Math.min(length, this.#previousLength);
    let at = 0;
    // Big-endian words order as their bytes do.
    for (; at + 4 <= shorter; at += 4) {
      const difference = key.getUint32(at) - previous.getUint32(at);
      if (difference !== 0) return difference;
    }
    for (; at < shorter; at += 1) {
      const difference = key.getUint8(at) - previous.getUint8(at);
      if (difference !== 0) return difference;
    }
    return length - this.#previousLength;
  }

  #reserve(length: number): void {
    if (length > this.#key.byteLength) this.#key = new DataView(new ArrayBuffer(length * 2));
  }
}
