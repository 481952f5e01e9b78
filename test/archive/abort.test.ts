// A signal that is aborted is heard wherever the reading is, also where there is nothing to read; what is no
// file is refused at once.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';

import { archiveLimitsOf } from '../../src/archive/archive-limits.js';
import type { FileBytes } from '../../src/archive/file-bytes.js';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { verifyFile, verifyRequestOf } from '../../src/archive/verify.js';
import { changeSourceFrom } from '../../src/index.js';
import { archiveVectors } from '../support/archive-vectors.js';
import { archiveBytes } from '../support/archives.js';
import { changeRows } from '../support/change-rows.js';
import { collect } from '../support/collect.js';
import { failsWith, failureOf } from '../support/failures.js';

const run = promisify(execFile);
const reason = { why: 'enough' };
const bytesOf = (wanted: string): Buffer =>
  archiveVectors().find(({ name }) => name === wanted)!.bytes;

describe('an abort', () => {
  test('is heard where there is no line, no container, and no file', async () => {
    const signal = AbortSignal.abort(reason);
    for (const file of [bytesOf('good-empty-log'), Buffer.from('no zip'), '/there/is/none']) {
      assert.equal(await failureOf(verifyArchive(file, { signal })), reason);
    }
    await using archive = await openArchive(bytesOf('good-empty-log'));
    assert.equal(await failureOf(archive.verify({ signal })), reason);
    assert.equal(await failureOf(archive.verifiedLines({ signal }).next()), reason);
    assert.equal(await failureOf(collect(archive.lines({ signal }))), reason);
  });

  for (const [name, isOk, leastReads] of [
    ['good-plain', true, 8],
    ['good-empty-log', true, 4],
    ['ENTRY_MISSING-C12-no-events', false, 2],
    ['ARCHIVE_INVALID-C1-jsonl', false, 0],
  ] as const) {
    test(`is heard at every read of a verification, also at the last: ${name}`, async () => {
      const bytes = bytesOf(name);
      for (let aborting = 0; ; aborting += 1) {
        const controller = new AbortController();
        let reads = 0;
        const file: FileBytes = {
          byteCount: bytes.length,
          read: (offset, length) => {
            if (reads === aborting) controller.abort(reason);
            reads += 1;
            return Promise.resolve(bytes.subarray(offset, offset + length));
          },
          close: () => Promise.resolve(),
        };
        const request = verifyRequestOf({ signal: controller.signal });
        const outcome = await verifyFile(file, archiveLimitsOf({}), request).catch(
          (error: unknown) => error,
        );
        if (!controller.signal.aborted) {
          assert.equal((outcome as { ok: boolean }).ok, isOk);
          assert.ok(aborting > leastReads);
          break;
        }
        assert.equal(outcome, reason, `at read ${aborting}`);
      }
    });
  }

  test('is heard in the middle of the events: no more of them is read', async () => {
    const events = changeSourceFrom(changeRows(20_000));
    const bytes = await archiveBytes({ events, compressionLevel: 0 });
    const controller = new AbortController();
    const reads: number[] = [];
    const file: FileBytes = {
      byteCount: bytes.length,
      read: (offset, length) => {
        reads.push(offset);
        if (offset > bytes.length / 3 && offset < bytes.length / 2) controller.abort(reason);
        return Promise.resolve(bytes.subarray(offset, offset + length));
      },
      close: () => Promise.resolve(),
    };
    const request = verifyRequestOf({ signal: controller.signal });
    assert.equal(await failureOf(verifyFile(file, archiveLimitsOf({}), request)), reason);
    assert.ok((reads.at(-1) ?? 0) < bytes.length / 2);
  });

  test('is heard before the first read of a verification', async () => {
    const file: FileBytes = {
      byteCount: 100,
      read: () => assert.fail('it was read'),
      close: () => Promise.resolve(),
    };
    const request = verifyRequestOf({ signal: AbortSignal.abort(reason) });
    assert.equal(await failureOf(verifyFile(file, archiveLimitsOf({}), request)), reason);
  });

  test('is heard at every line, also at the last', async () => {
    await using archive = await openArchive(bytesOf('good-plain'));
    for (const at of [1, 2, 3]) {
      const controller = new AbortController();
      let lineNumber = 0;
      const reading = (async () => {
        for await (const line of archive.lines({ signal: controller.signal })) {
          assert.ok(line.eventId);
          lineNumber += 1;
          if (lineNumber === at) controller.abort(reason);
        }
      })();
      assert.equal(await failureOf(reading), reason);
      assert.equal(lineNumber, at);
    }
  });
});

test('a pipe, a folder and a device are no archives, and nobody waits for them', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
  try {
    const pipe = path.join(folder, 'pipe');
    await run('mkfifo', [pipe]);
    for (const file of [pipe, folder, '/dev/null']) {
      for (const reading of [openArchive, verifyArchive]) {
        const { cause } = await failsWith(reading(file), 'BACKUP_SOURCE_FAILED');
        assert.equal(cause, undefined);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
