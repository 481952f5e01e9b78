// The port that archives come through: the zip reader is one, and a restore knows no other.

import type { KeyObject } from 'node:crypto';
import type { BackupError, BackupErrorCode } from '../errors.js';
import type { ExportLine } from '../format/export-line.js';
import type { Manifest } from '../format/manifest.js';
import type { ScannedLine } from '../format/scanned-line.js';

/** An Ed25519 public key: a `KeyObject`, or its PEM text (SPKI, one key in a text, no certificate). */
export type PublicKey = KeyObject | string;

/** Options of {@link Archive.lines}. */
export interface ArchiveLinesOptions {
  /**
   * Longest line in bytes, its line feed not counted: 1 to 536,870,912 (512 MiB). Default: what the
   * manifest says is its longest line, or the most where it does not say.
   */
  readonly maxLineBytes?: number | undefined;
  /** Stops the reading, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Archive.verify}: what the caller expects besides. */
export interface ArchiveVerifyOptions extends ArchiveLinesOptions {
  /** Whose archive it must be; anybody's when left out. */
  readonly userId?: string | undefined;
  /** The id that the manifest must have, so that an older archive is not taken for this one. */
  readonly expectArchiveId?: string | undefined;
  /**
   * Keys whose signature counts. Without any the archive is never `authentic`. Default: those that an
   * open archive was opened with, unless `requireSignature` is given.
   */
  readonly trustedKeys?: readonly PublicKey[] | undefined;
  /**
   * Whether an archive without a signature is a problem. Default: as the archive was opened, or yes when
   * `trustedKeys` are given.
   */
  readonly requireSignature?: boolean | undefined;
  /** How many problems are listed at most; the rest is only counted. Default 100. */
  readonly maxProblems?: number | undefined;
}

/** Options of {@link Archive.verifiedLines}. */
export interface VerifiedLinesOptions extends ArchiveVerifyOptions {
  /**
   * How many objects and arrays may be open at once in one value: an integer from 1. A line beyond it
   * is a problem, `BACKUP_LIMIT_EXCEEDED`. No limit by default.
   */
  readonly maxDepth?: number | undefined;
}

/** Some lines of an archive, to be stepped through before more are asked for. */
export interface VerifiedLines {
  /** Steps to the next valid line. @returns false when there are no more for now */
  next(): boolean;
  /** Where the members of the line lie in its bytes; holds until the next step. */
  readonly line: ScannedLine;
  /** The number of the line, from 1. */
  readonly lineNumber: number;
}

/** One thing that is wrong with an archive. Never holds content of it. */
export interface ArchiveProblem {
  /** The code of the `BackupError` that reading the archive would give. */
  readonly code: BackupErrorCode;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** The entry that has it: `events.jsonl`, `manifest.json` or `manifest.sig`. */
  readonly entry?: string;
  /** The segment of the events, from 0. */
  readonly segment?: number;
  /** The line of the events, from 1. */
  readonly lineNumber?: number;
  /** Where it begins, from 0: in the entry's content, or in the file for `BACKUP_ARCHIVE_INVALID`. */
  readonly byteOffset?: number;
  /** The member of the manifest or of the line. */
  readonly member?: string;
}

const problemDetails = new WeakMap<ArchiveProblem, BackupError['details']>();

/** Keeps the details of the error that a problem was, for who makes an error of it again. */
export function withDetails(
  problem: ArchiveProblem,
  details: BackupError['details'],
): ArchiveProblem {
  problemDetails.set(problem, details);
  return problem;
}

/** What {@link withDetails} has kept. */
export function detailsOf(problem: ArchiveProblem): BackupError['details'] | undefined {
  return problemDetails.get(problem);
}

/** What is odd about an archive and no damage. Never holds content of it. */
export interface ArchiveWarning {
  /** What is odd, in a sentence. */
  readonly message: string;
  readonly entry: 'manifest.json';
  /** The member of the manifest: `createdAt`, when it is more than a day after the reader's clock. */
  readonly member: 'createdAt';
}

/** What a verification found. */
export interface VerifyReport {
  /** Nothing was found: the archive is intact and answers the caller's expectations. */
  readonly ok: boolean;
  /** Container, manifest and events are whole and agree with each other. Holds against accidents. */
  readonly intact: boolean;
  /** A trusted key signed this manifest. Says nothing of the events unless `intact` too. */
  readonly authentic: boolean;
  /** What is wrong, in the order in which it was found; at most `maxProblems`. */
  readonly problems: readonly ArchiveProblem[];
  /** How many problems there were, those not listed included. */
  readonly problemCount: number;
  /** What is odd and makes nothing less whole. */
  readonly warnings: readonly ArchiveWarning[];
  /** What the archive says of itself, where that could be read. */
  readonly manifest?: Manifest;
}

/**
 * An archive that is open for reading: its container, its manifest and, where asked for, its
 * signature have been checked. Each of the methods reads the same file again from its start, also
 * when it was replaced on disk since; written over, it is no longer what was opened, and reading it
 * fails, or tells.
 */
export interface Archive extends AsyncDisposable {
  /** What the archive says of itself. */
  readonly manifest: Manifest;
  /**
   * The exact bytes of `events.jsonl`, cut anywhere. Ends only when they were all that the manifest
   * tells: until then nothing is proven, so commit nothing before.
   *
   * @throws BackupError `BACKUP_DIGEST_MISMATCH`, `BACKUP_COUNT_MISMATCH`, `BACKUP_ARCHIVE_INVALID`,
   * `BACKUP_LIMIT_EXCEEDED`, `BACKUP_SOURCE_FAILED`
   */
  bytes(): AsyncIterable<Uint8Array>;
  /**
   * The events line by line. Ends as `bytes()` does.
   *
   * @throws BackupError as `bytes()`, and `BACKUP_LINE_INVALID`
   */
  lines(options?: ArchiveLinesOptions): AsyncIterable<ExportLine>;
  /** Reads everything and tells what is wrong; rejects only when it could not look. */
  verify(options?: ArchiveVerifyOptions): Promise<VerifyReport>;
  /**
   * Verifies as `verify()` does and hands on the valid lines on the way, for whoever writes them somewhere
   * in the same pass. The report is what the generator returns; until it is there nothing is proven,
   * so commit nothing before. Whatever of the lines is not taken is verified all the same.
   *
   * @throws TypeError or RangeError at once for invalid options; when read as `verify()` rejects
   */
  verifiedLines(
    options?: VerifiedLinesOptions,
  ): AsyncGenerator<VerifiedLines, VerifyReport, undefined>;
  /** Closes the file. Harmless when called again. */
  [Symbol.asyncDispose](): Promise<void>;
}
