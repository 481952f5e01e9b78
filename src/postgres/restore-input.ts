// What a restore reads from: an archive, bytes, or lines, all as JSONL bytes.

import { BackupError, isBackupError } from '../errors.js';
import type { BackupErrorDetails } from '../errors.js';
import { encodeExportLine } from '../format/encode-line.js';
import type { ExportLine } from '../format/export-line.js';
import { detailsOf } from '../stream/archive-port.js';
import type {
  Archive,
  ArchiveProblem,
  VerifiedLines,
  VerifiedLinesOptions,
} from '../stream/archive-port.js';
import { isSource, SourceReader } from '../stream/source-reader.js';

/** What can be restored: an archive, or lines or JSONL bytes of any origin. */
export type RestoreInput =
  | Archive
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>
  | AsyncIterable<ExportLine>
  | Iterable<ExportLine>;

/** Whether something can be read at all. */
export function isRestoreInput(input: unknown): input is RestoreInput {
  return isSource(input) || (typeof input === 'object' && input !== null && isArchive(input));
}

/** Whether it is an archive, which says of itself what it must be. */
export function isArchive(input: object): input is Archive {
  return 'manifest' in input && 'verify' in input && 'verifiedLines' in input;
}

/** What an input is read as: bytes, and the error of each line object that is no line. */
export type InputPiece = Uint8Array | BackupError<'BACKUP_LINE_INVALID'>;

/**
 * The bytes of an input. Lines are encoded in small groups, with the checks of encoding. Can be left
 * while a read hangs.
 */
export function bytesOf(input: RestoreInput): AsyncIterator<InputPiece> {
  if (isArchive(input)) return input.bytes()[Symbol.asyncIterator]();
  const source = new SourceReader<Uint8Array | ExportLine>(input);
  const pieces = encoded(source);
  return {
    next: () => pieces.next(),
    return: async () => {
      await source.close();
      return pieces.return();
    },
  };
}

/**
 * The lines of an archive, verified on the way: they end only when nothing was found.
 *
 * @throws BackupError the first problem, once everything was read
 */
export async function* verifiedLinesOf(
  archive: Archive,
  options: VerifiedLinesOptions,
): AsyncGenerator<VerifiedLines, void, undefined> {
  const { ok, problems, problemCount } = yield* archive.verifiedLines(options);
  if (!ok) throw problemError(problems[0], problemCount);
}

const groupLength = 64 * 1024;

async function* encoded(
  source: SourceReader<Uint8Array | ExportLine>,
): AsyncGenerator<InputPiece, void, undefined> {
  let text = '';
  for (;;) {
    const { done, value: item } = await source.next();
    if (done === true) break;
    const piece = item instanceof Uint8Array ? item : encodedLine(item);
    if (typeof piece === 'string') {
      text += piece;
      if (text.length < groupLength) continue;
    }
    if (text !== '') yield Buffer.from(text);
    text = '';
    if (typeof piece !== 'string') yield piece;
  }
  if (text !== '') yield Buffer.from(text);
}

/** @returns its text, or why it has none */
function encodedLine(line: ExportLine): string | BackupError<'BACKUP_LINE_INVALID'> {
  if (typeof line !== 'object' || (line as unknown) === null) {
    throw new TypeError('a restore reads lines or bytes');
  }
  try {
    return encodeExportLine(line) + '\n';
  } catch (error) {
    if (isBackupError(error, 'BACKUP_LINE_INVALID')) return error;
    throw error;
  }
}

const foreignArchive: BackupErrorDetails['BACKUP_TENANCY_MISMATCH'] = {
  found: 'archive',
  rowCount: 0,
};

/** The error of an archive that is not what it should be: the first problem of it. */
export function problemError(
  problem: ArchiveProblem | undefined,
  problemCount: number,
): BackupError {
  const { code, message, ...where } = problem ?? {
    code: 'BACKUP_ARCHIVE_INVALID' as const,
    message: 'the archive did not verify',
  };
  const more =
    problemCount > 1 ? `; ${problemCount - 1} more, which verify() or a dry run lists` : '';
  // An archive of the host's own making tells no more than where it is.
  const told = code === 'BACKUP_TENANCY_MISMATCH' ? foreignArchive : { reason: message, ...where };
  const details = (problem && detailsOf(problem)) ?? told;
  return new BackupError(code, `nothing is restored: ${message}${more}`, details);
}
