// Finds where a JSON value ends, over bytes, without making values of it and without recursion.
// Strict RFC 8259, and refused besides what Postgres cannot hold in jsonb: the escape of NUL and
// escapes of unpaired surrogates. UTF-8 itself is checked by the caller.

import { scanError } from './json-scan-error.js';
import type { RisingNames } from './rising-names.js';

/** One member of an object as byte ranges; the key's range includes its quotes. */
export interface MemberRange {
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** Checks that `bytes` is one JSON value, with nothing but white space around it. */
export function assertJson(bytes: Uint8Array): void {
  const { length } = bytes;
  assertEnds(bytes, scanValue(bytes, skipWhitespace(bytes, 0, length), length), length);
}

/** The members of the JSON object that `bytes` is, in order, repeated keys included. */
export function scanMembers(bytes: Uint8Array): MemberRange[] {
  const members: MemberRange[] = [];
  const { length } = bytes;
  let at = skipWhitespace(bytes, expectByte(bytes, skipWhitespace(bytes, 0, length), openBrace));
  if (bytes[at] === closeBrace) at += 1;
  else at = scanMembersUntilBrace(bytes, at, members);
  assertEnds(bytes, at, length);
  return members;
}

function scanMembersUntilBrace(bytes: Uint8Array, start: number, members: MemberRange[]): number {
  const end = bytes.length;
  let at = start;
  for (;;) {
    const keyStart = at;
    const keyEnd = scanString(bytes, keyStart, end);
    const valueStart = scanColon(bytes, keyEnd, end);
    const valueEnd = scanValue(bytes, valueStart, end);
    members.push({ keyStart, keyEnd, valueStart, valueEnd });
    at = skipWhitespace(bytes, valueEnd, end);
    if (bytes[at] === closeBrace) return at + 1;
    at = skipWhitespace(bytes, expectByte(bytes, at, comma), end);
  }
}

/** Checks that nothing but white space lies between `start` and `end`. */
export function assertEnds(bytes: Uint8Array, start: number, end: number): void {
  const rest = skipWhitespace(bytes, start, end);
  if (rest < end) throw scanError('text after the value', rest);
}

/** What a scan of a value heeds besides its being JSON. */
export interface ScanOptions {
  /** How many containers may be open at once. */
  readonly maxDepth: number;
  /** Is told of each member name of the value. */
  readonly names?: RisingNames;
}

/**
 * Finds the end of the JSON value that starts at `start`.
 *
 * @param end - where the text ends; nothing from there on is looked at
 * @returns the offset just past the value
 * @throws JsonScanError where it is not JSON
 */
export function scanValue(
  bytes: Uint8Array,
  start: number,
  end = bytes.length,
  { maxDepth, names }: ScanOptions = noOptions,
): number {
  // Open containers, innermost last; 1 for an object. Grows with the depth instead of the stack.
  let kinds = smallKinds;
  let depth = 0;
  let expectsKey = false;
  let at = start;
  for (;;) {
    if (expectsKey) {
      const keyEnd = scanString(bytes, at, end);
      names?.note(bytes, depth, at, keyEnd);
      at = scanColon(bytes, keyEnd, end);
    }
    const first = at < end ? (bytes[at] as number) : 0;
    if (first === quote) {
      at = scanString(bytes, at, end);
    } else if (first === openBrace || first === openBracket) {
      if (depth >= maxDepth) throw scanError(tooDeep, at);
      if (depth === kinds.length) kinds = doubled(kinds);
      const isObject = first === openBrace;
      kinds[depth] = isObject ? 1 : 0;
      depth += 1;
      at = skipWhitespace(bytes, at + 1, end);
      if (at >= end || bytes[at] !== (isObject ? closeBrace : closeBracket)) {
        if (isObject) names?.open(depth);
        expectsKey = isObject;
        continue;
      }
      depth -= 1;
      at += 1;
    } else {
      at = scanPlainScalar(bytes, at, end);
    }
    // A value has just ended: close what ends with it, then go on to the next one.
    while (depth > 0) {
      at = skipWhitespace(bytes, at, end);
      const inObject = kinds[depth - 1] === 1;
      const byte = at < end ? (bytes[at] as number) : 0;
      if (byte === comma) {
        at = skipWhitespace(bytes, at + 1, end);
        expectsKey = inObject;
        break;
      }
      if (byte !== (inObject ? closeBrace : closeBracket)) {
        throw scanError(`expected , or ${inObject ? '}' : ']'}`, at);
      }
      at += 1;
      depth -= 1;
    }
    if (depth === 0) return at;
  }
}

const noOptions: ScanOptions = { maxDepth: Infinity };

/** The reason of the error for too many open containers. */
export const tooDeep = 'nested too deeply';

// Nothing of it outlives a call, and calls do not overlap: one allocation for all but deep values.
const smallKinds = new Uint8Array(64);

/** The offset of the first byte from `start` on that is not JSON white space; at most `end`. */
export function skipWhitespace(bytes: Uint8Array, start: number, end = bytes.length): number {
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at += 1;
  }
  return at;
}

/** From the end of a key to the start of its value. */
export function scanColon(bytes: Uint8Array, keyEnd: number, end: number): number {
  let at = keyEnd;
  if (at >= end || bytes[at] !== colon) {
    at = skipWhitespace(bytes, at, end);
    if (at >= end || bytes[at] !== colon) throw scanError('expected :', at);
  }
  return skipWhitespace(bytes, at + 1, end);
}

function scanPlainScalar(bytes: Uint8Array, start: number, end: number): number {
  // What is past the end is refused by either.
  switch (bytes[start]) {
    case 0x74:
      return scanWord(bytes, start, end, 'true');
    case 0x66:
      return scanWord(bytes, start, end, 'false');
    case 0x6e:
      return scanWord(bytes, start, end, 'null');
    default:
      return scanNumber(bytes, start, end);
  }
}

// 1 for the bytes that a string cannot simply go on with. Not shared: a scan with an imported table took longer.
const endsRun = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === quote || byte === backslash ? 1 : 0,
);

// Most of a log is the inside of strings: four bytes at a time, while there are four.
function scanRun(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at + 4 <= end) {
    const endsSoon =
      (endsRun[bytes[at] as number] as number) |
      (endsRun[bytes[at + 1] as number] as number) |
      (endsRun[bytes[at + 2] as number] as number) |
      (endsRun[bytes[at + 3] as number] as number);
    if (endsSoon !== 0) break;
    at += 4;
  }
  while (at < end && endsRun[bytes[at] as number] === 0) at += 1;
  return at;
}

/**
 * Finds the end of the JSON string that starts at `start`, where its opening quote must be.
 *
 * @returns the offset just past its closing quote
 */
export function scanString(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || bytes[start] !== quote) throw scanError('expected "', start);
  let at = start + 1;
  for (;;) {
    at = scanRun(bytes, at, end);
    if (at >= end) throw scanError('a string without an end', start);
    if (bytes[at] === quote) return at + 1;
    if (bytes[at] !== backslash) throw scanError('a raw control character', at);
    at = scanEscape(bytes, at, end);
  }
}

const shortEscapes = new Set(Array.from('"\\/bfnrt', (character) => character.charCodeAt(0)));

function scanEscape(bytes: Uint8Array, start: number, end: number): number {
  const letter = start + 1 < end ? bytes[start + 1] : undefined;
  if (letter !== undefined && shortEscapes.has(letter)) return start + 2;
  if (letter !== 0x75) throw scanError('an unknown escape', start);
  const unit = hexUnit(bytes, start + 2, end);
  if (unit === 0) throw scanError('an escaped NUL, which Postgres cannot hold', start);
  if (unit < 0xd800 || unit > 0xdfff) return start + 6;
  const isPair =
    unit < 0xdc00 && start + 7 < end && bytes[start + 6] === backslash && bytes[start + 7] === 0x75;
  const low = isPair ? hexUnit(bytes, start + 8, end) : 0;
  if (low < 0xdc00 || low > 0xdfff) throw scanError('an unpaired surrogate', start);
  return start + 12;
}

function hexUnit(bytes: Uint8Array, start: number, end: number): number {
  let unit = 0;
  for (let at = start; at < start + 4; at += 1) {
    const digit = at < end ? hexDigit(bytes[at] as number) : -1;
    if (digit < 0) throw scanError('an escape without four hex digits', start - 2);
    unit = unit * 16 + digit;
  }
  return unit;
}

/** What a hex digit counts, given as its ASCII byte; -1 for what is none. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function scanNumber(bytes: Uint8Array, start: number, end: number): number {
  const digits = start < end && bytes[start] === 0x2d ? start + 1 : start;
  let at = scanDigits(bytes, digits, end);
  if (at - digits > 1 && bytes[digits] === 0x30) {
    throw scanError('a number with a leading zero', start);
  }
  if (at < end && bytes[at] === 0x2e) at = scanDigits(bytes, at + 1, end);
  if (at < end && ((bytes[at] as number) | 0x20) === 0x65) {
    const sign = at + 1 < end ? bytes[at + 1] : undefined;
    at = scanDigits(bytes, at + (sign === 0x2b || sign === 0x2d ? 2 : 1), end);
  }
  return at;
}

function scanDigits(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39) at += 1;
  if (at === start) throw scanError('not a value', start);
  return at;
}

function scanWord(bytes: Uint8Array, start: number, end: number, word: string): number {
  if (start + word.length > end) throw scanError('not a value', start);
  for (let index = 0; index < word.length; index += 1) {
    if (bytes[start + index] !== word.charCodeAt(index)) {
      throw scanError('not a value', start);
    }
  }
  return start + word.length;
}

function expectByte(bytes: Uint8Array, at: number, byte: number): number {
  if (bytes[at] === byte) return at + 1;
  throw scanError(`expected ${String.fromCharCode(byte)}`, at);
}

function doubled(kinds: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(kinds.length * 2);
  larger.set(kinds);
  return larger;
}
