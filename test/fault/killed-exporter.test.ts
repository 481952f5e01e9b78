// F35: the process that writes an archive is killed. What has the final name is whole, what has not is never
// taken for whole, and the server is rid of the export within a second.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { verifyArchive } from '../../src/archive/index.js';
import { insertBulkRows } from '../../dev/bulk-log.js';
import type { ArchiveTask } from '../support/archive-child.js';
import { waitForBackendsGone } from '../support/backends.js';
import { USER } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';

const ROWS = 20_000;
const GONE_WITHIN_MS = 1_000;
const SCRIPT = fileURLToPath(new URL('../support/archive-child.ts', import.meta.url));

/** Starts the process and kills it when it tells the step. */
async function killAt(task: ArchiveTask, step: string, signal: NodeJS.Signals): Promise<void> {
  const child = spawn(process.execPath, ['--import=tsx', SCRIPT, JSON.stringify(task)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  let isTold = false;
  let told = '';
  for await (const chunk of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    told += chunk;
    if (isTold || !told.includes(`${step}\n`)) continue;
    isTold = true;
    child.kill(signal);
  }
  const [exitCode, killedBy] = await closed;
  assert.ok(isTold);
  // After the last step it may have ended by itself.
  assert.ok(killedBy === signal || (step === 'renamed' && exitCode === 0));
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
  test(`F35 killed by ${signal}: the final name has all or nothing`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await insertBulkRows(db.admin, { userId: USER, count: ROWS });
      const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-killed-'));
      try {
        for (const step of ['begun', 'flushed 1000', 'flushed 15000', 'written', 'renamed']) {
          const file = path.join(folder, `${step}.mana`);
          const partFile = `${file}.part`;
          await killAt({ url: db.url(), userId: USER, partFile, file }, step, signal);
          await waitForBackendsGone(db, GONE_WITHIN_MS);
          const isWritten = step === 'written' || step === 'renamed';
          if (existsSync(file)) {
            assert.ok(isWritten);
            assert.ok((await verifyArchive(file, { userId: USER })).ok);
          } else {
            assert.notEqual(step, 'renamed');
            const isWhole =
              existsSync(partFile) && (await verifyArchive(partFile, { userId: USER })).ok;
            assert.equal(isWhole, isWritten);
          }
        }
      } finally {
        await rm(folder, { recursive: true });
      }
    }));
}
