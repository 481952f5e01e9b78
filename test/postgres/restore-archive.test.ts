// From archives: verified as a whole before anything is written, and read as verified.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type pg from 'pg';

import { type Archive, createUpcaster } from '../../src/index.js';
import { openArchive } from '../../src/archive/index.js';
import { pgExportStream } from '../../src/postgres/index.js';
import { sampleRows, writeRows } from '../../dev/sample-log.js';
import { STRANGER, USER, eventIdsOf, linesOf, rowOf } from '../support/change-log.js';
import { archiveBytes } from '../support/archives.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';
import { buildZip } from '../support/zip-parts.js';

function archiveOf(pool: pg.Pool, userId = USER): Promise<Buffer> {
  return archiveBytes({ userId, events: pgExportStream(pool, { userId }) });
}

async function withArchive(
  use: (archive: { bytes: Buffer; text: string }) => Promise<void>,
): Promise<void> {
  await withEmptyLog(async (from, pool) => {
    await writeRows(from.admin, sampleRows({ count: 200, seed: 5, userIds: [USER] }));
    await use({ bytes: await archiveOf(pool), text: await exportOf(pool) });
  });
}

test('an archive, into an empty log: the same archive comes out again', () =>
  withArchive(async ({ bytes, text }) => {
    await withEmptyLog(async (_db, pool) => {
      const phases = new Set<string>();
      await using archive = await openArchive(bytes);
      const report = await restore(pool, archive, {
        expectArchiveId: archive.manifest.archiveId,
        onProgress: ({ phase, totalCount }) => {
          phases.add(phase);
          if (phase === 'write') assert.equal(totalCount, 200);
        },
      });
      assert.equal(report.newCount, 200);
      assert.deepEqual([...phases], ['verify', 'stage', 'plan', 'write']);
      assert.equal(await exportOf(pool), text);
      assert.equal((await restore(pool, archive)).presentCount, 200);
    });
  }));

test("M7 M11 another user's archive, and an archive that is not the expected one", () =>
  withArchive(async ({ bytes }) => {
    await withEmptyLog(async (db, pool) => {
      await using archive = await openArchive(bytes);
      const foreign = restore(pool, archive, { userId: STRANGER });
      assert.equal((await failsWith(foreign, 'BACKUP_TENANCY_MISMATCH')).details.found, 'archive');
      const expectArchiveId = '0'.repeat(32);
      await assert.rejects(restore(pool, archive, { expectArchiveId }));
      const plan = await restore(pool, archive, { expectArchiveId, dryRun: true });
      assert.deepEqual([plan.ok, plan.refusedCount, plan.lineCount], [false, 1, 0]);
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    });
  }));

test('F44 what is applied is what was verified: bytes that change in between commit nothing', () =>
  withArchive(async ({ bytes }) => {
    await withEmptyLog(async (db, pool) => {
      await using archive = await openArchive(bytes);
      assert.ok((await archive.verify()).ok);
      bytes.writeUInt8(bytes.readUInt8(3_000) ^ 1, 3_000);
      await assert.rejects(restore(pool, archive), { name: 'BackupError' });
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    });
  }));

test('F44 a dry run, which reads an archive again, tells of bytes that changed in between', () =>
  withArchive(async ({ bytes }) => {
    await withEmptyLog(async (db, pool) => {
      await using archive = await openArchive(bytes);
      const verdicts: boolean[] = [];
      const changing: Archive = {
        manifest: archive.manifest,
        lines: (options) => archive.lines(options),
        bytes: () => archive.bytes(),
        verify: async (options) => {
          const report = await archive.verify(options);
          verdicts.push(report.ok);
          bytes.writeUInt8(bytes.readUInt8(3_000) ^ 1, 3_000);
          return report;
        },
        verifiedLines: (options) => archive.verifiedLines(options),
        [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
      };
      await assert.rejects(restore(pool, changing, { dryRun: true }), { name: 'BackupError' });
      assert.deepEqual(verdicts, [true]);
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    });
  }));

test('F44 an archive that is staged to its last line and then does not verify commits nothing', () =>
  withArchive(async ({ bytes }) => {
    await withEmptyLog(async (db, pool) => {
      await using archive = await openArchive(bytes);
      const found: string[] = [];
      const doubted: Archive = {
        manifest: archive.manifest,
        lines: (options) => archive.lines(options),
        bytes: () => archive.bytes(),
        verify: (options) => archive.verify(options),
        // All lines come, as they are: only the verdict tells.
        verifiedLines: async function* (options) {
          const report = yield* archive.verifiedLines(options);
          found.push(report.ok ? 'ok' : 'not');
          const code = 'BACKUP_DIGEST_MISMATCH';
          const problems = [{ code, message: 'not these bytes', segment: 0 } as const];
          return { ...report, ok: false, intact: false, problems, problemCount: 1 };
        },
        [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
      };
      const { details } = await failsWith(restore(pool, doubted), 'BACKUP_DIGEST_MISMATCH');
      assert.equal('segment' in details && details.segment, 0);
      assert.deepEqual(found, ['ok']);
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    });
  }));

test('remapped to another user: new ids, the same for ever, and the old rows untouched', () =>
  withEmptyLog(async (db, pool) => {
    await writeRows(db.admin, sampleRows({ count: 100, seed: 6, userIds: [USER] }));
    const text = await exportOf(pool);
    await using archive = await openArchive(await archiveOf(pool));
    const options = { userId: STRANGER, remapUser: true };
    assert.equal((await restore(pool, archive, options)).newCount, 100);
    assert.equal((await restore(pool, archive, options)).presentCount, 100);
    const copied = await exportOf(pool, STRANGER);
    const [copy] = eventIdsOf(copied);
    assert.match(copy ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
    assert.equal(new Set([...eventIdsOf(copied), ...eventIdsOf(text)]).size, 200);
    const rest = (jsonl: string): string[] =>
      linesOf(jsonl)
        .map((line) => line.slice(50))
        .sort();
    assert.deepEqual(rest(copied), rest(text));
    assert.equal(await exportOf(pool), text);
  }));

test('remapped to the user whose archive it is: the events that they are', () =>
  withArchive(async ({ bytes, text }) => {
    await withEmptyLog(async (_db, pool) => {
      await using archive = await openArchive(bytes);
      assert.equal((await restore(pool, archive)).newCount, 200);
      assert.equal((await restore(pool, archive, { remapUser: true })).presentCount, 200);
      assert.equal(await exportOf(pool), text);
    });
  }));

test('remapping derives uuid version 5 of the old id and the user', () =>
  withEmptyLog(async (_db, pool) => {
    // RFC 9562, appendix A.4: namespace DNS, name www.example.com.
    const line = lineText(1, { eventId: '"6ba7b810-9dad-11d1-80b4-00c04fd430c8"' });
    await restore(pool, line, { userId: 'www.example.com', remapUser: true });
    assert.deepEqual(eventIdsOf(await exportOf(pool, 'www.example.com')), [
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
    ]);
  }));

test('upcast on the way in: older rows of the log count as the same once they are upcast too', () =>
  withEmptyLog(async (db, pool) => {
    const upcaster = createUpcaster({
      current: 3,
      steps: {
        1: (line) => line,
        2: (line) => ({ ...line, ...(line.op === 'insert' && { data: { v3: true, n: 1.5 } }) }),
      },
    });
    const text =
      lineText(1) +
      lineText(2, { op: '"delete"', schemaVersion: '2' }) +
      lineText(3, { schemaVersion: '3' });
    const first = await restore(pool, text, { upcaster });
    assert.equal(first.newCount, 3);
    assert.deepEqual(first.upcasts, [
      { fromVersion: 1, toVersion: 2, lineCount: 1 },
      { fromVersion: 2, toVersion: 3, lineCount: 2 },
    ]);
    const upcastText = await exportOf(pool);
    assert.match(upcastText, /"schemaVersion":3.*"data":\{"n": 1.5, "v3": true\}/);
    // Upcast lines are there; so are rows that were restored without, and rows of both kinds.
    assert.equal((await restore(pool, text, { upcaster })).presentCount, 3);
    await db.admin.query('TRUNCATE sync_changes');
    await restore(pool, text);
    assert.equal(await exportOf(pool), text);
    const again = await restore(pool, text, { upcaster });
    assert.deepEqual([again.presentCount, again.conflictCount], [3, 0]);
    const newer = await restore(pool, upcastText, { upcaster });
    assert.equal(newer.presentCount, 3);
    // Without the upcaster they are other lines; and a real difference stays one.
    await failsWith(restore(pool, upcastText), 'BACKUP_RESTORE_CONFLICT');
    const other = upcastText.replace('"n": 1.5', '"n": 1.50');
    const { details } = await failsWith(
      restore(pool, other, { upcaster }),
      'BACKUP_RESTORE_CONFLICT',
    );
    assert.deepEqual([details.lineNumber, details.conflictCount], [1, 1]);
  }));

test("upcast on the way in: another user's older row of the same id is not held for the user's", () =>
  withEmptyLog(async (db) => {
    await db.admin.query('ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey');
    const data = '{"title": "canary"}';
    await db.insert([
      rowOf(1, { data: '{"title": "other"}' }),
      rowOf(1, { data, user_id: STRANGER }),
    ]);
    const upcaster = createUpcaster({ current: 2, steps: { 1: (line) => line } });
    const options = { upcaster, rowSecurity: 'explicit-filter-only' } as const;
    const theirs = await restore(db.admin, lineText(1), { ...options, userId: STRANGER });
    assert.equal(theirs.presentCount, 1);
    const running = restore(db.admin, lineText(1), options);
    const { details } = await failsWith(running, 'BACKUP_RESTORE_CONFLICT');
    assert.deepEqual([details.reason, details.lineNumber], ['other-content', 1]);
    assert.equal(await countRows(db), 2);
  }));

test('1,200 older rows are compared page by page, in whatever order they lie', () =>
  withEmptyLog(async (db, pool) => {
    const upcaster = createUpcaster({
      current: 2,
      steps: { 1: (line) => ({ ...line, data: { upcast: line.id } }) },
    });
    const text = Array.from({ length: 1_200 }, (_, index) => lineText(index + 1)).join('');
    await restore(pool, text);
    await db.admin.query(`
      CREATE TEMPORARY TABLE kept AS TABLE sync_changes;
      TRUNCATE sync_changes;
      INSERT INTO sync_changes SELECT * FROM kept ORDER BY created_at DESC;
      DROP TABLE kept;
      ANALYZE sync_changes`);
    // In batches too, and twice in one session.
    for (const batchSize of [undefined, 500, 500]) {
      const { presentCount } = await restore(pool, text, { upcaster, batchSize });
      assert.equal(presentCount, 1_200);
    }
    await assertReusable(pool);
  }));

test('a dry run of an archive that does not verify says which line it is where it is one', () =>
  withEmptyLog(async (db, pool) => {
    const text = lineText(1) + lineText(3) + lineText(2);
    await using archive = await openArchive(archiveOfText(text));
    const { ok, refused, refusedCount } = await restore(pool, archive, { dryRun: true });
    assert.deepEqual([ok, refusedCount], [false, 1]);
    assert.deepEqual(
      refused.map(({ code, lineNumber }) => [code, lineNumber]),
      [['BACKUP_ORDER_VIOLATED', 3]],
    );
    assert.equal(await countRows(db), 0);
    await assertReusable(pool);
  }));

/** An archive that is true to its events, whatever they are. */
function archiveOfText(text: string): Buffer {
  const content = Buffer.from(text);
  const manifest = {
    ...{ formatVersion: 1, schemaVersion: 1, userId: USER, createdAt: '2026-04-15T00:00:00Z' },
    eventCount: text.split('\n').length - 1,
    eventsSha256: createHash('sha256').update(content).digest('hex'),
    ...{ apps: ['todo'], producedBy: 'test', schemaVersionMin: 1, schemaVersionMax: 1 },
  };
  return buildZip([
    { name: 'events.jsonl', content },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
  ]);
}
