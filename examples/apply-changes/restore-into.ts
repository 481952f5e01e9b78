// What a host writes to plug in its own apply function: everything else is the library's.
import { type ApplyReport, type Upcaster, applyInBatches, createUpcaster } from 'backup-streams';
import type { Archive, ExportLine } from 'backup-streams';

import type { ChangeStore } from './apply-server-changes.js';

/** The schema that this host's code is at, and how older lines get there. */
const upcaster: Upcaster = createUpcaster({
  current: 3,
  steps: { 1: (line) => line, 2: (line) => line },
});

/**
 * Restores an archive of one user by applying its changes.
 *
 * @throws Error when the archive is not whole, or not this user's; nothing was applied then
 */
export async function restoreInto(
  store: ChangeStore,
  archive: Archive,
  userId: string,
): Promise<ApplyReport> {
  const { ok, problems } = await archive.verify({ userId });
  if (!ok) throw new Error(problems.map(({ message }) => message).join('; '));

  async function* upcastLines(): AsyncGenerator<ExportLine, void, undefined> {
    let lineNumber = 0;
    for await (const line of archive.lines()) yield upcaster.upcast(line, (lineNumber += 1));
  }

  return applyInBatches(upcastLines(), {
    apply: ({ appId, changes }) => store.applyServerChanges(appId, changes),
    onProgress: ({ appliedCount }) => {
      console.log(`${appliedCount} of ${archive.manifest.eventCount} applied`);
    },
  });
}
