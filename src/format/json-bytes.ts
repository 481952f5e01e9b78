// Pieces of JSON text written as bytes: the byte lane's counterpart of format/json-encode.

const quote = 0x22;
const backslash = 0x5c;
const shortEscapes = new Map([
  [0x08, 0x62],
  [0x09, 0x74],
  [0x0a, 0x6e],
  [0x0c, 0x66],
  [0x0d, 0x72],
  [quote, quote],
  [backslash, backslash],
]);
const hexDigits = asciiBytes('0123456789abcdef');

/** How many bytes one byte of a text takes at most: `\u001f`. */
export const maxEscapedBytes = 6;

/** The bytes of a text that is ASCII. */
export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Writes a short piece as it is. @returns where it ends */
export function writeBytes(piece: Uint8Array, out: Uint8Array, at: number): number {
  // A loop: for so few bytes a call of set() costs more than it saves.
  for (let index = 0; index < piece.length; index += 1) out[at + index] = piece[index] as number;
  return at + piece.length;
}

// Up to here a loop is faster than set() and the view that it needs.
const maxLooped = 64;

/** Copies a range of any length as it is. @returns where it ends in `out` */
export function copyBytes(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  out: Uint8Array,
  at: number,
): number {
  const length = end - start;
  if (length > maxLooped) {
    // Not subarray(), which for a Buffer goes through its species.
    out.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length), at);
  } else {
    for (let index = 0; index < length; index += 1)
      out[at + index] = bytes[start + index] as number;
  }
  return at + length;
}

/**
 * Writes UTF-8 text as the inside of a JSON string, as `JSON.stringify` does.
 *
 * @param start - where the text starts in `bytes`
 * @param end - where it ends
 * @returns where it ends in `out`
 */
export function writeEscaped(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
  out: Uint8Array,
  at: number,
): number {
  let to = at;
  for (let from = start; from < end; from += 1) {
    const byte = bytes[from] as number;
    if (byte < 0x20 || byte === quote || byte === backslash) {
      to = writeEscape(byte, out, to);
    } else {
      out[to] = byte;
      to += 1;
    }
  }
  return to;
}

function writeEscape(byte: number, out: Uint8Array, at: number): number {
  out[at] = backslash;
  const short = shortEscapes.get(byte);
  if (short !== undefined) {
    out[at + 1] = short;
    return at + 2;
  }
  out.set(
    [0x75, 0x30, 0x30, hexDigits[byte >> 4] as number, hexDigits[byte & 15] as number],
    at + 1,
  );
  return at + 6;
}

/** Writes the 16 bytes of a uuid as text, in lower case. @returns where it ends */
export function writeUuid(bytes: Uint8Array, start: number, out: Uint8Array, at: number): number {
  let to = at;
  for (let index = 0; index < 16; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) {
      out[to] = 0x2d;
      to += 1;
    }
    const byte = bytes[start + index] as number;
    out[to] = hexDigits[byte >> 4] as number;
    out[to + 1] = hexDigits[byte & 15] as number;
    to += 2;
  }
  return to;
}

/** Writes an integer from 0 to 2^31 - 1. @returns where it ends */
export function writeInteger(value: number, out: Uint8Array, at: number): number {
  let length = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) length += 1;
  let digits = value;
  for (let to = at + length - 1; to >= at; to -= 1) {
    out[to] = 0x30 + (digits % 10);
    digits = Math.floor(digits / 10);
  }
  return at + length;
}

/** Whether the bytes from `start` to `end` are exactly `expected`. */
export function equalsAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  expected: Uint8Array,
): boolean {
  if (end - start !== expected.length) return false;
  for (let index = 0; index < expected.length; index += 1) {
    if (bytes[start + index] !== expected[index]) return false;
  }
  return true;
}

/** One array of all the parts, in their order. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
