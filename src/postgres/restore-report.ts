// What a restore has done, or would do.

import type { BackupErrorCode, ConflictReason } from '../errors.js';
import type { UpcastStage } from '../format/upcast.js';
import type { ArchiveProblem } from '../stream/archive-port.js';
import type { RestoreRequest } from './restore-options.js';

/** An event that is not written because another content has its id. */
export interface RestoreConflict {
  readonly lineNumber: number;
  readonly eventId: string;
  readonly reason: ConflictReason;
}

/** Why a dry run says that a restore would fail. */
export interface RestoreRefusal {
  /** The code of the error that the restore would fail with. */
  readonly code: BackupErrorCode;
  readonly message: string;
  readonly lineNumber?: number;
}

/** What a restore has done; of a dry run, what it would do. */
export interface RestoreReport {
  readonly dryRun: boolean;
  /** Nothing was refused, and no conflict stops it. Always so for a restore that has come back. */
  readonly ok: boolean;
  /** Lines read. The five counts below add up to it where none is refused. */
  readonly lineCount: number;
  /** Lines that became rows. */
  readonly newCount: number;
  /** Lines that the log holds already, with the same content. */
  readonly presentCount: number;
  /** Lines that came before among these lines, with the same content. */
  readonly repeatedCount: number;
  /** Lines whose event has other content in the log, or earlier among these lines. */
  readonly conflictCount: number;
  /** Lines, and with an archive also problems of it as a whole, for which it would fail. */
  readonly refusedCount: number;
  /** The first 100 conflicts; all of them with `onConflict: 'report'`. */
  readonly conflicts: readonly RestoreConflict[];
  /** The first 100 refusals. */
  readonly refused: readonly RestoreRefusal[];
  /** For each step of the upcaster how many lines went through it. */
  readonly upcasts: readonly (UpcastStage & { readonly lineCount: number })[];
  /** Lines whose values hold a name twice in one object: `jsonb` keeps only the last. */
  readonly repeatedNameCount: number;
  /** Members that no column was named for (`extraColumns`), and that are not restored: the first 20. */
  readonly ignoredMembers: readonly string[];
}

/** How many conflicts and refusals are listed unless asked for more. */
export const listedCount = 100;

/** How many conflicts are listed. */
export function listedOf({ onConflict }: Pick<RestoreRequest, 'onConflict'>): number {
  return onConflict === 'report' ? Infinity : listedCount;
}

/** What staging has found out. */
export interface StagedFacts {
  readonly lineCount: number;
  readonly stagedCount: number;
  /** How long the staged lines are together. */
  readonly byteCount: number;
  readonly upcasts: RestoreReport['upcasts'];
  readonly refusedCount: number;
  readonly refused: readonly RestoreRefusal[];
  readonly repeatedNameCount: number;
  readonly ignoredMembers: readonly string[];
}

/** What planning has found out; of `newCount`, writing may find that some came in between. */
export interface PlannedCounts {
  readonly presentCount: number;
  readonly repeatedCount: number;
  readonly conflictCount: number;
  readonly conflicts: readonly RestoreConflict[];
}

/** Puts a report together. */
export function reportOf(
  staged: StagedFacts,
  planned: PlannedCounts,
  { dryRun, newCount, stops }: { dryRun: boolean; newCount: number; stops: boolean },
): RestoreReport {
  const { stagedCount: _, byteCount: __, ...facts } = staged;
  return { dryRun, ok: facts.refusedCount === 0 && !stops, newCount, ...facts, ...planned };
}

/** The report of a dry run over an archive that would be refused as a whole. */
export function archiveRefused(
  problems: readonly ArchiveProblem[],
  problemCount: number,
): RestoreReport {
  const refused = problems.slice(0, listedCount).map(({ code, message, lineNumber }) => ({
    code,
    message,
    ...(lineNumber !== undefined && { lineNumber }),
  }));
  return {
    dryRun: true,
    ok: false,
    lineCount: 0,
    newCount: 0,
    presentCount: 0,
    repeatedCount: 0,
    conflictCount: 0,
    refusedCount: problemCount,
    conflicts: [],
    refused,
    upcasts: [],
    repeatedNameCount: 0,
    ignoredMembers: [],
  };
}
