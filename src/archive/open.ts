// An archive for reading: refused unless its container, manifest and signature hold; then bytes and
// lines, proven at their end.

import type { BackupError } from '../errors.js';
import type { ExportLine } from '../format/export-line.js';
import type { Manifest } from '../format/manifest.js';
import type {
  Archive,
  ArchiveLinesOptions,
  ArchiveVerifyOptions,
  PublicKey,
  VerifiedLines,
  VerifiedLinesOptions,
  VerifyReport,
} from '../stream/archive-port.js';
import { parseJsonl } from '../stream/jsonl-parser.js';
import { longestLineBytes } from '../stream/line-splitter.js';
import { integerOption, refuseUnknown, signalOption } from '../options.js';
import { manifestWrong } from './archive-invalid.js';
import { archiveLimitNames, archiveLimitsOf, maxLineBytesOption } from './archive-limits.js';
import type { ArchiveLimitOptions, ArchiveLimits } from './archive-limits.js';
import { readContainer } from './container.js';
import type { Container, ReadManifest } from './container.js';
import { openFileBytes } from './file-bytes.js';
import type { FileBytes } from './file-bytes.js';
import type { SignaturePolicy } from './signature.js';
import { signaturePolicyOf } from './signature-policy.js';
import { verifiedFileLines, verifyFile, verifyOptionNames, verifyRequestOf } from './verify.js';
import type { VerifyRequest } from './verify.js';

/** Options of {@link openArchive}. */
export interface OpenArchiveOptions extends ArchiveLimitOptions {
  /** Keys of which one must have signed the archive, unless `requireSignature` is false. */
  readonly trustedKeys?: readonly PublicKey[] | undefined;
  /**
   * Whether an archive without a signature is refused. Default: yes when there are trusted keys. In
   * either case a signature that is there must hold, and an archive whose manifest names a signing key
   * is refused without its signature.
   */
  readonly requireSignature?: boolean | undefined;
}

/**
 * Opens an archive: any zip of `events.jsonl` and `manifest.json`, of either the writer of this
 * library or one that packed the same entries again. Container, manifest and signature are checked
 * here, the events while they are read. The file stays open and is not opened again, so that what
 * was verified is what is read; close it with `await using`.
 *
 * @param file - a path, or the archive's bytes, which must not change while it is open
 * @throws TypeError or RangeError for invalid options; BackupError `BACKUP_SOURCE_FAILED`,
 * `BACKUP_ARCHIVE_INVALID`, `BACKUP_FORMAT_UNSUPPORTED`, `BACKUP_LIMIT_EXCEEDED`,
 * `BACKUP_ENTRY_MISSING`, `BACKUP_ENTRY_UNEXPECTED`, `BACKUP_MANIFEST_INVALID`,
 * `BACKUP_SIGNATURE_MISSING`, `BACKUP_SIGNATURE_INVALID`, `BACKUP_KEY_UNTRUSTED`
 *
 * @example
 * ```ts
 * import { openArchive } from 'backup-streams/archive';
 *
 * async function countDeletes(path: string): Promise<number> {
 *   await using archive = await openArchive(path);
 *   let count = 0;
 *   for await (const line of archive.lines()) if (line.op === 'delete') count += 1;
 *   return count;
 * }
 * ```
 */
export async function openArchive(
  file: string | Uint8Array,
  options: OpenArchiveOptions = {},
): Promise<Archive> {
  refuseUnknown('openArchive', options, ['trustedKeys', 'requireSignature', ...archiveLimitNames]);
  const limits = archiveLimitsOf(options);
  const policy = signaturePolicyOf(options);
  const bytes = await openFileBytes(file);
  try {
    const container = await readContainer(bytes, limits, refuse);
    const opened = await container.manifest(policy, refuse);
    // A container without a manifest was refused above.
    return new ZipArchive(container, { limits, policy, opened: opened as ReadManifest });
  } catch (error) {
    await bytes.close();
    throw error;
  }
}

function refuse(problem: BackupError): never {
  throw problem;
}

async function* unlessAborted(
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  for await (const chunk of bytes) {
    yield chunk;
    signal?.throwIfAborted();
  }
}

interface Opening {
  readonly limits: ArchiveLimits;
  readonly policy: SignaturePolicy;
  readonly opened: ReadManifest;
}

class ZipArchive implements Archive {
  readonly manifest: Manifest;
  readonly #container: Container;
  readonly #opening: Opening;
  #isClosed = false;

  constructor(container: Container, opening: Opening) {
    this.#container = container;
    this.#opening = opening;
    this.manifest = opening.opened.manifest;
  }

  bytes(): AsyncIterable<Uint8Array> {
    this.#assertOpen();
    return this.#container.eventBytes(this.manifest, refuse);
  }

  lines(options: ArchiveLinesOptions = {}): AsyncIterable<ExportLine> {
    this.#assertOpen();
    refuseUnknown('lines', options, ['maxLineBytes', 'signal']);
    const { maxLineBytes: told = longestLineBytes } = this.manifest;
    const ownLimit = Math.max(1, Math.min(told, longestLineBytes));
    return this.#eachLine(maxLineBytesOption(options.maxLineBytes) ?? ownLimit, {
      signal: signalOption(options.signal),
    });
  }

  async verify(options: ArchiveVerifyOptions = {}): Promise<VerifyReport> {
    this.#assertOpen();
    refuseUnknown('verify', options, verifyOptionNames);
    return verifyFile(this.#file, this.#opening.limits, this.#requestOf(options));
  }

  verifiedLines(
    options: VerifiedLinesOptions = {},
  ): AsyncGenerator<VerifiedLines, VerifyReport, undefined> {
    this.#assertOpen();
    refuseUnknown('verifiedLines', options, [...verifyOptionNames, 'maxDepth']);
    const { maxDepth } = options;
    if (maxDepth !== undefined) integerOption('maxDepth', maxDepth, { min: 1 });
    const request = { ...this.#requestOf(options), maxDepth };
    return verifiedFileLines(this.#file, this.#opening.limits, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#file.close();
  }

  get #file(): FileBytes {
    return this.#container.file;
  }

  // What the caller demanded at the opening holds until something else is demanded, and of a file that
  // somebody has written to since, nothing does.
  #requestOf(options: ArchiveVerifyOptions): VerifyRequest {
    const { policy, opened } = this.#opening;
    const request = { ...verifyRequestOf(options), openedManifest: opened.bytes };
    const { trustedKeys, requireSignature } = options;
    const hasOwnPolicy = trustedKeys !== undefined || requireSignature !== undefined;
    return hasOwnPolicy ? request : { ...request, policy };
  }

  async *#eachLine(
    maxLineBytes: number,
    { signal }: { readonly signal: AbortSignal | undefined },
  ): AsyncGenerator<ExportLine, void, undefined> {
    let lineNumber = 0;
    const bytes = unlessAborted(this.bytes(), signal);
    for await (const line of parseJsonl(bytes, { maxLineBytes })) {
      signal?.throwIfAborted();
      lineNumber += 1;
      this.#checkVersion(line.schemaVersion, lineNumber);
      yield line;
    }
  }

  #checkVersion(version: number, lineNumber: number): void {
    const { schemaVersionMin = Infinity, schemaVersionMax = 0 } = this.manifest;
    if (version >= schemaVersionMin && version <= schemaVersionMax) return;
    const member = version < schemaVersionMin ? 'schemaVersionMin' : 'schemaVersionMax';
    const reason = `line ${lineNumber} is outside the range of versions that it tells`;
    throw manifestWrong(reason, member);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new TypeError('the archive is closed');
  }
}
