// An archive up to its events: container, manifest and signature bytes, read from one open file.

import { BackupError, isBackupError } from '../errors.js';
import { otherFormatVersion, parseManifest } from '../format/manifest.js';
import type { Manifest } from '../format/manifest.js';
import { archiveIdOf } from './archive-id.js';
import { manifestWrong } from './archive-invalid.js';
import type { ArchiveLimits } from './archive-limits.js';
import { checkEntryLimits, readEntry } from './entry-bytes.js';
import { EventsCheck } from './events-check.js';
import type { FileBytes } from './file-bytes.js';
import { checkSignature, signatureBytes } from './signature.js';
import type { SignaturePolicy } from './signature.js';
import { readDirectory } from './zip-directory.js';
import type { ZipDirectory, ZipEntry } from './zip-directory.js';

/** Called for each problem; may throw to stop. */
export type ReportProblem = (problem: BackupError) => void;

/** A manifest that was read. */
export interface ReadManifest {
  readonly manifest: Manifest;
  /** `manifest.json` as it was. */
  readonly bytes: Buffer;
  /** Whether a trusted key has signed it. */
  readonly isAuthentic: boolean;
}

/** A small entry that has been read: its bytes, undefined where there is none, or why not. */
type SmallEntry = { readonly bytes: Buffer | undefined } | { readonly failure: BackupError };

/** A container whose directory has been checked; made by {@link readContainer}. */
export class Container {
  readonly file: FileBytes;
  readonly #directory: ZipDirectory;
  readonly #limits: ArchiveLimits;
  readonly #manifest: SmallEntry;

  /** @param read - the directory, and `manifest.json` as it was read */
  constructor(
    file: FileBytes,
    read: { readonly directory: ZipDirectory; readonly manifest: SmallEntry },
    limits: ArchiveLimits,
  ) {
    this.file = file;
    this.#directory = read.directory;
    this.#manifest = read.manifest;
    this.#limits = limits;
  }

  /** The entry of the events, where there is one. */
  get events(): ZipEntry | undefined {
    return this.#directory.entries.get('events.jsonl');
  }

  /**
   * Parses the manifest and checks its signature against the policy.
   *
   * @param report - told what is wrong with the signature, or with the archive's id
   * @returns undefined when there is no manifest; `bytes`: exactly what was parsed
   * @throws BackupError `BACKUP_MANIFEST_INVALID`, `BACKUP_ARCHIVE_INVALID`, `BACKUP_LIMIT_EXCEEDED`
   */
  async manifest(
    policy: SignaturePolicy,
    report: ReportProblem,
  ): Promise<ReadManifest | undefined> {
    const bytes = bytesOf(this.#manifest);
    if (bytes === undefined) return undefined;
    // The signature is of these bytes, and these bytes are what is parsed.
    const manifest = parseManifest(bytes);
    const isAuthentic = await this.#isAuthentic({ bytes, manifest }, policy, report);
    const { archiveId } = manifest;
    if (archiveId !== undefined && archiveIdOf(bytes) !== archiveId) report(idMismatch());
    return { manifest, bytes, isAuthentic };
  }

  /**
   * The bytes of the events, held against the manifest.
   *
   * @param report - told what they are not; may throw to stop
   */
  async *eventBytes(
    manifest: Manifest,
    report: ReportProblem,
  ): AsyncGenerator<Buffer, void, undefined> {
    const check = new EventsCheck(manifest, report);
    for await (const chunk of this.rawEventBytes()) {
      check.add(chunk);
      yield chunk;
    }
    check.finish();
  }

  /** The bytes of the events, held against the container alone. */
  async *rawEventBytes(): AsyncGenerator<Buffer, void, undefined> {
    const { events } = this;
    if (events === undefined) return;
    checkEntryLimits(events, this.#limits);
    yield* readEntry(this.file, events);
  }

  // A signature that cannot be read proves nothing, and hides nothing of the events.
  async #isAuthentic(
    { bytes, manifest }: Omit<ReadManifest, 'isAuthentic'>,
    policy: SignaturePolicy,
    report: ReportProblem,
  ): Promise<boolean> {
    const read = await readSmall(this.file, this.#directory, {
      name: 'manifest.sig',
      // One byte more than a signature has is enough to see that it is none.
      maxBytes: signatureBytes + 1,
      limits: this.#limits,
    });
    if ('failure' in read) {
      report(read.failure);
      return false;
    }
    const { signingKeyId } = manifest;
    const signed = { manifest: bytes, signature: read.bytes, signingKeyId };
    const { isAuthentic, problem } = checkSignature(signed, policy);
    if (problem !== undefined) report(problem);
    return isAuthentic;
  }
}

/**
 * Reads the directory of an archive, and what its manifest says of the format's version: entries that
 * this version does not name are no problem of an archive of another.
 *
 * @param report - told what does not keep the entries from being read
 * @throws BackupError as `readDirectory`, and `BACKUP_FORMAT_UNSUPPORTED` for another version
 */
export async function readContainer(
  file: FileBytes,
  limits: ArchiveLimits,
  report: ReportProblem,
): Promise<Container> {
  const directory = await readDirectory(file, limits);
  const maxBytes = limits.maxManifestBytes;
  const manifest = await readSmall(file, directory, { name: 'manifest.json', maxBytes, limits });
  if ('bytes' in manifest && manifest.bytes !== undefined) {
    const problem = otherFormatVersion(manifest.bytes);
    if (problem !== undefined) throw problem;
  }
  directory.problems.forEach(report);
  return new Container(file, { directory, manifest }, limits);
}

interface SmallEntryRequest {
  readonly name: 'manifest.json' | 'manifest.sig';
  readonly maxBytes: number;
  readonly limits: ArchiveLimits;
}

async function readSmall(
  file: FileBytes,
  { entries }: ZipDirectory,
  { name, maxBytes, limits }: SmallEntryRequest,
): Promise<SmallEntry> {
  const entry = entries.get(name);
  if (entry === undefined) return { bytes: undefined };
  if (entry.byteCount > maxBytes) return { failure: tooLarge(name, maxBytes) };
  try {
    checkEntryLimits(entry, limits);
    const chunks: Buffer[] = [];
    for await (const chunk of readEntry(file, entry)) chunks.push(chunk);
    return { bytes: Buffer.concat(chunks) };
  } catch (error) {
    // A file that cannot be read was not looked at.
    if (!isBackupError(error) || error.code === 'BACKUP_SOURCE_FAILED') throw error;
    return { failure: error };
  }
}

function bytesOf(read: SmallEntry): Buffer | undefined {
  if ('failure' in read) throw read.failure;
  return read.bytes;
}

function tooLarge(name: 'manifest.json' | 'manifest.sig', maxBytes: number): BackupError {
  if (name === 'manifest.sig') {
    const reason = 'manifest.sig has more than 64 bytes';
    return new BackupError('BACKUP_SIGNATURE_INVALID', reason, { reason });
  }
  return manifestWrong(`longer than ${maxBytes} bytes (maxManifestBytes)`);
}

function idMismatch(): BackupError {
  const reason = 'not the id of this manifest: it was changed since it was written';
  return manifestWrong(reason, 'archiveId');
}
