// Pieces of JSON text written as bytes, by words of four where that pays.

import { escapeText } from './json-encode.js';

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
// The two digits of each byte, the first one in the upper half.
const hexPairs = Uint16Array.from(
  { length: 256 },
  (_, byte) => ((hexDigits[byte >> 4] as number) << 8) | (hexDigits[byte & 15] as number),
);
// For each byte of UTF-8, and for each unit of UTF-16, whether it is one byte of a JSON string, the
// one that it is: 1 or 0.
const plainBytes = new Uint8Array(256).fill(1, 0x20);
const plainUnits = new Uint8Array(0x1_0000).fill(1, 0x20, 0x80);
for (const plain of [plainBytes, plainUnits]) plain[quote] = plain[backslash] = 0;
const dash = 0x2d;
const encoder = new TextEncoder();

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

/** A stretch of bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

// Up to here a loop is faster than set() and the view that it needs.
const maxLooped = 64;

/** Copies a range of any length as it is. @returns where it ends in `out` */
export function copyBytes(
  bytes: Uint8Array,
  { start, end }: ByteRange,
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
  { start, end }: ByteRange,
  out: DataView,
  at: number,
): number {
  let from = start;
  let to = at;
  for (;;) {
    const copied = copyPlain(bytes, { start: from, end }, out, to);
    from += copied;
    to += copied;
    if (from === end) return to;
    to = writeEscape(bytes[from] as number, out, to);
    from += 1;
  }
}

/**
 * Copies bytes up to the first one that does not stand in a JSON string as it is: a control
 * character, a quote, a backslash.
 *
 * @returns how many were copied
 */
export function copyPlain(
  bytes: Uint8Array,
  { start, end }: ByteRange,
  out: DataView,
  at: number,
): number {
  const shift = at - start;
  let from = start;
  for (; from + 4 <= end; from += 4) {
    const first = bytes[from] as number;
    const second = bytes[from + 1] as number;
    const third = bytes[from + 2] as number;
    const fourth = bytes[from + 3] as number;
    if (!arePlainBytes(first, second, third, fourth)) break;
    out.setInt32(from + shift, wordOf(first, second, third, fourth), true);
  }
  for (; from < end; from += 1) {
    const byte = bytes[from] as number;
    if (plainBytes[byte] === 0) break;
    out.setUint8(from + shift, byte);
  }
  return from - start;
}

/**
 * Writes a text as the inside of a JSON string, as `JSON.stringify` does, in UTF-8.
 *
 * @returns where it ends
 * @throws JsonEncodeError as `escapeText` does
 */
export function writeText(text: string, out: DataView, at: number): number {
  const { length } = text;
  let index = 0;
  // Nearly every text is plain ASCII, for which a loop is faster than a call, by words most of all.
  for (; index + 4 <= length; index += 4) {
    const first = text.charCodeAt(index);
    const second = text.charCodeAt(index + 1);
    const third = text.charCodeAt(index + 2);
    const fourth = text.charCodeAt(index + 3);
    if (!arePlainUnits(first, second, third, fourth)) return writeOtherText(text, out, at);
    out.setInt32(at + index, wordOf(first, second, third, fourth), true);
  }
  for (; index < length; index += 1) {
    const unit = text.charCodeAt(index);
    if (plainUnits[unit] === 0) return writeOtherText(text, out, at);
    out.setUint8(at + index, unit);
  }
  return at + length;
}

// Two, since one that was handed its table took an export by rows a tenth longer.
function arePlainBytes(a: number, b: number, c: number, d: number): boolean {
  const plain = plainBytes;
  return (
    ((plain[a] as number) & (plain[b] as number) & (plain[c] as number) & (plain[d] as number)) ===
    1
  );
}

function arePlainUnits(a: number, b: number, c: number, d: number): boolean {
  const plain = plainUnits;
  return (
    ((plain[a] as number) & (plain[b] as number) & (plain[c] as number) & (plain[d] as number)) ===
    1
  );
}

function wordOf(a: number, b: number, c: number, d: number): number {
  return a | (b << 8) | (c << 16) | (d << 24);
}

function writeOtherText(text: string, out: DataView, at: number): number {
  const room = new Uint8Array(out.buffer, out.byteOffset + at);
  return at + encoder.encodeInto(escapeText(text), room).written;
}

function writeEscape(byte: number, out: DataView, at: number): number {
  const short = shortEscapes.get(byte);
  if (short !== undefined) {
    out.setUint8(at, backslash);
    out.setUint8(at + 1, short);
    return at + 2;
  }
  out.setInt32(at, 0x5c75_3030); // \u00
  out.setUint16(at + 4, hexPairs[byte] as number);
  return at + maxEscapedBytes;
}

/** Writes the 16 bytes of a uuid as text, in lower case. @returns where it ends */
export function writeUuid(bytes: Uint8Array, start: number, out: DataView, at: number): number {
  writeHex(bytes, start, out, at);
  writeHex(bytes, start + 2, out, at + 4);
  out.setUint8(at + 8, dash);
  writeHex(bytes, start + 4, out, at + 9);
  out.setUint8(at + 13, dash);
  writeHex(bytes, start + 6, out, at + 14);
  out.setUint8(at + 18, dash);
  writeHex(bytes, start + 8, out, at + 19);
  out.setUint8(at + 23, dash);
  writeHex(bytes, start + 10, out, at + 24);
  writeHex(bytes, start + 12, out, at + 28);
  writeHex(bytes, start + 14, out, at + 32);
  return at + 36;
}

/** Writes two bytes as four digits. */
function writeHex(bytes: Uint8Array, start: number, out: DataView, at: number): void {
  const first = hexPairs[bytes[start] as number] as number;
  const second = hexPairs[bytes[start + 1] as number] as number;
  out.setInt32(at, (first << 16) | second);
}

/** Writes an integer from 0 to 2^31 - 1. @returns where it ends */
export function writeInteger(value: number, out: DataView, at: number): number {
  let length = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) length += 1;
  let digits = value;
  for (let to = at + length - 1; to >= at; to -= 1) {
    out.setUint8(to, 0x30 + (digits % 10));
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
