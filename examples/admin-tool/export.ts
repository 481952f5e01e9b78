// export USER FILE: out of the database into a file, which gets its name once it has been read back.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sealArchive, verifyArchive, writeArchive } from 'backup-streams/archive';
import type { WriteArchiveOptions } from 'backup-streams/archive';
import { pgExportStream } from 'backup-streams/postgres';
import type { PgExportStream } from 'backup-streams/postgres';

import { archiveInput, maxSealedBytes } from './archive-input.js';
import type { Outcome, Work } from './command.js';
import type { ExportRequest } from './command-line.js';
import { ToolError } from './failure.js';
import { ageKeysIn, passphraseIn, signingKeyIn, unsealingOf } from './key-files.js';
import type { Unsealing } from './key-files.js';
import { createNewFile } from './new-file.js';
import type { NewFile } from './new-file.js';
import { withPool } from './pool.js';
import { service } from './service.js';
import { table } from './terminal.js';

/** Runs the command. Whatever fails leaves no file behind, and the old one as it was. */
export async function runExport(request: ExportRequest, work: Work): Promise<Outcome> {
  const keys = await keysOf(request);
  return withPool(work.env, async (pool) => {
    const { userId, rowSecurity, maxDurationMs, allowEmpty } = request;
    const { log, settings } = service;
    const { signal } = work;
    const lines = pgExportStream(pool, {
      userId,
      log,
      settings,
      rowSecurity,
      signal,
      maxDurationMs,
    });
    const file = await createNewFile(request.file, { replaces: request.replaces });
    try {
      await work.begin();
      const written = await write({ request, work, keys, lines, file });
      // A mistyped user, or a policy that hides all rows, must not pass for a backup.
      if (lines.summary().eventCount === 0 && !allowEmpty) {
        const message = 'the log holds no event of this user that this role may read';
        throw new ToolError('LOG_EMPTY', `${message}; if that is right: --allow-empty`);
      }
      work.progress.show(() => 'verifying what was written');
      const isOpened = await verify({ file, written, keys, signal });
      signal.throwIfAborted();
      await file.publish();
      return outcomeOf(request, { written, isOpened, lines });
    } finally {
      lines.destroy();
      await file.discard();
    }
  });
}

interface ExportKeys {
  readonly signing: { readonly signingKey: string; readonly publicKey: string } | undefined;
  readonly sealing:
    { readonly passphrase: string } | { readonly recipients: readonly string[] } | undefined;
  /** What opens the file again, where it is here. */
  readonly unsealing: Unsealing | undefined;
}

async function keysOf(request: ExportRequest): Promise<ExportKeys> {
  const { signingKeyFile, passphraseFile } = request;
  const signing = signingKeyFile === undefined ? undefined : await signingKeyIn(signingKeyFile);
  if (passphraseFile !== undefined) {
    const sealing = { passphrase: await passphraseIn(passphraseFile) };
    return { signing, sealing, unsealing: sealing };
  }
  const recipients = [...request.recipients, ...(await ageKeysIn(request.recipientsFiles))];
  const isSealed = request.recipients.length + request.recipientsFiles.length > 0;
  return {
    signing,
    sealing: isSealed ? { recipients } : undefined,
    unsealing: await unsealingOf(request),
  };
}

interface Writing {
  readonly request: ExportRequest;
  readonly work: Work;
  readonly keys: ExportKeys;
  readonly lines: PgExportStream;
  readonly file: NewFile;
}

/** What the bytes must turn out to be when they are read back. */
interface Written {
  /** Of the file, where it is not an archive that can be opened here. */
  readonly sha256?: string;
  /** Of an archive. */
  readonly archiveId?: string | undefined;
  readonly userId: string;
}

async function write(writing: Writing): Promise<Written> {
  const { request, work, lines, file } = writing;
  const told = setInterval(() => {
    const { lines: lineCount, bytes } = lines.progress;
    const events = lineCount.toLocaleString('en-US');
    work.progress.show(() => `${events} events, ${(bytes / 1e6).toFixed(1)} MB`);
  }, 200);
  try {
    if (request.format === 'archive') return await writeAsArchive(writing);
    await pipeline(lines, file.stream(), { signal: work.signal });
    return { userId: request.userId, sha256: lines.summary().sha256 };
  } finally {
    clearInterval(told);
  }
}

async function writeAsArchive({ request, work, keys, lines, file }: Writing): Promise<Written> {
  const { userId } = request;
  const { signal } = work;
  const options = { userId, events: lines, signal, signingKey: keys.signing?.signingKey };
  if (keys.sealing === undefined) {
    const { archiveId } = await writeArchive(file.stream(), options);
    return { userId, archiveId };
  }
  const { archiveId, sha256 } = await writeSealed(options, { sealing: keys.sealing, file, signal });
  return { userId, archiveId, sha256 };
}

async function writeSealed(
  options: WriteArchiveOptions,
  to: {
    readonly sealing: NonNullable<ExportKeys['sealing']>;
    readonly file: NewFile;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly archiveId: string | undefined; readonly sha256: string }> {
  const zip = new PassThrough();
  const digest = createHash('sha256');
  const sealed = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk);
      done(null, chunk);
    },
  });
  const header = once(sealed, 'data');
  const flows: Promise<unknown>[] = [
    sealArchive(zip, sealed, { ...to.sealing, signal: to.signal }),
    pipeline(sealed, to.file.stream()),
  ];
  try {
    // A passphrase takes its seconds, in which nothing else gets on: the database is asked after that.
    await Promise.race([header, ...flows]);
    const writing = writeArchive(zip, options);
    flows.push(writing);
    const [{ archiveId }] = await Promise.all([writing, ...flows]);
    return { archiveId, sha256: digest.digest('hex') };
  } catch (error) {
    // What is no recipient fails the sealing before it reads: the others would wait for it.
    zip.destroy();
    sealed.destroy();
    await Promise.allSettled(flows);
    throw error;
  }
}

interface Verification {
  readonly file: NewFile;
  readonly written: Written;
  readonly keys: ExportKeys;
  readonly signal: AbortSignal;
}

/**
 * Reads back what is in the file.
 *
 * @returns whether it was opened; false for what is sealed for a key that is elsewhere, of which only
 * the bytes could be compared
 */
async function verify({ file, written, keys, signal }: Verification): Promise<boolean> {
  const { partFile } = file;
  const { archiveId, userId } = written;
  const canOpen =
    archiveId !== undefined &&
    (keys.sealing === undefined ||
      (keys.unsealing !== undefined && (await stat(partFile)).size <= maxSealedBytes));
  if (!canOpen) {
    const digest = createHash('sha256');
    await pipeline(createReadStream(partFile), digest, { signal });
    if (digest.digest('hex') === written.sha256) return archiveId === undefined;
    throw unverified('its bytes are not those that were written');
  }
  const report = await verifyArchive(await archiveInput(partFile, keys.unsealing, signal), {
    userId,
    expectArchiveId: archiveId,
    trustedKeys: keys.signing === undefined ? undefined : [keys.signing.publicKey],
    signal,
  });
  const [problem] = report.problems;
  if (problem !== undefined) throw unverified(`${problem.code}: ${problem.message}`);
  return true;
}

function unverified(why: string): ToolError {
  return new ToolError('WRITTEN_UNVERIFIED', `what was written does not verify: ${why}`);
}

function outcomeOf(
  { userId, file, format }: ExportRequest,
  done: { readonly written: Written; readonly isOpened: boolean; readonly lines: PgExportStream },
): Outcome {
  const { archiveId } = done.written;
  const { eventCount, byteCount, sha256 } = done.lines.summary();
  const isSealed = archiveId !== undefined && done.written.sha256 !== undefined;
  const verified = done.isOpened ? 'whole' : 'bytes';
  const facts = { archiveId, eventCount, byteCount, sha256, isSealed, verified };
  return {
    ok: true,
    result: { userId, file, format, ...facts },
    lines: [
      `${file}: ${eventCount} events`,
      ...table({
        'archive id': archiveId,
        'bytes of lines': byteCount,
        'sha256 of lines': sha256,
        verified: done.isOpened ? 'yes' : 'its bytes only',
      }),
    ],
    notes: done.isOpened
      ? []
      : ['sealed for a key that is not here: run verify with --identity where it is'],
    audit: { format, ...facts },
  };
}
