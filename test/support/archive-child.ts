// Writes an archive beside its final name and renames it once it is whole, as the demo does, in a process of its
// own. Takes its task as JSON in argv[2]; tells each step on stdout, a line each.
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import pg from 'pg';

import { writeArchive } from '../../src/archive/index.js';
import { pgExportStream } from '../../src/postgres/index.js';

/** What the process is to do. */
export interface ArchiveTask {
  readonly url: string;
  readonly userId: string;
  readonly partFile: string;
  readonly file: string;
}

const { url, userId, partFile, file } = JSON.parse(process.argv[2] ?? '') as ArchiveTask;
const tell = (step: string): void => void process.stdout.write(`${step}\n`);
const pool = new pg.Pool({ connectionString: url, max: 1 });
tell('begun');
const events = pgExportStream(pool, {
  userId,
  flushEvery: 1_000,
  // Told before it goes on, so that whoever waits for the step finds the process in the middle.
  onFlush: ({ lines }) =>
    new Promise<void>((resolve) =>
      process.stdout.write(`flushed ${String(lines)}\n`, () => resolve()),
    ),
});
await writeArchive(createWriteStream(partFile), { userId, events });
tell('written');
await rename(partFile, file);
tell('renamed');
await pool.end();
