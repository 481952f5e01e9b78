// Finds objects that hold a member name twice: jsonb keeps the last value, so that something of such
// a line is not restored, and the report says so.

import { scanMembers, scanString, scanValue, skipWhitespace } from './json-scan.js';

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Whether an object in a JSON value holds a name twice, the value itself included.
 *
 * @param bytes - what `scanValue` has found valid from `start` to `end`
 */
export function hasRepeatedNames(bytes: Uint8Array, start: number, end: number): boolean {
  return !areNamesRising(bytes, start, end) && hasRepeatedIn(bytes, start, end);
}

const inArray = -1;
// Where the last name of each open container starts and ends, quotes included.
const smallNames = new Int32Array(2 * 64);

// Postgres writes the names of a jsonb by length, then by bytes: where each is above the one before
// it, none is there twice. One look at each name is all that lines of our own exports cost.
function areNamesRising(bytes: Uint8Array, start: number, end: number): boolean {
  let names: Int32Array = smallNames;
  let last = -2;
  let expectsName = false;
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === quote) {
      const stringEnd = scanString(bytes, at, end);
      if (expectsName) {
        const previous = names[last] as number;
        if (!isAbove(bytes, [at, stringEnd], [previous, names[last + 1] as number])) return false;
        names[last] = at;
        names[last + 1] = stringEnd;
        expectsName = false;
      }
      at = stringEnd;
      continue;
    }
    if (byte === openBrace || byte === openBracket) {
      last += 2;
      if (last === names.length) names = doubled(names);
      expectsName = byte === openBrace;
      names[last] = names[last + 1] = expectsName ? 0 : inArray;
    } else if (byte === closeBrace || byte === closeBracket) {
      last -= 2;
      expectsName = false;
    } else if (byte === comma) {
      expectsName = names[last] !== inArray;
    }
    at += 1;
  }
  return true;
}

function doubled(names: Int32Array): Int32Array {
  const larger = new Int32Array(names.length * 2);
  larger.set(names);
  return larger;
}

function isAbove(
  bytes: Uint8Array,
  [start, end]: readonly [number, number],
  [previousStart, previousEnd]: readonly [number, number],
): boolean {
  // An escaped name is longer than what it stands for: that is for the other way to find out.
  for (let at = start; at < end; at += 1) if (bytes[at] === backslash) return false;
  const longer = end - start - (previousEnd - previousStart);
  if (longer !== 0) return longer > 0;
  for (let index = 0; index < end - start; index += 1) {
    const difference = (bytes[start + index] as number) - (bytes[previousStart + index] as number);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function hasRepeatedIn(bytes: Uint8Array, start: number, end: number): boolean {
  const open: (readonly [number, number])[] = [[start, end]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [from, to] = next;
    if (bytes[from] === openBrace) {
      const value = bytes.subarray(from, to);
      const names = new Set<unknown>();
      for (const { keyStart, keyEnd, valueStart, valueEnd } of scanMembers(value)) {
        const name: unknown = JSON.parse(decoder.decode(value.subarray(keyStart, keyEnd)));
        if (names.has(name)) return true;
        names.add(name);
        open.push([from + valueStart, from + valueEnd]);
      }
    } else if (bytes[from] === openBracket) {
      for (const element of elementsOf(bytes, from, to)) open.push(element);
    }
  }
  return false;
}

function* elementsOf(
  bytes: Uint8Array,
  start: number,
  end: number,
): Generator<readonly [number, number], void, undefined> {
  let at = skipWhitespace(bytes, start + 1, end);
  while (bytes[at] !== closeBracket) {
    const valueEnd = scanValue(bytes, at, end);
    yield [at, valueEnd];
    at = skipWhitespace(bytes, valueEnd, end);
    if (bytes[at] === comma) at = skipWhitespace(bytes, at + 1, end);
  }
}
