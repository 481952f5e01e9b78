// What is a valid line, decided over its bytes: where each member's value lies, without making
// values of them. Every reader of lines goes through here, so that all agree.

import { changeOps } from './change-row.js';
import type { ChangeOp } from './change-row.js';
import { isAbsentAt, lineMembers } from './export-line.js';
import type { LineMember } from './export-line.js';
import { JsonScanError, scanError } from './json-scan-error.js';
import { faultError } from './line-invalid.js';
import type { LineFault } from './line-invalid.js';
import {
  assertEnds,
  scanColon,
  scanString,
  scanValue,
  skipWhitespace,
  tooDeep,
} from './json-scan.js';
import type { MemberRange, ScanOptions } from './json-scan.js';
import { isFixedTextAt, FixedText } from './fixed-text.js';
import { RisingNames } from './rising-names.js';
import type { ScannedLine } from './scanned-line.js';
import { maxSchemaVersion, normalizeSchemaVersion } from './schema-version.js';
import { isCanonicalTimestamp, isCanonicalTimestampAt } from './timestamp.js';

/** Where each member stands in {@link LineScanner.starts} and {@link LineScanner.ends}. */
export const lineIndex = Object.fromEntries(
  lineMembers.map((member, index) => [member, index]),
) as Readonly<Record<LineMember, number>>;

/** Options of a {@link LineScanner}. */
export interface LineScannerOptions {
  /** How many objects and arrays may be open at once in one value. No limit by default. */
  readonly maxDepth?: number | undefined;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const quote = 0x22;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** `"eventId":` and so on: how lines that nobody has touched spell their members. */
const spellings = lineMembers.map((member) => new FixedText(`"${member}":`));
const ops = changeOps.map((op) => ({
  op,
  piece: new FixedText(`"${op}"`),
}));
// 1 for the members that are texts, which are the ones that must be there.
const isText = Uint8Array.from(lineMembers, (member) =>
  ['schemaVersion', 'data', 'fieldTimestamps'].includes(member) ? 0 : 1,
);

/**
 * Checks lines, one after the other, and says where their members lie. What it says holds until the
 * next call. Members may come in any order and with any spacing; iterative, whatever the depth.
 */
export class LineScanner implements ScannedLine {
  /** The bytes that the ranges point into. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Where each member's value starts, quotes included; -1 for `data` and the like when absent. */
  readonly starts = new Int32Array(lineMembers.length);
  /** Where it ends. */
  readonly ends = new Int32Array(lineMembers.length);
  /** The version that the line counts as: at least 1. */
  schemaVersion = 1;
  op: ChangeOp = 'insert';
  /** Members that the format does not name, in their order. */
  readonly extra: (MemberRange & { readonly name: string })[] = [];
  // The same bytes, for words.
  #view = new DataView(this.bytes.buffer);
  readonly #options: Required<ScanOptions>;
  readonly #extraNames = new Set<string>();
  #lineStart = 0;
  #lineEnd = 0;
  #fault: LineFault | undefined;

  constructor({ maxDepth = Infinity }: LineScannerOptions = {}) {
    this.#options = { maxDepth, names: new RisingNames() };
  }

  /** As in `ScannedLine`. */
  get areNamesRising(): boolean {
    return this.#options.names.areRising;
  }

  /**
   * Scans the line from `start` to `end`, its line feed excluded. It must be UTF-8: the caller
   * checks that for many lines at once.
   *
   * @param lineNumber - from 1, for errors; undefined where there is none
   * @throws BackupError `BACKUP_LINE_INVALID` with the member or the byte offset in the line, never
   * with content; `BACKUP_LIMIT_EXCEEDED` past `maxDepth`
   */
  scan(bytes: Uint8Array, start: number, end: number, lineNumber?: number): void {
    const fault = this.check(bytes, start, end);
    if (fault !== undefined) throw faultError(fault, lineNumber);
  }

  /**
   * As {@link scan}, and makes no error.
   *
   * @returns why the line is invalid; undefined for a valid one
   */
  check(bytes: Uint8Array, start: number, end: number): LineFault | undefined {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.#lineStart = start;
    this.#lineEnd = end;
    this.#forget();
    try {
      this.#scanMembers();
      this.#checkMembers();
      return undefined;
    } catch (error) {
      if (error === invalidMember) return this.#fault;
      if (!(error instanceof JsonScanError)) throw error;
      const { reason, byteOffset } = error;
      const maxDepth = reason === tooDeep ? this.#options.maxDepth : undefined;
      return { reason, place: { byteOffset: byteOffset - start }, maxDepth };
    }
  }

  /** How long the line is, in bytes. */
  get byteCount(): number {
    return this.#lineEnd - this.#lineStart;
  }

  /** The text of a member that is a string, its escapes resolved. */
  text(member: Exclude<LineMember, 'schemaVersion' | 'data' | 'fieldTimestamps'>): string {
    const index = lineIndex[member];
    return this.#string(this.starts[index] as number, this.ends[index] as number);
  }

  #forget(): void {
    this.starts.fill(-1);
    this.schemaVersion = 1;
    this.#options.names.reset();
    if (this.extra.length === 0) return;
    this.extra.length = 0;
    this.#extraNames.clear();
  }

  #scanMembers(): void {
    const { bytes } = this;
    const end = this.#lineEnd;
    let at = skipWhitespace(bytes, this.#lineStart, end);
    if (at >= end || bytes[at] !== openBrace) throw scanError('not an object', at);
    at = skipWhitespace(bytes, at + 1, end);
    if (at < end && bytes[at] === closeBrace) {
      assertEnds(bytes, at + 1, end);
      return;
    }
    for (let next = 0; ;) {
      const found = this.#matchMember(at, next);
      if (found < 0) {
        at = this.#scanOther(at);
      } else {
        const valueAt = skipWhitespace(bytes, at + (spellings[found] as FixedText).length, end);
        if (this.starts[found] !== -1) throw scanError(repeated, at);
        at = this.#scanMember(found, valueAt);
        next = found + 1;
      }
      if (at >= end || bytes[at] !== comma) {
        at = skipWhitespace(bytes, at, end);
        if (at < end && bytes[at] === closeBrace) break;
        if (at >= end || bytes[at] !== comma) throw scanError('expected , or }', at);
      }
      at = skipWhitespace(bytes, at + 1, end);
    }
    assertEnds(bytes, at + 1, end);
  }

  /** The member that is spelt at `at`: `next`, or one of the two after it; -1 for anything else. */
  #matchMember(at: number, next: number): number {
    const last = Math.min(next + 3, spellings.length);
    for (let index = next; index < last; index += 1) {
      if (isFixedTextAt(spellings[index] as FixedText, this.#view, at, this.#lineEnd)) return index;
    }
    return -1;
  }

  /** A member out of the usual order or spelling, or one that the format does not name. */
  #scanOther(keyStart: number): number {
    const { bytes } = this;
    const keyEnd = scanString(bytes, keyStart, this.#lineEnd);
    const valueStart = scanColon(bytes, keyEnd, this.#lineEnd);
    const name = this.#string(keyStart, keyEnd);
    const index = lineMembers.indexOf(name as LineMember);
    if (index >= 0) {
      if (this.starts[index] !== -1) throw scanError(repeated, keyStart);
      return this.#scanMember(index, valueStart);
    }
    if (this.#extraNames.has(name)) throw scanError(repeated, keyStart);
    const valueEnd = scanValue(bytes, valueStart, this.#lineEnd, this.#options);
    this.extra.push({ name, keyStart, keyEnd, valueStart, valueEnd });
    this.#extraNames.add(name);
    return valueEnd;
  }

  #scanMember(index: number, start: number): number {
    if (isText[index] === 1 && (start >= this.#lineEnd || this.bytes[start] !== quote)) {
      scanValue(this.bytes, start, this.#lineEnd);
      throw this.#invalid(lineMembers[index] as LineMember, 'is not a string');
    }
    const end =
      isText[index] === 1
        ? scanString(this.bytes, start, this.#lineEnd)
        : scanValue(this.bytes, start, this.#lineEnd, this.#options);
    this.starts[index] = start;
    this.ends[index] = end;
    return end;
  }

  #checkMembers(): void {
    const { bytes, starts, ends } = this;
    for (let index = 0; index < isText.length; index += 1) {
      if (starts[index] === -1 && isText[index] === 1) {
        throw this.#invalid(lineMembers[index] as LineMember, 'is missing');
      }
    }
    const { eventId, schemaVersion, op, createdAt, data, fieldTimestamps } = lineIndex;
    if ((ends[eventId] as number) - (starts[eventId] as number) === 2) {
      throw this.#invalid('eventId', 'is empty');
    }
    if (starts[schemaVersion] !== -1) this.schemaVersion = this.#version();
    this.op = this.#op(starts[op] as number, ends[op] as number);
    const [timeStart, timeEnd] = [starts[createdAt] as number, ends[createdAt] as number];
    if (
      !isCanonicalTimestampAt(bytes, timeStart + 1, timeEnd - 1) &&
      !isCanonicalTimestamp(this.#string(timeStart, timeEnd))
    ) {
      const eventId = this.text('eventId');
      throw this.#invalid('createdAt', 'is not a UTC time as lines hold it', eventId);
    }
    if (isAbsentAt(bytes, starts[data] as number, ends[data] as number)) starts[data] = -1;
    if (isAbsentAt(bytes, starts[fieldTimestamps] as number, ends[fieldTimestamps] as number)) {
      starts[fieldTimestamps] = -1;
    }
  }

  #version(): number {
    const start = this.starts[lineIndex.schemaVersion] as number;
    const end = this.ends[lineIndex.schemaVersion] as number;
    const first = this.bytes[start] as number;
    if (end - start === 1 && first > 0x30 && first <= 0x39) return first - 0x30;
    const isNumber = first === 0x2d || (first >= 0x30 && first <= 0x39);
    const version = isNumber ? Number(this.#decoded(start, end)) : NaN;
    if (!Number.isInteger(version) || version > maxSchemaVersion) {
      throw this.#invalid('schemaVersion', 'is not an integer up to 2^31 - 1');
    }
    return normalizeSchemaVersion(version);
  }

  #op(start: number, end: number): ChangeOp {
    for (const known of ops) {
      const { length } = known.piece;
      if (end - start === length && isFixedTextAt(known.piece, this.#view, start, end))
        return known.op;
    }
    const text = this.#string(start, end);
    const known = ops.find(({ op }) => op === text);
    if (known === undefined) throw this.#invalid('op', 'is not one of insert, update, delete');
    return known.op;
  }

  #string(start: number, end: number): string {
    const text = this.#decoded(start, end);
    return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
  }

  #decoded(start: number, end: number): string {
    return decoder.decode(this.bytes.subarray(start, end));
  }

  /** Takes note of what is wrong with a member. @returns what is to be thrown */
  #invalid(member: LineMember, what: string, eventId?: string): Error {
    this.#fault = { reason: `${member} ${what}`, place: { member, eventId }, maxDepth: undefined };
    return invalidMember;
  }
}

// One for all, as in json-scan-error: it leads to `check`, and no further.
const invalidMember = new Error('an invalid member');

const repeated = 'a repeated member';
