// A restore in a process of its own, which stops where it is told to and waits to be killed.
// Takes its task as JSON in argv[2]; says "there" on stdout when it is where it stops.
import { readFileSync } from 'node:fs';
import pg from 'pg';

import { type RestoreProgress, restoreToPostgres } from '../../src/postgres/index.js';

/** What the process is to do. */
export interface RestoreTask {
  readonly url: string;
  readonly userId: string;
  /** JSONL. */
  readonly file: string;
  readonly batchSize?: number | undefined;
  /** Half of the lines read, or this progress told of; it runs to its end when left out. */
  readonly stopAt?: 'half' | Pick<RestoreProgress, 'phase' | 'lineCount'> | undefined;
}

const { url, userId, file, batchSize, stopAt } = JSON.parse(process.argv[2] ?? '') as RestoreTask;

/** Never settles, and something waits, so that the process goes on. */
function beKilled(): Promise<never> {
  process.stdout.write('there\n');
  return new Promise(() => setInterval(() => undefined, 1_000));
}

async function* lines(): AsyncGenerator<Uint8Array> {
  const text = readFileSync(file);
  yield text.subarray(0, text.length / 2);
  if (stopAt === 'half') await beKilled();
  yield text.subarray(text.length / 2);
}

const pool = new pg.Pool({ connectionString: url, max: 1 });
await restoreToPostgres(pool, lines(), {
  userId,
  batchSize,
  onProgress: (progress) => {
    if (typeof stopAt !== 'object') return undefined;
    const isThere = progress.phase === stopAt.phase && progress.lineCount === stopAt.lineCount;
    return isThere ? beKilled() : undefined;
  },
});
await pool.end();
