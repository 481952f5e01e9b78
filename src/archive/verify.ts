// Everything that can be said about an archive, as a report: problems are data here.

import { setImmediate } from 'node:timers/promises';
import { BackupError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { ArchiveVerifyOptions, VerifiedLines, VerifyReport } from '../stream/archive-port.js';
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
import { LinesCheck } from './verify-events.js';
import { Report } from './verify-report.js';

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
 * @throws TypeError or RangeError for invalid options; BackupError `BACKUP_SOURCE_FAILED` when
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
  request.signal?.throwIfAborted();
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
    maxLineBytes: maxLineBytesOption(maxLineBytes),
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
  request.signal?.throwIfAborted();
  const verified = yield* verifiedFile(file, limits, { request, report });
  request.signal?.throwIfAborted();
  return report.finish(verified?.manifest, verified?.isAuthentic);
}

interface Verification {
  readonly request: VerifyRequest & { readonly maxDepth?: number | undefined };
  readonly report: Report;
}

async function* verifiedFile(
  file: FileBytes,
  limits: ArchiveLimits,
  { request, report }: Verification,
): AsyncGenerator<VerifiedLines, ReadManifest | undefined, undefined> {
  const container = await report.guarded(() => readContainer(file, limits, report.add));
  if (container === undefined) return undefined;
  const opened = await report.guarded(() => container.manifest(request.policy, report.add));
  const manifest = opened?.manifest;
  const { openedManifest } = request;
  if (openedManifest !== undefined && opened?.bytes.equals(openedManifest) === false) {
    report.add(manifestWrong('not the one that was there when the archive was opened'));
  }
  if (manifest !== undefined) checkExpectations(manifest, request, report);
  try {
    yield* checkedEvents(container, manifest, { request, report });
  } catch (error) {
    report.absorb(error);
  }
  return opened;
}

function checkExpectations(manifest: Manifest, request: VerifyRequest, report: Report): void {
  if (request.userId !== undefined && manifest.userId !== request.userId) {
    const message = 'the archive belongs to another user than the one expected';
    const details = { found: 'archive', rowCount: 0 } as const;
    report.addUnexpected(new BackupError('BACKUP_TENANCY_MISMATCH', message, details));
  }
  if (request.expectArchiveId !== undefined && manifest.archiveId !== request.expectArchiveId) {
    report.addUnexpected(manifestWrong('not the id that the caller expects', 'archiveId'));
  }
}

async function* checkedEvents(
  container: Container,
  manifest: Manifest | undefined,
  { request, report }: Verification,
): AsyncGenerator<VerifiedLines, void, undefined> {
  if (container.events === undefined) return;
  const longest = request.maxLineBytes ?? manifest?.maxLineBytes ?? longestLineBytes;
  const maxLineBytes = Math.min(longest, longestLineBytes);
  const lines = new LinesCheck({ maxLineBytes, maxDepth: request.maxDepth }, report);
  const bytes =
    manifest === undefined ? container.rawEventBytes() : container.eventBytes(manifest, report.add);
  for await (const chunk of bytes) {
    request.signal?.throwIfAborted();
    lines.feed(chunk);
    for (;;) {
      yield lines;
      // Whoever has them may have taken only some, or none.
      while (lines.next());
      if (!lines.isPaused) break;
      await setImmediate();
      request.signal?.throwIfAborted();
      lines.resume();
    }
  }
  lines.finish(manifest, report.add);
}
