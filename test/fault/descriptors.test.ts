// F37: no file descriptor is left. Whatever needs one says so, typed, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { writeArchive } from '../../src/archive/index.js';
import { pgExportStream } from '../../src/postgres/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import type { DescriptorsTask } from '../support/descriptors-child.js';

const SCRIPT = fileURLToPath(new URL('../support/descriptors-child.ts', import.meta.url));

test('F37 without a file descriptor everything that needs one fails with its code', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 50 });
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-descriptors-'));
    try {
      const file = path.join(folder, 'user.mana');
      const newFile = path.join(folder, 'new.mana');
      const events = pgExportStream(db.pool(), { userId: USER });
      await writeArchive(createWriteStream(file), { userId: USER, events });
      const task: DescriptorsTask = { url: db.url(), userId: USER, file, newFile };
      const node = [process.execPath, '--import=tsx', SCRIPT, JSON.stringify(task)];
      const child = spawn('sh', ['-c', 'ulimit -n 200 && exec "$@"', 'sh', ...node], {
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 30_000,
        killSignal: 'SIGKILL',
      });
      const sourceFailed = ['BACKUP_SOURCE_FAILED', 'EMFILE'];
      const sinkFailed = ['BACKUP_SINK_FAILED', 'EMFILE'];
      assert.deepEqual(JSON.parse(await text(child.stdout)), {
        openArchive: sourceFailed,
        verifyArchive: sourceFailed,
        writeArchive: sinkFailed,
        pgExportStream: sourceFailed,
        pgChangeSource: sourceFailed,
        restoreToPostgres: sinkFailed,
      });
      assert.ok(!existsSync(newFile));
    } finally {
      await rm(folder, { recursive: true });
    }
  }));
