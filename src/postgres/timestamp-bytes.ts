// Postgres' binary timestamptz to the bytes of a line's createdAt.

const daySeconds = 86_400;
// Days from 2000-01-01 to 0001-01-01 and to 9999-12-31.
const firstDay = -730_119;
const lastDay = 2_921_939;

/**
 * Writes times as lines hold them. Keeps the day it wrote last: rows come in the order of time, so
 * that a day is worked out once.
 */
export class TimestampBytes {
  #day = NaN;
  readonly #date = new Uint8Array(10);

  /**
   * Writes one time: `2026-04-14T10:00:00.12Z`, at most 27 bytes.
   *
   * @param high - the upper 32 bits of the microseconds since 2000-01-01 UTC, signed
   * @param low - the lower 32 bits, unsigned
   * @param at - where in `bytes` to write
   * @returns where the text ends; -1 for infinity and for years outside 1 to 9999
   */
  write(high: number, low: number, bytes: Uint8Array, at: number): number {
    // 64 bits do not fit a double: 2^32 = 4294 * 10^6 + 967296 parts seconds from microseconds
    // within exact range.
    const rest = high * 967_296 + low;
    const carried = Math.floor(rest / 1_000_000);
    const seconds = high * 4294 + carried;
    const day = Math.floor(seconds / daySeconds);
    if (day < firstDay || day > lastDay) return -1;
    if (day !== this.#day) this.#turnTo(day);
    bytes.set(this.#date, at);
    const ofDay = seconds - day * daySeconds;
    const minutes = Math.floor(ofDay / 60);
    bytes[at + 10] = 0x54;
    writePair(Math.floor(minutes / 60), bytes, at + 11);
    bytes[at + 13] = 0x3a;
    writePair(minutes % 60, bytes, at + 14);
    bytes[at + 16] = 0x3a;
    writePair(ofDay % 60, bytes, at + 17);
    const end = writeFraction(rest - carried * 1_000_000, bytes, at + 19);
    bytes[end] = 0x5a;
    return end + 1;
  }

  // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  #turnTo(day: number): void {
    const shifted = day + 730_425; // days since 0000-03-01
    const era = Math.floor(shifted / 146_097);
    const ofEra = shifted - era * 146_097;
    const yearOfEra = Math.floor(
      (ofEra -
        Math.floor(ofEra / 1460) +
        Math.floor(ofEra / 36_524) -
        Math.floor(ofEra / 146_096)) /
        365,
    );
    const ofYear =
      ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
    const marchMonth = Math.floor((5 * ofYear + 2) / 153);
    const dayOfMonth = ofYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
    const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
    const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
    writePair(Math.floor(year / 100), this.#date, 0);
    writePair(year % 100, this.#date, 2);
    this.#date[4] = 0x2d;
    writePair(month, this.#date, 5);
    this.#date[7] = 0x2d;
    writePair(dayOfMonth, this.#date, 8);
    this.#day = day;
  }
}

function writePair(value: number, bytes: Uint8Array, at: number): void {
  bytes[at] = 0x30 + Math.floor(value / 10);
  bytes[at + 1] = 0x30 + (value % 10);
}

function writeFraction(micros: number, bytes: Uint8Array, at: number): number {
  if (micros === 0) return at;
  bytes[at] = 0x2e;
  let end = at + 6;
  let digits = micros;
  while (digits % 10 === 0) {
    digits /= 10;
    end -= 1;
  }
  for (let index = end; index > at; index -= 1) {
    bytes[index] = 0x30 + (digits % 10);
    digits = Math.floor(digits / 10);
  }
  return end + 1;
}
