// manifest.json as text: where its members lie and what each of them says, without a value made of
// what no manifest has. Time and memory go with the length of the text, whatever it holds.

import { BackupError } from '../errors.js';
import { scanMembers, scanValue, skipWhitespace } from './json-scan.js';
import { JsonScanError, scanError } from './json-scan-error.js';
import type { MemberRange } from './json-scan.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;

// Names that are no data in any manifest, and make trouble for readers that merge objects.
const refusedMembers: readonly string[] = ['__proto__', 'constructor'];

/** The error of an invalid manifest. `reason` must not quote it. */
export function manifestInvalid(
  reason: string,
  at: { readonly member?: string; readonly byteOffset?: number },
): BackupError<'BACKUP_MANIFEST_INVALID'> {
  const { member, byteOffset } = at;
  const where =
    member !== undefined
      ? `: ${member}`
      : byteOffset !== undefined
        ? ` at byte ${byteOffset} of it`
        : '';
  return new BackupError(
    'BACKUP_MANIFEST_INVALID',
    `manifest.json is not a manifest${where}: ${reason}`,
    { reason, ...at },
  );
}

/** The text of a manifest, found to be a JSON object in UTF-8. */
export class ManifestText {
  readonly #bytes: Uint8Array;
  readonly #ranges: readonly MemberRange[];

  /** @throws BackupError `BACKUP_MANIFEST_INVALID` with the byte */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    try {
      decoder.decode(bytes);
    } catch {
      throw manifestInvalid('not UTF-8', {});
    }
    this.#ranges = this.#scan(bytes, scanMembers);
  }

  /** The texts of every member of this name, in their order. */
  textsOf(name: string): readonly string[] {
    return this.#ranges
      .filter((range) => nameOf(this.#bytes, range) === name)
      .map(({ valueStart, valueEnd }) =>
        decoder.decode(this.#bytes.subarray(valueStart, valueEnd)),
      );
  }

  /**
   * The bytes of these members' values, of those that are there.
   *
   * @throws BackupError `BACKUP_MANIFEST_INVALID` where any member is there twice, or has a name that no
   * manifest has
   */
  members(names: readonly string[]): ReadonlyMap<string, Uint8Array> {
    const found = this.#scan(this.#bytes, (bytes) => distinct(bytes, this.#ranges));
    for (const name of refusedMembers) {
      const range = found.get(name);
      if (range === undefined) continue;
      throw manifestInvalid('a member name that no manifest has', { byteOffset: range.keyStart });
    }
    return valuesOf(this.#bytes, found, names);
  }

  /**
   * What these members hold of an object within the manifest.
   *
   * @param value - bytes of a value, or of an element of one
   * @returns undefined for what is no object
   * @throws BackupError `BACKUP_MANIFEST_INVALID` for a member that is there twice
   */
  objectOf(
    value: Uint8Array,
    names: readonly string[],
  ): Readonly<Record<string, unknown>> | undefined {
    if (value[0] !== openBrace) return undefined;
    const found = this.#scan(value, (bytes) => distinct(bytes, scanMembers(bytes)));
    const members: Record<string, unknown> = {};
    for (const [name, text] of valuesOf(value, found, names)) members[name] = scalarOf(text);
    return members;
  }

  #scan<T>(value: Uint8Array, scan: (bytes: Uint8Array) => T): T {
    try {
      return scan(value);
    } catch (error) {
      if (!(error instanceof JsonScanError)) throw error;
      const byteOffset = value.byteOffset - this.#bytes.byteOffset + error.byteOffset;
      throw manifestInvalid(error.reason, { byteOffset });
    }
  }
}

/** What a text, a number or a word says; for an object or an array `{}`, which is none of them. */
export function scalarOf(value: Uint8Array): unknown {
  if (value[0] === openBrace || value[0] === openBracket) return {};
  return JSON.parse(decoder.decode(value)) as unknown;
}

/** The elements of the array that a value is, one by one; undefined for any other value. */
export function elementsOf(value: Uint8Array): Iterable<Uint8Array> | undefined {
  return value[0] === openBracket ? elements(value) : undefined;
}

function* elements(array: Uint8Array): Generator<Uint8Array, void, undefined> {
  let at = skipWhitespace(array, 1);
  if (array[at] === closeBracket) return;
  while (at < array.length) {
    const end = scanValue(array, at);
    yield array.subarray(at, end);
    at = skipWhitespace(array, skipWhitespace(array, end) + 1);
  }
}

/**
 * The manifest's bytes without the member `archiveId`, over which the id is taken: cut out from the
 * end of the value before it to the end of its own.
 *
 * @returns undefined when there is no such member, or it is the first
 */
export function withoutArchiveId(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] | undefined {
  const ranges = scanMembers(bytes);
  const index = ranges.findIndex((range) => nameOf(bytes, range) === 'archiveId');
  const [before, own] = [ranges[index - 1], ranges[index]];
  if (before === undefined || own === undefined) return undefined;
  return [bytes.subarray(0, before.valueEnd), bytes.subarray(own.valueEnd)];
}

function nameOf(bytes: Uint8Array, { keyStart, keyEnd }: MemberRange): string {
  return JSON.parse(decoder.decode(bytes.subarray(keyStart, keyEnd))) as string;
}

// JSON.parse keeps the last of two members with one name, and another reader the first.
function distinct(
  bytes: Uint8Array,
  ranges: readonly MemberRange[],
): ReadonlyMap<string, MemberRange> {
  const members = new Map<string, MemberRange>();
  for (const range of ranges) {
    const name = nameOf(bytes, range);
    if (members.has(name)) throw scanError('a repeated member', range.keyStart);
    members.set(name, range);
  }
  return members;
}

function valuesOf(
  bytes: Uint8Array,
  ranges: ReadonlyMap<string, MemberRange>,
  names: readonly string[],
): ReadonlyMap<string, Uint8Array> {
  const values = new Map<string, Uint8Array>();
  for (const name of names) {
    const range = ranges.get(name);
    if (range !== undefined) values.set(name, bytes.subarray(range.valueStart, range.valueEnd));
  }
  return values;
}
