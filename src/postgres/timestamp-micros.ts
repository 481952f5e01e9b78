// A line's createdAt to Postgres' binary timestamptz: the counterpart of timestamp-bytes.

import { pairAt } from '../format/timestamp.js';

const daySeconds = 86_400;

/**
 * Writes times as int64 microseconds since 2000-01-01 UTC. Keeps the day it met last: lines come in
 * the order of time, so that a day is worked out once.
 */
export class TimestampMicros {
  readonly #date = new Uint8Array(10);
  #day = 0;

  /**
   * Writes one time.
   *
   * @param start - where a canonical time starts in `bytes`
   * @param end - where it ends, its Z included
   * @param at - where in `out` its eight bytes go
   */
  write(
    bytes: Uint8Array,
    [start, end]: readonly [number, number],
    out: DataView,
    at: number,
  ): void {
    if (!this.#isSameDate(bytes, start)) this.#turnTo(bytes, start);
    const ofDay =
      pairAt(bytes, start + 11) * 3600 + pairAt(bytes, start + 14) * 60 + pairAt(bytes, start + 17);
    const seconds = this.#day * daySeconds + ofDay;
    let micros = 0;
    for (let index = 0; index < 6; index += 1) {
      const place = start + 20 + index;
      micros = micros * 10 + (place < end - 1 ? (bytes[place] as number) - 0x30 : 0);
    }
    // 10^6 s parts do not fit a double together: seconds * 10^6 = seconds * (15 * 2^16 + 16960).
    const low = seconds * 16_960 + micros;
    const middle = seconds * 15 + Math.floor(low / 65_536);
    const high = Math.floor(middle / 65_536);
    const lowWord = ((middle - high * 65_536) << 16) | (low - Math.floor(low / 65_536) * 65_536);
    out.setInt32(at, high);
    out.setInt32(at + 4, lowWord);
  }

  #isSameDate(bytes: Uint8Array, start: number): boolean {
    for (let index = 9; index >= 0; index -= 1) {
      if (bytes[start + index] !== this.#date[index]) return false;
    }
    return true;
  }

  // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
  #turnTo(bytes: Uint8Array, start: number): void {
    for (let index = 0; index < 10; index += 1) this.#date[index] = bytes[start + index] as number;
    const month = pairAt(bytes, start + 5);
    const year = pairAt(bytes, start) * 100 + pairAt(bytes, start + 2) - (month <= 2 ? 1 : 0);
    const era = Math.floor(year / 400);
    const ofEra = year - era * 400;
    const ofYear =
      Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + pairAt(bytes, start + 8) - 1;
    const dayOfEra = ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
    this.#day = era * 146_097 + dayOfEra - 730_425; // days since 2000-01-01
  }
}
