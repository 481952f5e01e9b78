// Events in, an archive out: one pass, the manifest last, so that what has one is whole.

import type { Writable } from 'node:stream';
import { isBackupError } from '../errors.js';
import { formatVersion, parseManifest } from '../format/manifest.js';
import type { Manifest } from '../format/manifest.js';
import { maxSchemaVersion } from '../format/schema-version.js';
import { orderViolated } from '../format/order-violated.js';
import { disorderOf } from '../format/summary.js';
import type { ExportSummary } from '../format/summary.js';
import { canonicalTimestamp } from '../format/timestamp.js';
import type { ChangeSource } from '../stream/change-source.js';
import { RunningSha256, takeOverDigest } from '../stream/digest.js';
import { pushedChunks } from '../stream/pushed-chunks.js';
import { integerOption, refuseUnknown } from '../options.js';
import { identified } from './archive-id.js';
import { limitExceeded } from './archive-invalid.js';
import { defaultMaxManifestBytes } from './archive-limits.js';
import { ByteSink, checkDestination } from './byte-sink.js';
import type { CompressionLevel } from './deflate-blocks.js';
import { eventsInputOf } from './events-input.js';
import type { EventBytes } from './events-input.js';
import { signingKeyOf } from './keys.js';
import type { PrivateKey } from './keys.js';
import { producedByDefault } from './produced-by.js';
import { SegmentTally } from './segment-tally.js';
import { signManifest } from './signature.js';
import { ZipWriter } from './zip-writer.js';

/** Options of {@link writeArchive}. */
export interface WriteArchiveOptions {
  /** Whose events these are: a non-empty text without NUL. */
  readonly userId: string;
  /**
   * The events, read once: a `ChangeSource`, of which every row must be the user's; or JSONL bytes,
   * which must be the user's when they say whose they are, as those of `pgExportStream` do.
   */
  readonly events: ChangeSource | EventBytes;
  /** When the archive is made. Default: now. The only thing in it that comes from a clock. */
  readonly at?: Date | undefined;
  /** An Ed25519 private key: adds `manifest.sig`. */
  readonly signingKey?: PrivateKey | undefined;
  /**
   * The highest schema version that the producer knows. Default, and never less than: the highest
   * among the events; 1 for none.
   */
  readonly schemaVersion?: number | undefined;
  /** Name and version of the producer, for whoever looks into the archive later: without NUL. */
  readonly producedBy?: string | undefined;
  /** zlib's level, 0 (stored) to 9. Default 6. */
  readonly compressionLevel?: CompressionLevel | undefined;
  /**
   * Announces in the zip that the events may be 4 GiB or more. Without it they may be too, and every
   * reader that uses the directory reads them; some that read the zip from a pipe do not. Default
   * false: readers from before zip64 read every smaller archive.
   */
  readonly zip64?: boolean | undefined;
  /** Aborts the writing, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the destination may take nothing, in milliseconds. Default 120,000. It gets 64 KiB at a
   * time, a file a block: some 600 KiB, and at most a little more than 2 MiB. A socket on which much is
   * buffered takes more only when a third of that is gone, which can be a megabyte: leave slow readers
   * time for it.
   */
  readonly sinkStallTimeoutMs?: number | undefined;
}

const optionNames = [
  'userId',
  'events',
  'at',
  'signingKey',
  'schemaVersion',
  'producedBy',
  'compressionLevel',
  'zip64',
  'signal',
  'sinkStallTimeoutMs',
] as const;

/**
 * Writes an archive: a zip of `events.jsonl` and, after it, `manifest.json`, which tells what the
 * events are; with a key `manifest.sig` too. Ends the destination. The same rows, `at` and level
 * give the same bytes.
 *
 * The promise is fulfilled when the destination has taken everything, and has closed where it closes
 * by itself: `createWriteStream(path, { flush: true })` is on the disk then. Any failure of the
 * events, the destination or the caller's signal destroys both of them and leaves neither a manifest
 * nor a directory, so that nothing reads what was written so far as an archive. Only where the
 * destination's last step fails, its flush or close, every byte was handed over before: what is there
 * may verify, and may be lost when the machine stops. Remove it.
 *
 * @param destination - takes the bytes; its back-pressure is obeyed. Nobody else writes into it or
 * ends it
 * @returns the manifest
 * @throws TypeError or RangeError for invalid options, when events are another user's, and when
 * `summary()` does not tell what the bytes were or is nothing that a manifest can hold;
 * BackupError `BACKUP_SINK_FAILED`, `BACKUP_SINK_STALLED`; `BACKUP_ORDER_VIOLATED` for a
 * `ChangeSource` whose rows do not rise by `(createdAt, id)`, and for a `JsonlSerializer` that was fed
 * such, once it is through; `BACKUP_LIMIT_EXCEEDED` when the manifest
 * would be longer than readers take, for its apps; whatever the events fail with;
 * `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 * import pg from 'pg';
 * import { writeArchive } from 'backup-streams/archive';
 * import { pgExportStream } from 'backup-streams/postgres';
 *
 * async function archiveUser(pool: pg.Pool, userId: string): Promise<string | undefined> {
 *   // Under another name until it is whole: one that fails leaves the last good backup alone.
 *   const manifest = await writeArchive(createWriteStream('user.mana.part', { flush: true }), {
 *     userId,
 *     events: pgExportStream(pool, { userId }),
 *   });
 *   await rename('user.mana.part', 'user.mana');
 *   return manifest.archiveId;
 * }
 * ```
 */
export async function writeArchive(
  destination: Writable,
  options: WriteArchiveOptions,
): Promise<Manifest> {
  const plan = writePlanOf(destination, options);
  const input = eventsInputOf(options.events, plan.userId);
  // The digest that a lane of this library will tell is made here; a host's is held against ours.
  const tally = new SegmentTally(takeOverDigest(input.bytes) ?? new RunningSha256());
  const sink = new ByteSink(destination, {
    ...plan.sink,
    lineCount: () => tally.lineCount,
    onFailure: (error) => {
      input.bytes.destroy(error as Error);
    },
  });
  try {
    return await writeEntries(new ZipWriter(sink), { bytes: input.bytes, tally, plan });
  } catch (error) {
    const cause = sink.failure === undefined ? (input.foreign() ?? error) : sink.failure.error;
    sink.fail(cause);
    throw cause;
  }
}

interface WritePlan {
  readonly userId: string;
  readonly createdAt: string;
  readonly signing: ReturnType<typeof signingKeyOf> | undefined;
  readonly schemaVersion: number;
  readonly producedBy: string;
  readonly level: CompressionLevel;
  readonly isZip64: boolean;
  readonly sink: ReturnType<typeof checkDestination>;
}

function writePlanOf(destination: Writable, options: WriteArchiveOptions): WritePlan {
  refuseUnknown('writeArchive', options, optionNames);
  const sink = checkDestination(destination, options);
  const { userId, at = new Date(), signingKey, producedBy = producedByDefault } = options;
  const { compressionLevel = 6, schemaVersion = 1, zip64 = false } = options;
  if (!isText(userId) || userId === '') {
    throw new TypeError('userId must be a non-empty text without NUL');
  }
  const createdAt = at instanceof Date ? canonicalTimestamp(at) : undefined;
  if (createdAt === undefined) throw new TypeError('at must be a Date from year 1 to 9999');
  if (!isText(producedBy)) throw new TypeError('producedBy must be a text without NUL');
  if (typeof zip64 !== 'boolean') throw new TypeError('zip64 must be a boolean');
  return {
    userId,
    createdAt,
    signing: signingKey === undefined ? undefined : signingKeyOf(signingKey),
    schemaVersion: integerOption('schemaVersion', schemaVersion, { min: 1, max: maxSchemaVersion }),
    producedBy,
    level: integerOption('compressionLevel', compressionLevel, {
      min: 0,
      max: 9,
    }) as CompressionLevel,
    isZip64: zip64,
    sink,
  };
}

// What a line may hold, a manifest may too, and nothing else.
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
}

async function writeEntries(
  zip: ZipWriter,
  from: { readonly bytes: EventBytes; readonly tally: SegmentTally; readonly plan: WritePlan },
): Promise<Manifest> {
  const { bytes, tally, plan } = from;
  await zip.addStream('events.jsonl', tallied(bytes, tally), plan);
  const summary = bytes.summary();
  const disorder = disorderOf(summary);
  if (disorder !== undefined) throw orderViolated(disorder.order, disorder.lineNumber, 'line');
  const manifestBytes = identified(manifestOf(summary, tally, plan)).bytes;
  const manifest = readBack(manifestBytes);
  await zip.add('manifest.json', manifestBytes);
  if (plan.signing !== undefined) {
    const signature = signManifest(manifestBytes, plan.signing.key);
    await zip.add('manifest.sig', signature, { isStored: true });
  }
  await zip.end();
  return manifest;
}

// No archive at all is better than one that its own reader refuses.
function readBack(manifestBytes: Uint8Array): Manifest {
  if (manifestBytes.length > defaultMaxManifestBytes) {
    throw limitExceeded('maxManifestBytes', defaultMaxManifestBytes, 'manifest.json');
  }
  try {
    return parseManifest(manifestBytes);
  } catch (error) {
    if (!isBackupError(error, 'BACKUP_MANIFEST_INVALID')) throw error;
    // Options were checked before, and what is counted here is true: the rest is the host's.
    const { member, reason } = error.details;
    const what = member === undefined ? reason : `${member}: ${reason}`;
    throw new TypeError(`events: summary() is not what the format takes: ${what}`);
  }
}

async function* tallied(
  events: EventBytes,
  tally: SegmentTally,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of pushedChunks(events)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('events must be a Readable of bytes');
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    tally.add(bytes);
    yield bytes;
  }
}

function manifestOf(summary: ExportSummary, tally: SegmentTally, plan: WritePlan): Manifest {
  const { sha256: ownSha256, segments } = tally.finish();
  const { eventCount, byteCount, sha256, apps } = summary;
  // By their names: whatever else a host's object has is not the manifest's.
  const { schemaVersionMin, schemaVersionMax, firstPosition, lastPosition } = summary;
  // A host's own stream says in its summary what the manifest will promise of its bytes.
  const isTrue =
    eventCount === tally.lineCount &&
    byteCount === tally.byteCount &&
    ownSha256 === sha256 &&
    tally.isAtLineEnd;
  if (!isTrue) throw new TypeError('events: summary() does not tell what the bytes were');
  return {
    formatVersion,
    schemaVersion: Math.max(plan.schemaVersion, schemaVersionMax ?? 1),
    userId: plan.userId,
    createdAt: plan.createdAt,
    eventCount,
    eventsSha256: sha256,
    apps,
    producedBy: plan.producedBy,
    schemaVersionMin,
    schemaVersionMax,
    firstPosition,
    lastPosition,
    byteCount,
    maxLineBytes: tally.maxLineBytes,
    segments,
    ...(plan.signing !== undefined && { signingKeyId: plan.signing.keyId }),
  };
}
