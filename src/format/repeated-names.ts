// Finds objects that hold a member name twice: jsonb keeps the last value, so that something of such
// a line is not restored, and the report says so.

import { scanMembers, scanValue, skipWhitespace } from './json-scan.js';

const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Whether an object in a JSON value holds a name twice, the value itself included. Slow: only for
 * lines whose names do not rise.
 *
 * @param bytes - what `scanValue` has found valid from `start` to `end`
 */
export function hasRepeatedNames(bytes: Uint8Array, start: number, end: number): boolean {
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
