// Uses up its file descriptors, then does what needs one. Takes its task as JSON in argv[2]; answers with the
// codes of what it met, as JSON on stdout.
import { createWriteStream, openSync } from 'node:fs';
import pg from 'pg';

import { openArchive, verifyArchive, writeArchive } from '../../src/archive/index.js';
import { changeSourceFrom, isBackupError } from '../../src/index.js';
import { pgChangeSource, pgExportStream, restoreToPostgres } from '../../src/postgres/index.js';

/** What the process is to do. */
export interface DescriptorsTask {
  readonly url: string;
  readonly userId: string;
  /** An archive that is there. */
  readonly file: string;
  /** A file that is not. */
  readonly newFile: string;
}

const { url, userId, file, newFile } = JSON.parse(process.argv[2] ?? '') as DescriptorsTask;
const pool = new pg.Pool({ connectionString: url });
pool.on('error', () => undefined);
await using opened = await openArchive(file);

function exhaust(): void {
  for (;;) {
    try {
      openSync('/dev/null', 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EMFILE') return;
      throw error;
    }
  }
}

async function codesOf(work: () => Promise<unknown>): Promise<readonly (string | undefined)[]> {
  try {
    await work();
    return ['no error'];
  } catch (error) {
    if (!isBackupError(error)) return [String(error)];
    return [error.code, (error.cause as NodeJS.ErrnoException | undefined)?.code];
  }
}

exhaust();
const found = {
  openArchive: await codesOf(() => openArchive(file)),
  verifyArchive: await codesOf(() => verifyArchive(file)),
  writeArchive: await codesOf(() =>
    writeArchive(createWriteStream(newFile), { userId, events: changeSourceFrom([]) }),
  ),
  pgExportStream: await codesOf(() => pgExportStream(pool, { userId }).ready()),
  pgChangeSource: await codesOf(() => pgChangeSource(pool, { userId }).ready()),
  restoreToPostgres: await codesOf(() => restoreToPostgres(pool, opened, { userId })),
};
process.stdout.write(JSON.stringify(found), () => process.exit());
