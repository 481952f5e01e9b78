// JSON text that survives unchanged: numbers, spacing and key order stay as they were written.

import { assertJson, scanMembers } from './json-scan.js';
import { JsonScanError } from './json-scan-error.js';
import type { MemberRange } from './json-scan.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const vouchedFor = Symbol('vouched for');
const writtenByJsonb = Symbol('written by jsonb');
const inspect = Symbol.for('nodejs.util.inspect.custom');

/** The text as it stands in a line, as UTF-8: no white space around it, and no line breaks. */
export let lineBytesOf: (value: RawJson) => Uint8Array;

/**
 * One JSON value as its text. `data` and `fieldTimestamps` travel as `RawJson`, since numbers
 * beyond 2^53, `1e400` or `1.50` do not survive `JSON.parse`.
 *
 * @example
 * ```ts
 * import { RawJson } from 'backup-streams';
 *
 * const data = new RawJson('{"n": 9007199254740993}');
 * const members = data.members();
 * members.set('count', members.get('n')!);
 * members.delete('n');
 * RawJson.fromMembers(members).text; // {"count": 9007199254740993}
 * ```
 */
export class RawJson {
  /**
   * The JSON text as UTF-8; not to be written to, nor transferred. Values of rows that came from
   * Postgres together lie in the same memory, up to 64 KiB of it: who keeps few of them for long
   * keeps their `text` instead.
   */
  readonly bytes: Uint8Array;
  readonly #isLineText: boolean;
  #text: string | undefined;

  /**
   * @param text - one JSON value. White space between tokens is kept in a line, where line breaks
   * become spaces; white space around the value is not written.
   * @throws TypeError for what is not JSON (RFC 8259), or holds what Postgres' `jsonb` cannot: an
   * escaped NUL or an unpaired surrogate
   */
  constructor(text: string);
  constructor(source: string | Uint8Array, trust?: Trust) {
    if (trust === vouchedFor || trust === writtenByJsonb) {
      this.bytes = source as Uint8Array;
    } else {
      this.bytes = jsonBytes(source);
      this.#text = source as string;
    }
    this.#isLineText = trust === writtenByJsonb;
  }

  /** The JSON text, exactly as given. Made of the bytes when it is first asked for. */
  get text(): string {
    return (this.#text ??= decoder.decode(presentBytes(this.bytes)));
  }

  /**
   * The value, as `JSON.parse` makes it: numbers beyond a double lose digits, and of a repeated key
   * the last value stays.
   */
  parse(): unknown {
    return JSON.parse(this.text);
  }

  /**
   * The members of an object, in their order, each as its exact text. Of a repeated key the last
   * value stays, as in `jsonb`.
   *
   * @throws TypeError when the value is not an object
   */
  members(): Map<string, RawJson> {
    const { bytes, text } = this;
    // With one byte per character, byte offsets are text offsets and nothing has to be decoded.
    const isAscii = bytes.length === text.length;
    const members = new Map<string, RawJson>();
    for (const { keyStart, keyEnd, valueStart, valueEnd } of objectRanges(bytes)) {
      const key = isAscii
        ? text.slice(keyStart, keyEnd)
        : decoder.decode(bytes.subarray(keyStart, keyEnd));
      const name = key.includes('\\') ? (JSON.parse(key) as string) : key.slice(1, -1);
      members.set(name, trustedRawJson(bytes.subarray(valueStart, valueEnd)));
    }
    return members;
  }

  /**
   * Puts an object together out of its members' texts, spaced as Postgres writes `jsonb`.
   *
   * @param members - names and values, in the order they are written
   * @throws TypeError for a name with an unpaired surrogate or NUL, and for a value that is no
   * `RawJson`
   */
  static fromMembers(members: Iterable<readonly [string, RawJson]>): RawJson {
    const parts: string[] = [];
    for (const [name, value] of members) {
      if (!name.isWellFormed() || name.includes('\0')) {
        throw new TypeError('a member name holds an unpaired surrogate or NUL');
      }
      if (!(value instanceof RawJson)) throw new TypeError('a member is no RawJson');
      parts.push(`${JSON.stringify(name)}: ${value.text}`);
    }
    return trustedRawJson(encoder.encode(`{${parts.join(', ')}}`));
  }

  /**
   * Always throws: `JSON.stringify` cannot write a text unchanged. Use `encodeExportLine`, `.text`,
   * or `.parse()` where loss of digits is acceptable.
   */
  toJSON(): never {
    throw new TypeError('JSON.stringify cannot keep a RawJson unchanged: use .text or .parse()');
  }

  /** What Node shows of it: the text, not the bytes. */
  [inspect](): string {
    return `RawJson(${this.text})`;
  }

  static {
    lineBytesOf = (value) =>
      value.#isLineText || isLineText(value.bytes)
        ? presentBytes(value.bytes)
        : encoder.encode(asLineText(value.text));
  }
}

type Trust = typeof vouchedFor | typeof writtenByJsonb;

const TrustingRawJson = RawJson as unknown as new (bytes: Uint8Array, trust: Trust) => RawJson;

/**
 * A `RawJson` without the check, for bytes that Postgres or this library's own scanner vouches for.
 * Not exported from the package.
 *
 * @param bytes - kept, so they must never change; no Buffer, which would compare as another type
 */
export function trustedRawJson(bytes: Uint8Array): RawJson {
  return new TrustingRawJson(bytes, vouchedFor);
}

/** As {@link trustedRawJson}, for the text of a `jsonb`: there is nothing around it, nor a line break. */
export function rawJsonOfJsonb(bytes: Uint8Array): RawJson {
  return new TrustingRawJson(bytes, writtenByJsonb);
}

// No JSON text is empty: somebody has transferred the memory, and that is no value left out.
function presentBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw new TypeError('the memory of a RawJson was transferred');
  return bytes;
}

function isLineText(bytes: Uint8Array): boolean {
  const isTrimmed = (bytes[0] as number) > 0x20 && (bytes.at(-1) as number) > 0x20;
  return isTrimmed && !bytes.includes(0x0a) && !bytes.includes(0x0d);
}

/** JSON text as it stands in a line. */
export function asLineText(text: string): string {
  // White space around a value would not outlive a reading of the line.
  const trimmed = text.trim();
  // Raw line breaks can only stand between tokens, where a space means the same.
  return trimmed.includes('\n') || trimmed.includes('\r')
    ? trimmed.replace(/[\n\r]/g, ' ')
    : trimmed;
}

function jsonBytes(text: unknown): Uint8Array {
  if (typeof text !== 'string') throw new TypeError('RawJson takes the text of a JSON value');
  if (!text.isWellFormed()) throw new TypeError('not JSON text: it holds an unpaired surrogate');
  const bytes = encoder.encode(text);
  try {
    assertJson(bytes);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    const { reason, byteOffset } = error;
    throw new TypeError(`not JSON text: ${reason} at byte ${byteOffset}`);
  }
  return bytes;
}

function objectRanges(bytes: Uint8Array): MemberRange[] {
  try {
    return scanMembers(bytes);
  } catch (error) {
    if (error instanceof JsonScanError) throw new TypeError('the JSON value is not an object');
    throw error;
  }
}
