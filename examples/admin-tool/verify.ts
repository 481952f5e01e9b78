// verify FILE and show FILE: what is wrong with an archive, and what it says of itself.
import type { ArchiveProblem, Manifest, VerifyReport } from 'backup-streams';
import { openArchive, verifyArchive } from 'backup-streams/archive';

import { archiveInput } from './archive-input.js';
import type { Outcome, Work } from './command.js';
import type { ReadRequest, ShowRequest, VerifyRequest } from './command-line.js';
import { trustedKeysIn, unsealingOf } from './key-files.js';
import { table } from './terminal.js';

/** Reads the whole archive. */
export async function runVerify(request: VerifyRequest, work: Work): Promise<Outcome> {
  const { file, expectedUserId: userId, expectArchiveId } = request;
  const trustedKeys = await trustedKeysIn(request.trustedKeyFiles);
  await work.begin();
  const input = await inputOf(request, work.signal);
  const { signal } = work;
  const report = await verifyArchive(input, { userId, expectArchiveId, trustedKeys, signal });
  const { ok, intact, authentic, problems, problemCount, warnings, manifest } = report;
  const head = ok ? 'ok' : `${problemCount} ${problemCount === 1 ? 'problem' : 'problems'}`;
  return {
    ok,
    result: { file, ...report },
    lines: [
      `${file}: ${head}`,
      ...problems.map(problemText),
      ...(problemCount > problems.length ? [`  … and ${problemCount - problems.length} more`] : []),
      ...table({
        intact: intact ? 'yes' : 'no',
        authentic: authenticText(request, report),
        ...(manifest !== undefined && describe(manifest)),
      }),
    ],
    notes: warnings.map(({ message }) => message),
    audit: {
      ok,
      intact,
      authentic,
      problemCount,
      ...(manifest !== undefined && factsOf(manifest)),
    },
  };
}

/** Reads the manifest, and its signature where keys are given. */
export async function runShow(request: ShowRequest, work: Work): Promise<Outcome> {
  const { file } = request;
  const trustedKeys = await trustedKeysIn(request.trustedKeyFiles);
  await work.begin();
  const input = await inputOf(request, work.signal);
  const archive = await openArchive(input, { trustedKeys });
  const { manifest } = archive;
  await archive[Symbol.asyncDispose]();
  return {
    ok: true,
    result: { file, manifest },
    lines: [`${file}: not verified`, ...table(describe(manifest))],
    notes: [],
    audit: factsOf(manifest),
  };
}

/** What a request names, opened where it is sealed. */
export async function inputOf(
  request: ReadRequest,
  signal: AbortSignal,
): Promise<string | Uint8Array> {
  return archiveInput(request.file, await unsealingOf(request), signal);
}

function problemText({
  code,
  message,
  entry,
  segment,
  lineNumber,
  member,
}: ArchiveProblem): string {
  const where = Object.entries({ entry, segment, lineNumber, member })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${value ?? ''}`);
  return `  ${code}:${where.join('')} ${message}`;
}

function authenticText({ trustedKeyFiles }: VerifyRequest, { authentic }: VerifyReport): string {
  if (trustedKeyFiles.length === 0) return 'unknown: no --trusted-key was given';
  return authentic ? 'yes' : 'no';
}

function describe(manifest: Manifest): Readonly<Record<string, string | number | undefined>> {
  const { firstPosition, lastPosition, schemaVersionMin, schemaVersionMax } = manifest;
  return {
    user: manifest.userId,
    'archive id': manifest.archiveId,
    made: manifest.createdAt,
    by: manifest.producedBy,
    'signed by key': manifest.signingKeyId,
    events: manifest.eventCount,
    'bytes of lines': manifest.byteCount,
    'sha256 of lines': manifest.eventsSha256,
    apps: manifest.apps.length === 0 ? undefined : manifest.apps.join(', '),
    versions:
      schemaVersionMin === undefined
        ? undefined
        : `${schemaVersionMin} to ${schemaVersionMax ?? ''}`,
    from: firstPosition?.createdAt,
    to: lastPosition?.createdAt,
  };
}

function factsOf(manifest: Manifest): Readonly<Record<string, unknown>> {
  const { userId: subject, archiveId, eventCount, byteCount, eventsSha256: sha256 } = manifest;
  return { subject, archiveId, eventCount, byteCount, sha256 };
}
