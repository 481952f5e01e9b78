// What an archive is for: it can be checked by itself, and restored.
import { createHash } from 'node:crypto';
import { openArchive, verifyArchive } from 'backup-streams/archive';
import { pgExportStream, restoreToPostgres } from 'backup-streams/postgres';
import type pg from 'pg';
import { DemoError } from './options.js';

/**
 * Verifies an archive and holds it against the export of the same rows.
 *
 * @throws DemoError for the first thing that is wrong
 */
export async function checkArchive(
  file: string,
  expected: { readonly userId: string; readonly sha256: string },
): Promise<void> {
  const report = await verifyArchive(file, { userId: expected.userId });
  const [problem] = report.problems;
  if (problem !== undefined) throw new DemoError(`${file}: ${problem.message} (${problem.code}).`);
  if (report.manifest?.eventsSha256 !== expected.sha256) {
    throw new DemoError(`${file} does not hold the same lines as the export before it.`);
  }
}

/**
 * Restores an archive into an empty log and exports that again.
 *
 * @returns how many rows were restored, and the digest of the new export
 */
export async function restoreAndExport(
  file: string,
  userId: string,
  pool: pg.Pool,
): Promise<{ readonly rowCount: number; readonly sha256: string }> {
  await using archive = await openArchive(file);
  const { newCount: rowCount } = await restoreToPostgres(pool, archive, { userId });
  const digest = createHash('sha256');
  for await (const chunk of pgExportStream(pool, { userId })) digest.update(chunk as Uint8Array);
  return { rowCount, sha256: digest.digest('hex') };
}
