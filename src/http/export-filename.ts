// The name of a downloaded export, in two spellings: ASCII for every client and file system, and
// one in the user's own script. User ids are anybody's text: of both, only what is named safe stays.

import { refuseUnknown } from '../options.js';

/** What a download is called after; options of `exportFilename` and `exportHeaders`. */
export interface ExportFilenameOptions {
  /** Whose export it is: any non-empty text. */
  readonly userId: string;
  /** `jsonl`: the lines as they are; `archive`: lines and manifest in one zip. */
  readonly format: 'jsonl' | 'archive';
  /** When the export was made, from year 1 to 9999; the name tells it in UTC, to the second. */
  readonly at: Date;
  /**
   * What the name begins with: 1 to 32 ASCII letters, digits, `_` and `-`, a letter or digit
   * first. Default `sync`.
   */
  readonly prefix?: string | undefined;
  /**
   * What the name ends with: a dot and ASCII letters and digits, once or more, up to 24 characters.
   * Default `.jsonl`, and `.mana` for an archive.
   */
  readonly suffix?: string | undefined;
}

/** The two spellings of one name. */
export interface ExportFilenames {
  /** Of `[A-Za-z0-9._-]` alone. */
  readonly ascii: string;
  /** With letters and digits of every script; the same as `ascii` where the id needs none. */
  readonly unicode: string;
}

const suffixes = { jsonl: '.jsonl', archive: '.mana' } as const;

// With the longest prefix and suffix a name stays below the 255 bytes that file systems take.
const maxAsciiLength = 64;
const maxUnicodeBytes = 128;

/**
 * The file name of an export: `<prefix>-backup-<user>-<YYYYMMDD-HHMMSS>.jsonl`, with `.mana` for an
 * archive; the time is UTC.
 *
 * It consists of ASCII letters, digits, `.`, `_` and `-`, never holds `..`, and has at most 144
 * characters. An id of only those characters, without leading or double dots and not longer than
 * 64, stays as it is. Of any other, each run of further characters becomes one `_`, and a tag made
 * from the whole id is put behind it, so that `日本` and `中国` in one folder do not overwrite each
 * other. The tag is no digest: ids can be made that share one.
 *
 * @throws TypeError for invalid options
 *
 * @example
 * ```ts
 * import { exportFilename } from 'backup-streams/http';
 *
 * exportFilename({ userId: 'anna', format: 'jsonl', at: new Date('2026-04-14T10:00:00Z') });
 * // sync-backup-anna-20260414-100000.jsonl
 * ```
 */
export function exportFilename(options: ExportFilenameOptions): string {
  return exportFilenames(options).ascii;
}

/** Both spellings of {@link exportFilename}. Not exported from the package. */
export function exportFilenames(options: ExportFilenameOptions): ExportFilenames {
  checkOptions(options);
  const { userId, format, at, prefix = 'sync', suffix = suffixes[format] } = options;
  const time = at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const named = (user: string): string => `${prefix}-backup-${user}-${time}${suffix}`;
  const ascii = asciiUser(userId);
  const unicode = unicodeUser(userId);
  // What the ASCII name already tells in full has no second spelling.
  return { ascii: named(ascii), unicode: named(ascii === userId ? ascii : unicode) };
}

function asciiUser(userId: string): string {
  const safe = userId.replaceAll(/(?:[^A-Za-z0-9._-]|^\.+|\.{2,})+/g, '_');
  if (safe === userId && safe.length <= maxAsciiLength) return safe;
  const tag = tagOf(userId);
  const readable = safe.slice(0, maxAsciiLength - tag.length - 1);
  return `${/[A-Za-z0-9]/.test(readable) ? readable : 'user'}-${tag}`;
}

// Letters, marks and decimal digits of every script. Not in it, besides what a path or a header is
// made of: controls, unpaired surrogates, marks that turn the direction of text around, and the
// look-alikes of dots and slashes, which some file systems take for the real ones.
function unicodeUser(userId: string): string {
  const safe = userId.replaceAll(/(?:[^\p{L}\p{M}\p{Nd}._@+-]|^\.+|\.{2,})+/gu, '_');
  const cut = cutToBytes(safe, maxUnicodeBytes);
  return /[\p{L}\p{Nd}]/u.test(cut) ? cut : asciiUser(userId);
}

function cutToBytes(text: string, maxBytes: number): string {
  let byteCount = 0;
  let end = 0;
  for (const character of text) {
    byteCount += utf8Length(character.codePointAt(0) ?? 0);
    if (byteCount > maxBytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** FNV-1a over the UTF-16 units: 8 hex digits. */
function tagOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

const optionNames = ['userId', 'format', 'at', 'prefix', 'suffix'];

function checkOptions(options: ExportFilenameOptions): void {
  refuseUnknown('a download', options, optionNames);
  const { userId, format, at, prefix, suffix } = options;
  if (typeof userId !== 'string' || userId === '') {
    throw new TypeError('userId must be a non-empty string');
  }
  if (format !== 'jsonl' && format !== 'archive') {
    throw new TypeError("format must be 'jsonl' or 'archive'");
  }
  if (!(at instanceof Date) || !isNameable(at)) {
    throw new TypeError('at must be a valid Date from year 1 to 9999');
  }
  checkPart('prefix', prefix, /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/);
  checkPart('suffix', suffix, /^(?=.{2,24}$)(?:\.[A-Za-z0-9]+)+$/);
}

function isNameable(at: Date): boolean {
  const year = at.getUTCFullYear(); // NaN for an invalid Date
  return year >= 1 && year <= 9999;
}

function checkPart(name: string, part: unknown, safe: RegExp): void {
  if (part === undefined) return;
  if (typeof part !== 'string' || !safe.test(part)) {
    throw new TypeError(`${name} must be a text of the form ${String(safe)}`);
  }
}
