// Finds objects that hold a member name twice: jsonb keeps the last value, so that something of such
// a line is not restored, and the report says so.

import { scanString } from './json-scan.js';

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

// A name begins with its quote, so never with what could be taken for a byte order mark.
const decoder = new TextDecoder();

/**
 * Whether an object in a JSON value holds a name twice, the value itself included. One pass, however
 * deep; still only for lines whose names do not rise, since it makes texts of the names.
 *
 * @param bytes - what `scanValue` has found valid from `start` to `end`
 */
export function hasRepeatedNames(bytes: Uint8Array, start: number, end: number): boolean {
  // The open containers, innermost last. Of an object that has had one name only its place is kept:
  // most of the levels of a deep value are such.
  const open: Container[] = [];
  let expectsName = false;
  for (let at = start; at < end;) {
    const byte = bytes[at];
    if (byte === quote) {
      if (expectsName && !isNew(open, bytes, at, end)) return true;
      expectsName = false;
      at = scanString(bytes, at, end);
      continue;
    }
    if (byte === openBrace || byte === openBracket) {
      expectsName = byte === openBrace;
      open.push(expectsName ? noName : isArray);
    } else if (byte === closeBrace || byte === closeBracket) {
      open.pop();
    } else if (byte === comma) {
      expectsName = open.at(-1) !== isArray;
    }
    at += 1;
  }
  return false;
}

/** `isArray`; of an object `noName` so far, the place of its only name, or all of its names. */
type Container = number | Set<string>;

const isArray = -2;
const noName = -1;

/** Takes note of the name at `at`. @returns false when its object has had it before */
function isNew(open: Container[], bytes: Uint8Array, at: number, end: number): boolean {
  const innermost = open.length - 1;
  const names = open[innermost] as Container;
  if (names === noName) {
    open[innermost] = at;
    return true;
  }
  const known = typeof names === 'number' ? new Set([nameAt(bytes, names, end)]) : names;
  open[innermost] = known;
  const name = nameAt(bytes, at, end);
  if (known.has(name)) return false;
  known.add(name);
  return true;
}

/** A name as it is meant, its escapes resolved. */
function nameAt(bytes: Uint8Array, start: number, end: number): string {
  const text = decoder.decode(bytes.subarray(start, scanString(bytes, start, end)));
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
}
