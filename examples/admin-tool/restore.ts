// restore USER FILE: an archive back into the log; a dry run, unless it is told to write.
import { openArchive } from 'backup-streams/archive';
import { restoreToPostgres } from 'backup-streams/postgres';
import type { RestoreReport } from 'backup-streams/postgres';

import type { Outcome, Work } from './command.js';
import type { RestoreRequest } from './command-line.js';
import { trustedKeysIn } from './key-files.js';
import { withPool } from './pool.js';
import { service } from './service.js';
import { table } from './terminal.js';
import { inputOf } from './verify.js';

/** Runs the command. Nothing is written before the whole archive is verified. */
export async function runRestore(request: RestoreRequest, work: Work): Promise<Outcome> {
  const { userId, rowSecurity, maxDurationMs, onConflict, remapUser, batchSize } = request;
  const { signal } = work;
  const trustedKeys = await trustedKeysIn(request.trustedKeyFiles);
  return withPool(work.env, async (pool) => {
    await work.begin();
    const archive = await openArchive(await inputOf(request, signal), { trustedKeys });
    try {
      const report = await restoreToPostgres(pool, archive, {
        ...service,
        ...{ userId, rowSecurity, maxDurationMs, onConflict, remapUser, batchSize, signal },
        trustedKeys,
        expectArchiveId: request.expectArchiveId,
        dryRun: !request.writes,
        onProgress: ({ phase, lineCount, totalCount }) => {
          const total = totalCount === undefined ? '' : ` of ${totalCount}`;
          work.progress.show(() => `${phase}: ${lineCount}${total} events`);
        },
      });
      return outcomeOf(request, { report, archiveId: archive.manifest.archiveId });
    } finally {
      await archive[Symbol.asyncDispose]();
    }
  });
}

function outcomeOf(
  { file, writes }: RestoreRequest,
  done: { readonly report: RestoreReport; readonly archiveId: string | undefined },
): Outcome {
  const { report, archiveId } = done;
  const { ok, dryRun, newCount, presentCount, repeatedCount, conflictCount } = report;
  const { lineCount, refusedCount } = report;
  const counts = { lineCount, newCount, presentCount, repeatedCount, conflictCount, refusedCount };
  const verdict = ok ? 'this archive can be restored' : 'this archive would not be restored';
  return {
    ok,
    result: { file, archiveId, ...report },
    lines: [
      `${file}: ${writes ? 'restored' : `dry run, ${verdict}`}`,
      ...table({
        'archive id': archiveId,
        events: lineCount,
        [writes ? 'restored' : 'new']: newCount,
        present: presentCount,
        repeated: repeatedCount,
        conflicts: conflictCount,
        refused: refusedCount,
      }),
      ...report.conflicts.map(
        ({ lineNumber, eventId, reason }) => `  conflict: line ${lineNumber} ${eventId} ${reason}`,
      ),
      ...report.refused.map(
        ({ code, lineNumber, message }) =>
          `  ${code}:${lineNumber === undefined ? '' : ` line ${lineNumber}`} ${message}`,
      ),
    ],
    notes: notesOn(report),
    audit: { ok, dryRun, archiveId, ...counts },
  };
}

function notesOn({ ok, dryRun, newCount, ...report }: RestoreReport): string[] {
  const { ignoredMembers, repeatedNameCount, conflictCount } = report;
  return [
    ...(ignoredMembers.length > 0
      ? [`not restored, for want of a column: ${ignoredMembers.join(', ')} (see service.ts)`]
      : []),
    ...(repeatedNameCount > 0
      ? [`${repeatedNameCount} events hold a name twice in one object: Postgres keeps the last`]
      : []),
    ...(!dryRun && conflictCount > 0
      ? [`${conflictCount} events were not written: the log keeps what it has`]
      : []),
    ...(!dryRun && newCount > 0
      ? [
          'clients that have pulled already do not see restored events by themselves: docs/RESTORE.md',
        ]
      : []),
    ...(dryRun && ok ? ['nothing was written: add --write to restore'] : []),
  ];
}
