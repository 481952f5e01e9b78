// manifest.json <-> Manifest: what an archive says of its events, as strictly read as written.

import { z } from 'zod';
import { BackupError, isBackupError } from '../errors.js';
import { elementsOf, manifestInvalid, ManifestText, scalarOf } from './manifest-text.js';
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
const crc32Hex = z.string('not a CRC-32').regex(/^[0-9a-f]{8}$/, 'not 8 lower-case hex digits');
const keyIdHex = z.string('not a text').regex(/^[0-9a-f]{32}$/, 'not 32 lower-case hex digits');

const segmentSchema = z
  .object(
    {
      /** Lines in the segment, of which each is whole. */
      lineCount: count.min(1, 'a segment without lines'),
      /** Bytes in the segment, line feeds included. */
      byteCount: count.min(1, 'a segment without bytes'),
      /** CRC-32 of exactly these bytes, as in zip: tells damage of one segment from that of another. */
      crc32: crc32Hex.optional(),
      /** SHA-256 of all bytes up to the end of the segment, from the first one of the events. */
      prefixSha256: sha256Hex.optional(),
    },
    'not a segment',
  )
  .readonly();
const segmentMembers = ['lineCount', 'byteCount', 'crc32', 'prefixSha256'] as const;

/** Some consecutive lines of the events and their digests, so that damage can be located. */
export type SegmentDigest = z.infer<typeof segmentSchema>;

// A caller's position has no other members; of a manifest they are additions.
const toldPositionSchema = positionSchema.unwrap().strip().readonly();

const shape = z.object({
  formatVersion: z.literal(formatVersion, 'not a format version that is read here'),
  /**
   * The highest schema version that the producer knows. This library writes none below
   * `schemaVersionMax`; others' may be behind the lines that their users made, and no reader minds.
   */
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
  firstPosition: toldPositionSchema.optional(),
  lastPosition: toldPositionSchema.optional(),
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

/**
 * Reads the bytes of `manifest.json`. Stops at the first thing that is wrong: the time and memory that
 * it takes are those of its length.
 *
 * @throws BackupError `BACKUP_MANIFEST_INVALID` with the member or the byte, `BACKUP_FORMAT_UNSUPPORTED`
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const text = new ManifestText(bytes);
  assertFormatVersion(text);
  const texts = text.members(members);
  if (!texts.has('formatVersion')) throw manifestInvalid('missing', { member: 'formatVersion' });
  const values: Record<string, unknown> = {};
  for (const [member, value] of texts) values[member] = valueOf(text, member, value);
  const parsed = manifestSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  const [member = '', reason] = firstIssue(parsed.error, values);
  throw manifestInvalid(reason, { member });
}

/**
 * The error of a manifest of another format version, which may look different throughout; undefined
 * for one of this version, and for what cannot be read at all.
 */
export function otherFormatVersion(
  bytes: Uint8Array,
): BackupError<'BACKUP_FORMAT_UNSUPPORTED'> | undefined {
  try {
    assertFormatVersion(new ManifestText(bytes));
    return undefined;
  } catch (error) {
    return isBackupError(error, 'BACKUP_FORMAT_UNSUPPORTED') ? error : undefined;
  }
}

// Asked of the text, and before anything else. Told twice, the version is not known.
function assertFormatVersion(text: ManifestText): void {
  const [told, again] = text.textsOf('formatVersion');
  if (told === undefined || again !== undefined) return;
  if (told !== String(formatVersion)) throw unsupportedVersion(told);
}

function valueOf(text: ManifestText, member: string, value: Uint8Array): unknown {
  if (member === 'firstPosition' || member === 'lastPosition') {
    return valid(positionSchema, text.objectOf(value, ['createdAt', 'eventId']), member);
  }
  const elements = member === 'apps' || member === 'segments' ? elementsOf(value) : undefined;
  return elements === undefined ? scalarOf(value) : listOf(text, elements, member);
}

// One by one: a schema of the whole list would gather what is wrong with each of them.
function listOf(text: ManifestText, elements: Iterable<Uint8Array>, member: string): unknown[] {
  const list: unknown[] = [];
  for (const element of elements) {
    if (member === 'segments') {
      const value = text.objectOf(element, segmentMembers);
      list.push(valid(segmentSchema, value, member, `segment ${list.length}: `));
    } else {
      const app = scalarOf(element);
      if (typeof app !== 'string') throw manifestInvalid('not a list of texts', { member });
      list.push(app);
    }
  }
  return list;
}

function valid(schema: z.ZodType, value: unknown, member: string, where = ''): unknown {
  const { error } = schema.safeParse(value);
  if (error === undefined) return value;
  const [inner, reason] = firstIssue(error, value);
  const what = inner === undefined ? reason : `${inner}: ${reason}`;
  throw manifestInvalid(`${where}${what}`, { member });
}

/** The first thing that a schema has found: the member, where it is one, and a sentence. */
function firstIssue(
  { issues: [issue] }: z.ZodError,
  value: unknown,
): readonly [member: string | undefined, reason: string] {
  const member = issue?.path[0];
  const reason = issue?.message ?? '';
  if (member === undefined) return [undefined, reason];
  return [String(member), Object.hasOwn(value as object, member) ? reason : 'missing'];
}

/**
 * Writes a manifest as the text of `manifest.json`: indented, members in the format's order, a line
 * feed at the end.
 */
export function encodeManifest(manifest: Manifest): string {
  const ordered = Object.fromEntries(members.map((member) => [member, manifest[member]]));
  return `${JSON.stringify(ordered, undefined, 2)}\n`;
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
  if (byteCount !== undefined && sum((segment) => segment.byteCount) !== byteCount) {
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
