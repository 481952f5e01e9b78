// Times as the format writes them: UTC, RFC 3339, microseconds, the fraction without trailing zeros.

// RFC 3339 section 5.6 with any offset; upper-case T and Z only, as every writer of the log does.
const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

// A line's time is ASCII and no longer than this.
const scratch = new Uint8Array(27);

/**
 * Whether a text is a time exactly as a line holds it: `2026-04-14T10:00:00Z`, `…00.12Z`,
 * `…00.123456Z`; a real date of the years 1 to 9999.
 */
export function isCanonicalTimestamp(text: string): boolean {
  if (text === lastCanonical) return true;
  const isCanonical = hasCanonicalForm(text);
  if (isCanonical) lastCanonical = text;
  return isCanonical;
}

// A line is checked where it is made and again where it is written, one after the other. Begins as a
// time too: an empty text would be taken for one.
let lastCanonical = '1970-01-01T00:00:00Z';

function hasCanonicalForm(text: string): boolean {
  const length = text.length;
  if (length > scratch.length) return false;
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return false;
    scratch[index] = unit;
  }
  return isCanonicalTimestampAt(scratch, 0, length);
}

/** As {@link isCanonicalTimestamp}, of the bytes from `start` to `end`. */
export function isCanonicalTimestampAt(bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (length < 20 || length > 27 || bytes[end - 1] !== 0x5a) return false;
  if (bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d) return false;
  if (bytes[start + 10] !== 0x54) return false;
  if (bytes[start + 13] !== 0x3a || bytes[start + 16] !== 0x3a) return false;
  if (length > 20 && !isTrimmedFraction(bytes, start + 19, end - 1)) return false;
  const year = pairAt(bytes, start) * 100 + pairAt(bytes, start + 2);
  const month = pairAt(bytes, start + 5);
  const day = pairAt(bytes, start + 8);
  // A pair that is no number is NaN, and every comparison with NaN is false.
  return (
    year >= 1 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysInMonth(year, month) &&
    pairAt(bytes, start + 11) <= 23 &&
    pairAt(bytes, start + 14) <= 59 &&
    pairAt(bytes, start + 17) <= 59
  );
}

/**
 * Brings a time to the form that a line holds.
 *
 * @param value - a `Date`, or RFC 3339 text with any offset and up to microseconds (further digits
 * must be zeros, since they would be lost)
 * @returns the canonical text; undefined for anything a line cannot hold: an invalid date, infinity,
 * years before 1 or after 9999
 */
export function canonicalTimestamp(value: string | Date): string | undefined {
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? undefined : canonicalFromText(value.toISOString());
  }
  return isCanonicalTimestamp(value) ? value : canonicalFromText(value);
}

function canonicalFromText(text: string): string | undefined {
  const parts = rfc3339.exec(text);
  if (!parts) return undefined;
  const fraction = (parts[7] ?? '').replace(/0+$/, '');
  if (fraction.length > 6) return undefined;
  const asUtc = `${text.slice(0, 19)}Z`;
  if (!isCanonicalTimestamp(asUtc)) return undefined;
  const shifted = shiftToUtc(asUtc, parts);
  const canonical = shifted && (fraction ? `${shifted.slice(0, 19)}.${fraction}Z` : shifted);
  return canonical && isCanonicalTimestamp(canonical) ? canonical : undefined;
}

function shiftToUtc(wholeSecond: string, parts: RegExpExecArray): string | undefined {
  const hours = Number(parts[9] ?? 0);
  const minutes = Number(parts[10] ?? 0);
  if (hours > 23 || minutes > 59) return undefined;
  const offsetMinutes = (hours * 60 + minutes) * (parts[8] === '-' ? -1 : 1);
  if (offsetMinutes === 0) return wholeSecond;
  const shifted = new Date(Date.parse(wholeSecond) - offsetMinutes * 60_000).toISOString();
  // Outside the years 0 to 9999 toISOString writes a sign and six digits, which is no time of a line's.
  return `${shifted.slice(0, 19)}Z`;
}

function isTrimmedFraction(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== 0x2e || end < start + 2 || bytes[end - 1] === 0x30) return false;
  for (let at = start + 1; at < end; at += 1) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return true;
}

/** Two digits as a number; NaN for what is none. */
export function pairAt(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - 0x30;
  const ones = (bytes[at + 1] as number) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : NaN;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}
