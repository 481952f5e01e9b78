// Finds where a JSON value ends, over bytes, without making values of it and without recursion.
// Strict RFC 8259, and refused besides what Postgres cannot hold in jsonb: the escape of NUL and
// escapes of unpaired surrogates. UTF-8 itself is checked by the caller.

/** Where and why a text is not JSON. Internal: callers turn it into their own typed error. */
export class JsonScanError extends Error {
  readonly byteOffset: number;
  readonly reason: string;

  constructor(reason: string, byteOffset: number) {
    super(`${reason} at byte ${byteOffset}`);
    this.reason = reason;
    this.byteOffset = byteOffset;
  }
}

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
  const end = scanValue(bytes, skipWhitespace(bytes, 0));
  const rest = skipWhitespace(bytes, end);
  if (rest < bytes.length) throw new JsonScanError('text after the value', rest);
}

/** The members of the JSON object that `bytes` is, in order, repeated keys included. */
export function scanMembers(bytes: Uint8Array): MemberRange[] {
  const members: MemberRange[] = [];
  let at = skipWhitespace(bytes, 0);
  if (bytes[at] !== openBrace) throw new JsonScanError('not an object', at);
  at = skipWhitespace(bytes, at + 1);
  if (bytes[at] === closeBrace) at += 1;
  else at = scanMembersUntilBrace(bytes, at, members);
  const rest = skipWhitespace(bytes, at);
  if (rest < bytes.length) throw new JsonScanError('text after the value', rest);
  return members;
}

function scanMembersUntilBrace(bytes: Uint8Array, start: number, members: MemberRange[]): number {
  let at = start;
  for (;;) {
    const keyStart = at;
    const keyEnd = scanString(bytes, keyStart);
    const valueStart = skipWhitespace(bytes, expect(bytes, skipWhitespace(bytes, keyEnd), colon));
    const valueEnd = scanValue(bytes, valueStart);
    members.push({ keyStart, keyEnd, valueStart, valueEnd });
    at = skipWhitespace(bytes, valueEnd);
    if (bytes[at] === closeBrace) return at + 1;
    at = skipWhitespace(bytes, expect(bytes, at, comma));
  }
}

/**
 * Finds the end of the JSON value that starts at `start`.
 *
 * @returns the offset just past the value
 * @throws JsonScanError where it is not JSON
 */
export function scanValue(bytes: Uint8Array, start: number): number {
  // Open containers, innermost last; 1 for an object. Grows with the depth instead of the stack.
  let kinds = new Uint8Array(32);
  let depth = 0;
  let at = start;
  for (;;) {
    const first = bytes[at];
    if (first === openBrace || first === openBracket) {
      if (depth === kinds.length) kinds = doubled(kinds);
      const isObject = first === openBrace;
      kinds[depth] = isObject ? 1 : 0;
      depth += 1;
      at = skipWhitespace(bytes, at + 1);
      if (bytes[at] !== (isObject ? closeBrace : closeBracket)) {
        if (isObject) at = scanKey(bytes, at);
        continue;
      }
      depth -= 1;
      at += 1;
    } else {
      at = scanScalar(bytes, at);
    }
    // A value has just ended: close what ends with it, then go on to the next one.
    while (depth > 0) {
      at = skipWhitespace(bytes, at);
      const inObject = kinds[depth - 1] === 1;
      if (bytes[at] === comma) {
        at = skipWhitespace(bytes, at + 1);
        if (inObject) at = scanKey(bytes, at);
        break;
      }
      at = expect(bytes, at, inObject ? closeBrace : closeBracket);
      depth -= 1;
    }
    if (depth === 0) return at;
  }
}

/** The offset of the first byte from `start` on that is not JSON white space. */
export function skipWhitespace(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at += 1;
  }
}

function scanKey(bytes: Uint8Array, start: number): number {
  const end = skipWhitespace(bytes, scanString(bytes, start));
  return skipWhitespace(bytes, expect(bytes, end, colon));
}

function scanScalar(bytes: Uint8Array, start: number): number {
  switch (bytes[start]) {
    case quote:
      return scanString(bytes, start);
    case 0x74:
      return scanWord(bytes, start, 'true');
    case 0x66:
      return scanWord(bytes, start, 'false');
    case 0x6e:
      return scanWord(bytes, start, 'null');
    default:
      return scanNumber(bytes, start);
  }
}

function scanString(bytes: Uint8Array, start: number): number {
  let at = expect(bytes, start, quote);
  for (;;) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === undefined) throw new JsonScanError('a string without an end', start);
    if (byte < 0x20) throw new JsonScanError('a raw control character in a string', at);
    at = byte === backslash ? scanEscape(bytes, at) : at + 1;
  }
}

const shortEscapes = new Set(Array.from('"\\/bfnrt', (character) => character.charCodeAt(0)));

function scanEscape(bytes: Uint8Array, start: number): number {
  const letter = bytes[start + 1];
  if (letter !== undefined && shortEscapes.has(letter)) return start + 2;
  if (letter !== 0x75) throw new JsonScanError('an unknown escape', start);
  const unit = hexUnit(bytes, start + 2);
  if (unit === 0) throw new JsonScanError('an escaped NUL, which Postgres cannot hold', start);
  if (unit < 0xd800 || unit > 0xdfff) return start + 6;
  const isPair = unit < 0xdc00 && bytes[start + 6] === backslash && bytes[start + 7] === 0x75;
  const low = isPair ? hexUnit(bytes, start + 8) : 0;
  if (low < 0xdc00 || low > 0xdfff) throw new JsonScanError('an unpaired surrogate', start);
  return start + 12;
}

function hexUnit(bytes: Uint8Array, start: number): number {
  let unit = 0;
  for (let at = start; at < start + 4; at += 1) {
    const digit = hexDigit(bytes[at] ?? 0);
    if (digit < 0) throw new JsonScanError('an escape without four hex digits', start - 2);
    unit = unit * 16 + digit;
  }
  return unit;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function scanNumber(bytes: Uint8Array, start: number): number {
  let at = bytes[start] === 0x2d ? start + 1 : start;
  const isZero = bytes[at] === 0x30;
  at = scanDigits(bytes, at);
  if (isZero && at - start > (bytes[start] === 0x2d ? 2 : 1)) {
    throw new JsonScanError('a number with a leading zero', start);
  }
  if (bytes[at] === 0x2e) at = scanDigits(bytes, at + 1);
  if (bytes[at] === 0x65 || bytes[at] === 0x45) {
    const isSigned = bytes[at + 1] === 0x2b || bytes[at + 1] === 0x2d;
    at = scanDigits(bytes, at + (isSigned ? 2 : 1));
  }
  return at;
}

function scanDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined || byte < 0x30 || byte > 0x39) break;
    at += 1;
  }
  if (at === start) throw new JsonScanError('not a value', start);
  return at;
}

function scanWord(bytes: Uint8Array, start: number, word: string): number {
  for (let index = 0; index < word.length; index += 1) {
    if (bytes[start + index] !== word.charCodeAt(index)) {
      throw new JsonScanError('not a value', start);
    }
  }
  return start + word.length;
}

function expect(bytes: Uint8Array, at: number, byte: number): number {
  if (bytes[at] === byte) return at + 1;
  throw new JsonScanError(`expected ${String.fromCharCode(byte)}`, at);
}

function doubled(kinds: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(kinds.length * 2);
  larger.set(kinds);
  return larger;
}
