// The report of a verification while it is made: problems are listed up to a limit, and counted.

import { isBackupError } from '../errors.js';
import type { BackupError, BackupErrorCode } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { ArchiveProblem, ArchiveWarning, VerifyReport } from '../stream/archive-port.js';
import { withDetails } from '../stream/archive-port.js';
import type { LineStart, LineProblems } from './verify-events.js';

// Codes that say nothing about whether the archive is whole.
const authenticityCodes: ReadonlySet<BackupErrorCode> = new Set([
  'BACKUP_SIGNATURE_MISSING',
  'BACKUP_SIGNATURE_INVALID',
  'BACKUP_KEY_UNTRUSTED',
]);

/** What has been found of an archive so far. */
export class Report implements LineProblems {
  readonly #maxProblems: number;
  readonly #problems: ArchiveProblem[] = [];
  #problemCount = 0;
  #isIntact = true;

  constructor(maxProblems: number) {
    this.#maxProblems = maxProblems;
  }

  /** Takes note of a problem. */
  readonly add = (problem: BackupError): void => {
    if (!authenticityCodes.has(problem.code)) this.#isIntact = false;
    this.#list(problem, {});
  };

  /** Whether further problems are only counted. */
  get isFull(): boolean {
    return this.#problems.length === this.#maxProblems;
  }

  countOfLine(): void {
    this.#isIntact = false;
    this.#problemCount += 1;
  }

  addOfLine(problem: BackupError, { lineNumber, byteOffset }: LineStart): void {
    this.#isIntact = false;
    const { byteOffset: inLine = 0 } = problem.details as Partial<ArchiveProblem>;
    const place = { entry: 'events.jsonl', lineNumber, byteOffset: byteOffset + inLine };
    this.#list(problem, place);
  }

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

  /** What was found in all. */
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
    if (this.isFull) return;
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
