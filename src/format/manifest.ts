// manifest.json <-> Manifest: what an archive says of its events, as strictly read as written.

import { z } from 'zod';
import { BackupError } from '../errors.js';
import { JsonScanError, scanMembers, scanValue, skipWhitespace } from './json-scan.js';
import type { MemberRange } from './json-scan.js';
import { positionSchema } from './position.js';
import { maxSchemaVersion } from './schema-version.js';
import { sortByUtf8 } from './summary.js';
import { canonicalTimestamp } from './timestamp.js';

/** The format version that this release writes, and the only one that it reads. */
export const formatVersion = 1;

const count = z.int('not an integer from 0').min(0, 'not an integer from 0');
const version = z
  .int('not a schema version')
  .min(1, 'not a schema version')
  .max(maxSchemaVersion, 'not a schema version');
const sha256Hex = z.string('not a SHA-256').regex(/^[0-9a-f]{64}$/, 'not 64 lower-case hex digits');
const keyIdHex = z.string('not a text').regex(/^[0-9a-f]{32}$/, 'not 32 lower-case hex digits');

const segmentSchema = z
  .object({
    /** Lines in the segment, of which each is whole. */
    lineCount: count.min(1, 'a segment without lines'),
    /** Bytes in the segment, line feeds included. */
    byteCount: count.min(1, 'a segment without bytes'),
    /** SHA-256 of exactly these bytes. */
    sha256: sha256Hex,
  })
  .readonly();

/** The digest of some consecutive lines of the events, so that damage can be located. */
export type SegmentDigest = z.infer<typeof segmentSchema>;

const shape = z.object({
  formatVersion: z.literal(formatVersion, 'not a format version that is read here'),
  /** The highest schema version that the producer knows, never below `schemaVersionMax`. */
  schemaVersion: version,
  /** Whose events these are. */
  userId: z.string('not a text').min(1, 'empty'),
  /** When the archive was made: RFC 3339 with an offset. Written in UTC. */
  createdAt: z.string('not a text').refine(isTime, 'not an RFC 3339 time with an offset'),
  /** Lines of `events.jsonl`. */
  eventCount: count,
  /** SHA-256 of `events.jsonl` as it is outside the zip: 64 lower-case hex digits. */
  eventsSha256: sha256Hex,
  /** The distinct app ids, sorted by their UTF-8 bytes. */
  apps: z
    .array(z.string('not a list of texts'), 'not a list of texts')
    .refine(isSortedAndDistinct, 'not sorted by UTF-8 bytes, or repeated')
    .readonly(),
  /** Name and version of what made the archive. */
  producedBy: z.string('not a text'),
  /** Absent when there are no events; so are the three below. */
  schemaVersionMin: version.optional(),
  schemaVersionMax: version.optional(),
  firstPosition: positionSchema.optional(),
  lastPosition: positionSchema.optional(),
  /** Bytes of `events.jsonl`. */
  byteCount: count.optional(),
  /** Bytes of the longest line, its line feed not counted. */
  maxLineBytes: count.optional(),
  /** Digests of the events piece by piece, in order and without gaps. */
  segments: z.array(segmentSchema, 'not a list of segments').readonly().optional(),
  /** First 128 bits of SHA-256 over the raw public key that `manifest.sig` was made for. A hint. */
  signingKeyId: keyIdHex.optional(),
  /** First 128 bits of SHA-256 over the manifest's bytes without this member. */
  archiveId: keyIdHex.optional(),
});

type ManifestShape = z.infer<typeof shape>;
type ManifestMember = keyof ManifestShape;

/**
 * zod schema of a {@link Manifest}: members, and how they must agree. Of a text it cannot see that a
 * member is there twice, which reading an archive does.
 */
export const manifestSchema = shape
  .superRefine((manifest, context) => {
    for (const [member, reason] of disagreements(manifest)) {
      context.addIssue({ code: 'custom', path: [member], message: reason });
    }
  })
  .readonly();

/** What `manifest.json` says. Members that this release does not know are left out. */
export type Manifest = z.infer<typeof manifestSchema>;

const members = Object.keys(shape.shape) as readonly ManifestMember[];

// Names that are no data in any manifest, and make trouble for readers that merge objects.
const refusedMembers: readonly string[] = ['__proto__', 'constructor'];

/**
 * Reads the bytes of `manifest.json`.
 *
 * @throws BackupError `BACKUP_MANIFEST_INVALID` with the member or the byte, `BACKUP_FORMAT_UNSUPPORTED`
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const texts = memberTexts(bytes);
  const versionText = texts.get('formatVersion');
  if (versionText === undefined) throw invalid('missing', { member: 'formatVersion' });
  // Asked of the text, and before anything else: a newer manifest may look different throughout.
  if (versionText !== String(formatVersion)) throw unsupportedVersion(versionText);
  const values: Record<string, unknown> = {};
  for (const member of members) {
    const text = texts.get(member);
    if (text !== undefined) values[member] = JSON.parse(text) as unknown;
  }
  const parsed = manifestSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const member = String(issue?.path[0]);
  throw invalid(Object.hasOwn(values, member) ? (issue?.message ?? '') : 'missing', { member });
}

/**
 * Writes a manifest as the text of `manifest.json`: indented, members in the format's order, a line
 * feed at the end.
 */
export function encodeManifest(manifest: Manifest): string {
  const ordered = Object.fromEntries(members.map((member) => [member, manifest[member]]));
  return `${JSON.stringify(ordered, undefined, 2)}\n`;
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

function memberTexts(bytes: Uint8Array): Map<string, string> {
  assertUtf8(bytes);
  const texts = new Map<string, string>();
  try {
    for (const range of distinctMembers(bytes)) {
      const name = nameOf(bytes, range);
      if (refusedMembers.includes(name)) {
        throw invalid('a member name that no manifest has', { byteOffset: range.keyStart });
      }
      const value = bytes.subarray(range.valueStart, range.valueEnd);
      if (name === 'firstPosition' || name === 'lastPosition') assertDistinct(value, range);
      if (name === 'segments')
        for (const segment of elements(value)) assertDistinct(segment, range);
      texts.set(name, decoder.decode(value));
    }
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw invalid(error.reason, { byteOffset: error.byteOffset });
  }
  return texts;
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function assertUtf8(bytes: Uint8Array): void {
  try {
    decoder.decode(bytes);
  } catch {
    throw invalid('not UTF-8', {});
  }
}

function nameOf(bytes: Uint8Array, { keyStart, keyEnd }: MemberRange): string {
  return JSON.parse(decoder.decode(bytes.subarray(keyStart, keyEnd))) as string;
}

// JSON.parse keeps the last of two members with one name, and another reader the first.
function distinctMembers(bytes: Uint8Array): MemberRange[] {
  const ranges = scanMembers(bytes);
  const names = new Set<string>();
  for (const range of ranges) {
    const name = nameOf(bytes, range);
    if (names.has(name)) throw new JsonScanError('a repeated member', range.keyStart);
    names.add(name);
  }
  return ranges;
}

function assertDistinct(value: Uint8Array, { valueStart }: MemberRange): void {
  // What is no object is told by the schema.
  if (value[0] !== 0x7b) return;
  try {
    distinctMembers(value);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    throw new JsonScanError(error.reason, valueStart);
  }
}

/** The elements of the array that `bytes`, which has been scanned before, is; none for another value. */
function* elements(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  let at = skipWhitespace(bytes, 1);
  if (bytes[0] !== 0x5b || bytes[at] === 0x5d) return;
  while (at < bytes.length) {
    const end = scanValue(bytes, at);
    yield bytes.subarray(at, end);
    at = skipWhitespace(bytes, skipWhitespace(bytes, end) + 1);
  }
}

function* disagreements(manifest: ManifestShape): Generator<[ManifestMember, string]> {
  const { eventCount, schemaVersionMin, schemaVersionMax, firstPosition, lastPosition } = manifest;
  const isEmpty = eventCount === 0;
  const range = { schemaVersionMin, schemaVersionMax } as const;
  for (const member of ['schemaVersionMin', 'schemaVersionMax'] as const) {
    if (isEmpty !== (range[member] === undefined)) {
      yield [member, isEmpty ? 'there although there are no events' : 'missing'];
    }
  }
  if (schemaVersionMin !== undefined && schemaVersionMax !== undefined) {
    if (schemaVersionMin > schemaVersionMax) yield ['schemaVersionMin', 'above schemaVersionMax'];
  }
  if (isEmpty !== (manifest.apps.length === 0)) {
    yield ['apps', isEmpty ? 'names an app although there are no events' : 'names no app'];
  }
  if ((firstPosition === undefined) !== (lastPosition === undefined)) {
    yield ['lastPosition', 'one of firstPosition and lastPosition without the other'];
  } else if (isEmpty && firstPosition !== undefined) {
    yield ['firstPosition', 'there although there are no events'];
  }
  yield* sizeDisagreements(manifest);
}

function* sizeDisagreements(manifest: ManifestShape): Generator<[ManifestMember, string]> {
  const { eventCount, byteCount, maxLineBytes, segments } = manifest;
  if (byteCount !== undefined && (byteCount === 0) !== (eventCount === 0)) {
    yield ['byteCount', 'does not go with eventCount'];
  }
  if (maxLineBytes !== undefined && byteCount !== undefined && maxLineBytes > byteCount) {
    yield ['maxLineBytes', 'above byteCount'];
  }
  if (segments === undefined) return;
  const sum = (of: (segment: SegmentDigest) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0);
  if (sum(({ lineCount }) => lineCount) !== eventCount) {
    yield ['segments', 'their lines are not eventCount'];
  }
  if (sum((segment) => segment.byteCount) !== byteCount) {
    yield ['segments', 'their bytes are not byteCount'];
  }
}

function isTime(text: string): boolean {
  // Other producers write nanoseconds, of which canonicalTimestamp takes the first six digits.
  return canonicalTimestamp(text.replace(/(\.\d{6})\d{1,3}(?=[Z+-])/, '$1')) !== undefined;
}

function isSortedAndDistinct(texts: readonly string[]): boolean {
  const sorted = sortByUtf8([...new Set(texts)]);
  return sorted.length === texts.length && sorted.every((text, index) => text === texts[index]);
}

function invalid(
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

function unsupportedVersion(text: string): BackupError<'BACKUP_FORMAT_UNSUPPORTED'> {
  const found = Number(text);
  const isNewer = Number.isSafeInteger(found) && found > formatVersion;
  return new BackupError(
    'BACKUP_FORMAT_UNSUPPORTED',
    `manifest.json has a formatVersion other than ${formatVersion}, the only one that this release reads` +
      (isNewer ? '; update backup-streams to read it' : ''),
    { feature: 'formatVersion', ...(Number.isSafeInteger(found) && { found }) },
  );
}
