// The plan of a restore: which lines are in the log already, came before, or contradict one of those.

import { decideOlder } from './older-rows.js';
import { conflictOf } from './restore-conflict.js';
import type { RestoreRequest } from './restore-options.js';
import { listedOf } from './restore-report.js';
import type { PlannedCounts } from './restore-report.js';
import type { RestoreSession } from './restore-session.js';
import { lineKinds } from './stage-columns.js';
import type { LineKind, SkippedRow } from './stage-columns.js';
import type { StageSql } from './stage-sql.js';

/** What {@link planRestore} goes by. */
export interface PlanParts {
  readonly request: RestoreRequest;
  readonly sql: StageSql;
  /** Whether the log can hold an event only once. */
  readonly isUnique: boolean;
}

/** Holds the staged lines against each other and against the log, and marks those not to be written. */
export async function planRestore(
  session: RestoreSession,
  { request, sql, isUnique }: PlanParts,
): Promise<PlannedCounts> {
  const { scope, upcaster } = request;
  session.enter('plan', session.place.lineCount);
  await session.query(sql.findRepeated, undefined, true);
  const present = sql.findPresent(isUnique);
  await session.query(present, [scope.userId, upcaster?.current], true);
  let count = await counter(session, sql);
  if (upcaster !== undefined && count('undecided') > 0) {
    await decideOlder(session, { scope, upcaster, sql });
    count = await counter(session, sql);
  }
  const most = listedOf(request);
  const { rows } = await session.query(sql.listConflicts, [most === Infinity ? null : most]);
  return {
    presentCount: count('present'),
    repeatedCount: count('repeated'),
    conflictCount: count('presentOtherwise') + count('repeatedOtherwise'),
    conflicts: (rows as SkippedRow[]).map(conflictOf),
  };
}

/** @returns tells how many lines are marked for a reason */
async function counter(
  session: RestoreSession,
  sql: StageSql,
): Promise<(kind: keyof typeof lineKinds) => number> {
  const { rows } = await session.query(sql.countKinds);
  const counts = rows as { readonly kind: LineKind; readonly count: string }[];
  const byKind = new Map(counts.map(({ kind, count }) => [kind, Number(count)]));
  return (kind) => byKind.get(lineKinds[kind]) ?? 0;
}
