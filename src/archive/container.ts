// An archive up to its events: container, manifest and signature bytes, read from one open file.

import { BackupError } from '../errors.js';
import { parseManifest } from '../format/manifest.js';
import type { Manifest } from '../format/manifest.js';
import { archiveIdOf } from './archive-id.js';
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

/** A container whose directory has been checked; made by {@link readContainer}. */
export class Container {
  readonly file: FileBytes;
  readonly #directory: ZipDirectory;
  readonly #limits: ArchiveLimits;

  constructor(file: FileBytes, directory: ZipDirectory, limits: ArchiveLimits) {
    this.file = file;
    this.#directory = directory;
    this.#limits = limits;
  }

  /** The entry of the events, where there is one. */
  get events(): ZipEntry | undefined {
    return this.#directory.entries.get('events.jsonl');
  }

  /**
   * Reads the manifest and checks its signature against the policy.
   *
   * @param report - told what is wrong with the signature, or with the archive's id
   * @returns undefined when there is no manifest; `bytes`: exactly what was parsed
   * @throws BackupError `BACKUP_MANIFEST_INVALID`, `BACKUP_FORMAT_UNSUPPORTED`,
   * `BACKUP_ARCHIVE_INVALID`
   */
  async manifest(
    policy: SignaturePolicy,
    report: ReportProblem,
  ): Promise<ReadManifest | undefined> {
    const bytes = await this.#small('manifest.json', this.#limits.maxManifestBytes);
    if (bytes === undefined) return undefined;
    // One byte more than a signature has is enough to see that it is none.
    const signature = await this.#small('manifest.sig', signatureBytes + 1);
    // The signature is of these bytes, and these bytes are what is parsed.
    const manifest = parseManifest(bytes);
    const { signingKeyId, archiveId } = manifest;
    const signed = { manifest: bytes, signature, signingKeyId };
    const { isAuthentic, problem } = checkSignature(signed, policy);
    if (problem !== undefined) report(problem);
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

  async #small(
    name: 'manifest.json' | 'manifest.sig',
    maxBytes: number,
  ): Promise<Buffer | undefined> {
    const entry = this.#directory.entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.byteCount > maxBytes) throw tooLarge(name, maxBytes);
    checkEntryLimits(entry, this.#limits);
    const chunks: Buffer[] = [];
    for await (const chunk of readEntry(this.file, entry)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
}

/**
 * Reads the directory of an archive.
 *
 * @param report - told what does not keep the entries from being read
 * @throws BackupError as `readDirectory`
 */
export async function readContainer(
  file: FileBytes,
  limits: ArchiveLimits,
  report: ReportProblem,
): Promise<Container> {
  const directory = await readDirectory(file, limits);
  directory.problems.forEach(report);
  return new Container(file, directory, limits);
}

function tooLarge(name: 'manifest.json' | 'manifest.sig', maxBytes: number): BackupError {
  if (name === 'manifest.sig') {
    const reason = 'manifest.sig has more than 64 bytes';
    return new BackupError('BACKUP_SIGNATURE_INVALID', reason, { reason });
  }
  const reason = `longer than ${maxBytes} bytes (maxManifestBytes)`;
  return new BackupError('BACKUP_MANIFEST_INVALID', `manifest.json is ${reason}`, { reason });
}

function idMismatch(): BackupError {
  const reason = 'not the id of this manifest: it was changed since it was written';
  const details = { reason, member: 'archiveId' };
  return new BackupError('BACKUP_MANIFEST_INVALID', `manifest.json: archiveId: ${reason}`, details);
}
