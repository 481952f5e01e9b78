// Holds each line against the one before it, by the log's order, over bytes.

import { lineIndex } from './line-scan.js';
import type { LineScanner } from './line-scan.js';

const encoder = new TextEncoder();
const backslash = 0x5c;

/** Where lines stand in the order of `(createdAt, eventId)`. */
export class LineOrder {
  // Time without its Z, then event id. A uuid and a time fit; longer event ids make it grow.
  #previous = new Uint8Array(128);
  #timeLength = 0;
  #length = -1;

  /**
   * Compares a scanned line with the one of the call before, and remembers it for the next call.
   *
   * @returns a positive number when it comes after that one, and for the first line; zero for the
   * same position; a negative number when it should have come before
   */
  compare(scan: LineScanner): number {
    let { bytes } = scan;
    let timeStart = (scan.starts[lineIndex.createdAt] as number) + 1;
    // Without the Z, trimmed fractions order as texts: '…00' is before '…00.1'.
    let timeEnd = (scan.ends[lineIndex.createdAt] as number) - 2;
    let idStart = (scan.starts[lineIndex.eventId] as number) + 1;
    let idEnd = (scan.ends[lineIndex.eventId] as number) - 1;
    if (!isPlainAt(bytes, timeStart, timeEnd) || !isPlainAt(bytes, idStart, idEnd)) {
      const createdAt = scan.text('createdAt');
      bytes = encoder.encode(createdAt + scan.text('eventId'));
      [timeStart, timeEnd, idStart, idEnd] = [
        0,
        createdAt.length - 1,
        createdAt.length,
        bytes.length,
      ];
    }
    const order =
      this.#length < 0
        ? 1
        : this.#compareTo(0, this.#timeLength, bytes, [timeStart, timeEnd]) ||
          this.#compareTo(this.#timeLength, this.#length, bytes, [idStart, idEnd]);
    this.#timeLength = timeEnd - timeStart;
    this.#length = this.#timeLength + idEnd - idStart;
    if (this.#length > this.#previous.length) this.#previous = new Uint8Array(this.#length * 2);
    this.#keep(bytes, timeStart, timeEnd, 0);
    this.#keep(bytes, idStart, idEnd, this.#timeLength);
    return order;
  }

  #compareTo(
    from: number,
    to: number,
    bytes: Uint8Array,
    [start, end]: readonly [number, number],
  ): number {
    const previous = this.#previous;
    const shorter = Math.min(to - from, end - start);
    for (let index = 0; index < shorter; index += 1) {
      const difference = (bytes[start + index] as number) - (previous[from + index] as number);
      if (difference !== 0) return difference;
    }
    return end - start - (to - from);
  }

  #keep(bytes: Uint8Array, start: number, end: number, at: number): void {
    for (let index = start; index < end; index += 1) {
      this.#previous[at + index - start] = bytes[index] as number;
    }
  }
}

function isPlainAt(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] === backslash) return false;
  return true;
}
