// Everything that can be said about an archive, as a report: problems are data here.

import { BackupError, isBackupError } from '../errors.js';
import type { BackupErrorCode } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type {
  ArchiveProblem,
  ArchiveVerifyOptions,
  ArchiveWarning,
  VerifiedLines,
  VerifyReport,
} from '../stream/archive-port.js';
import { withDetails } from '../stream/archive-port.js';
import { longestLineBytes } from '../stream/line-splitter.js';
import { integerOption, refuseUnknown, signalOption } from '../options.js';
import { archiveLimitNames, archiveLimitsOf } from './archive-limits.js';
import type { ArchiveLimitOptions, ArchiveLimits } from './archive-limits.js';
import { readContainer } from './container.js';
import type { Container } from './container.js';
import { openFileBytes } from './file-bytes.js';
import type { FileBytes } from './file-bytes.js';
import type { SignaturePolicy } from './signature.js';
import { signaturePolicyOf } from './signature-policy.js';
import { LinesCheck } from './verify-events.js';
import type { LinePlace } from './verify-events.js';

/** Options of {@link verifyArchive}. */
export interface VerifyArchiveOptions extends ArchiveVerifyOptions, ArchiveLimitOptions {}

/** The names of {@link ArchiveVerifyOptions}. */
export const verifyOptionNames = [
  'userId',
  'expectArchiveId',
  'trustedKeys',
  'requireSignature',
  'maxProblems',
  'maxLineBytes',
  'signal',
] as const;

/**
 * Reads a whole archive and tells everything that is wrong with it: container, manifest, signature,
 * digests by segment, counts, and every line against the format and against what the manifest says
 * of it. Nothing of it is written anywhere, and memory is bounded by the limits.
 *
 * `intact` holds against accidents; who made the archive is told by `authentic`, and only with
 * `trustedKeys`.
 *
 * @param file - a path, or the archive's bytes
 * @returns the report; an archive that is damaged is no error
 * @throws TypeError or RangeError for options that are none; BackupError `BACKUP_SOURCE_FAILED` when
 * the file cannot be read; `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { verifyArchive } from 'backup-streams/archive';
 *
 * const { ok, problems, manifest } = await verifyArchive('user.mana', { userId: 'user-1' });
 * if (ok) console.log(`${manifest?.eventCount} events, whole`);
 * for (const { code, lineNumber, message } of problems) console.error(code, lineNumber, message);
 * ```
 */
export async function verifyArchive(
  file: string | Uint8Array,
  options: VerifyArchiveOptions = {},
): Promise<VerifyReport> {
  refuseUnknown('verifyArchive', options, [...verifyOptionNames, ...archiveLimitNames]);
  const limits = archiveLimitsOf(options);
  const request = verifyRequestOf(options);
  const bytes = await openFileBytes(file);
  try {
    return await verifyFile(bytes, limits, request);
  } finally {
    await bytes.close();
  }
}

/** {@link ArchiveVerifyOptions} with their defaults, checked. */
export interface VerifyRequest {
  readonly userId: string | undefined;
  readonly expectArchiveId: string | undefined;
  readonly policy: SignaturePolicy;
  readonly maxProblems: number;
  readonly maxLineBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** What `manifest.json` was when the archive was opened, where it was opened before. */
  readonly openedManifest?: Buffer | undefined;
}

/** Checks the options of a verification. */
export function verifyRequestOf(options: ArchiveVerifyOptions): VerifyRequest {
  const { userId, expectArchiveId, maxProblems = 100, maxLineBytes, signal } = options;
  if (userId !== undefined && (typeof userId !== 'string' || userId === '')) {
    throw new TypeError('userId must be a non-empty text');
  }
  if (expectArchiveId !== undefined && !/^[0-9a-f]{32}$/.test(expectArchiveId)) {
    throw new TypeError('expectArchiveId must be 32 lower-case hex digits');
  }
  return {
    userId,
    expectArchiveId,
    policy: signaturePolicyOf(options),
    maxProblems: integerOption('maxProblems', maxProblems, { min: 1 }),
    maxLineBytes:
      maxLineBytes === undefined
        ? undefined
        : integerOption('maxLineBytes', maxLineBytes, { min: 1, max: longestLineBytes }),
    signal: signalOption(signal),
  };
}

/** Verifies a file that is already open, and leaves it open. */
export async function verifyFile(
  file: FileBytes,
  limits: ArchiveLimits,
  request: VerifyRequest,
): Promise<VerifyReport> {
  const lines = verifiedFileLines(file, limits, request);
  for (;;) {
    const next = await lines.next();
    if (next.done === true) return next.value;
  }
}

/** As {@link verifyFile}, and gives the lines of the events as they are read. */
export async function* verifiedFileLines(
  file: FileBytes,
  limits: ArchiveLimits,
  request: VerifyRequest & { readonly maxDepth?: number | undefined },
): AsyncGenerator<VerifiedLines, VerifyReport, undefined> {
  const report = new Report(request.maxProblems);
  const container = await report.guarded(() => readContainer(file, limits, report.add));
  if (container === undefined) return report.finish();
  const opened = await report.guarded(() => container.manifest(request.policy, report.add));
  const manifest = opened?.manifest;
  const { openedManifest } = request;
  if (openedManifest !== undefined && opened?.bytes.equals(openedManifest) === false) {
    report.add(manifestReplaced());
  }
  if (manifest !== undefined) checkExpectations(manifest, request, report);
  try {
    yield* checkedEvents(container, manifest, { request, report });
  } catch (error) {
    report.absorb(error);
  }
  return report.finish(manifest, opened?.isAuthentic);
}

function checkExpectations(manifest: Manifest, request: VerifyRequest, report: Report): void {
  if (request.userId !== undefined && manifest.userId !== request.userId) {
    const message = 'the archive belongs to another user than the one expected';
    const details = { found: 'archive', rowCount: 0 } as const;
    report.addUnexpected(new BackupError('BACKUP_TENANCY_MISMATCH', message, details));
  }
  if (request.expectArchiveId !== undefined && manifest.archiveId !== request.expectArchiveId) {
    const reason = 'not the id that the caller expects';
    const message = `manifest.json: archiveId: ${reason}`;
    const details = { reason, member: 'archiveId' };
    report.addUnexpected(new BackupError('BACKUP_MANIFEST_INVALID', message, details));
  }
}

function manifestReplaced(): BackupError<'BACKUP_MANIFEST_INVALID'> {
  const reason = 'not the one that was there when the archive was opened';
  return new BackupError('BACKUP_MANIFEST_INVALID', `manifest.json is ${reason}`, { reason });
}

interface EventsToCheck {
  readonly request: VerifyRequest & { readonly maxDepth?: number | undefined };
  readonly report: Report;
}

async function* checkedEvents(
  container: Container,
  manifest: Manifest | undefined,
  { request, report }: EventsToCheck,
): AsyncGenerator<VerifiedLines, void, undefined> {
  if (container.events === undefined) return;
  const longest = request.maxLineBytes ?? manifest?.maxLineBytes ?? longestLineBytes;
  const maxLineBytes = Math.min(longest, longestLineBytes);
  const lines = new LinesCheck({ maxLineBytes, maxDepth: request.maxDepth }, report.addOfLine);
  const bytes =
    manifest === undefined ? container.rawEventBytes() : container.eventBytes(manifest, report.add);
  for await (const chunk of bytes) {
    request.signal?.throwIfAborted();
    lines.feed(chunk);
    yield lines;
    // Whoever has them may have taken only some, or none.
    while (lines.next());
  }
  lines.finish(manifest, report.add);
}

// Codes that say nothing about whether the archive is whole.
const authenticityCodes: ReadonlySet<BackupErrorCode> = new Set([
  'BACKUP_SIGNATURE_MISSING',
  'BACKUP_SIGNATURE_INVALID',
  'BACKUP_KEY_UNTRUSTED',
]);

class Report {
  readonly #maxProblems: number;
  readonly #problems: ArchiveProblem[] = [];
  #problemCount = 0;
  #isIntact = true;

  constructor(maxProblems: number) {
    this.#maxProblems = maxProblems;
  }

  readonly add = (problem: BackupError): void => {
    if (!authenticityCodes.has(problem.code)) this.#isIntact = false;
    this.#list(problem, {});
  };

  readonly addOfLine = (problem: BackupError, { lineNumber, byteOffset }: LinePlace): void => {
    this.#isIntact = false;
    const inLine = 'byteOffset' in problem.details ? (problem.details.byteOffset ?? 0) : 0;
    const place = { entry: 'events.jsonl', lineNumber, byteOffset: byteOffset + inLine };
    this.#list(problem, place);
  };

  /** Takes note of what the caller did not expect of an archive that may be whole. */
  addUnexpected(problem: BackupError): void {
    this.#list(problem, {});
  }

  /** Runs a step; what the archive is not becomes a problem, and anything else is thrown. */
  async guarded<T>(step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      this.absorb(error);
      return undefined;
    }
  }

  /** Takes note of what the archive is not, and throws anything else. */
  absorb(error: unknown): void {
    // A file that cannot be read was not looked at.
    if (!isBackupError(error) || error.code === 'BACKUP_SOURCE_FAILED') throw error;
    this.add(error);
  }

  finish(manifest?: Manifest, isAuthentic = false): VerifyReport {
    return {
      ok: this.#problemCount === 0,
      intact: this.#isIntact,
      authentic: isAuthentic,
      problems: this.#problems,
      problemCount: this.#problemCount,
      warnings: manifest === undefined ? [] : warningsOf(manifest),
      ...(manifest !== undefined && { manifest }),
    };
  }

  #list({ code, message, details }: BackupError, place: Partial<ArchiveProblem>): void {
    this.#problemCount += 1;
    if (this.#problems.length === this.#maxProblems) return;
    const told = details as Partial<ArchiveProblem>;
    const listed: ArchiveProblem = {
      code,
      message,
      ...entryOf(code),
      ...(told.entry !== undefined && { entry: told.entry }),
      ...(told.segment !== undefined && { segment: told.segment }),
      ...(told.lineNumber !== undefined && { lineNumber: told.lineNumber }),
      ...(told.byteOffset !== undefined && { byteOffset: told.byteOffset }),
      ...(told.member !== undefined && { member: told.member }),
      ...place,
    };
    this.#problems.push(withDetails(listed, details));
  }
}

// Clocks differ; an archive of tomorrow's was made by one that is wrong, or is not what it says.
const clockToleranceMs = 24 * 60 * 60 * 1_000;

function warningsOf({ createdAt }: Manifest): readonly ArchiveWarning[] {
  const isFromFuture = Date.parse(createdAt) > Date.now() + clockToleranceMs;
  if (!isFromFuture) return [];
  const message = 'manifest.json: createdAt is more than a day after the clock of this machine';
  return [{ message, entry: 'manifest.json', member: 'createdAt' }];
}

function entryOf(code: BackupErrorCode): { readonly entry?: string } {
  if (code === 'BACKUP_MANIFEST_INVALID' || code === 'BACKUP_TENANCY_MISMATCH') {
    return { entry: 'manifest.json' };
  }
  if (code === 'BACKUP_COUNT_MISMATCH') return { entry: 'events.jsonl' };
  return authenticityCodes.has(code) ? { entry: 'manifest.sig' } : {};
}
