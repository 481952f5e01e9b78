// F34: what a restore reads fails before it is read, or is never read because something else failed. The error
// is the source's own, nothing ends the process, and nothing of the source stays open.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { type ExportLine, applyInBatches, parseJsonl } from '../../src/index.js';
import { pgExportStream, restoreToPostgres } from '../../src/postgres/index.js';
import { USER } from '../support/change-log.js';
import { eventually, settlesWithin } from '../support/deadline.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const missing = (): Readable => createReadStream(path.join(tmpdir(), 'no', 'such', 'file.jsonl'));

function closed(stream: Readable): Promise<unknown> {
  // Not events.once(): it rejects at the 'error' that comes first.
  const closing = new Promise((resolve) => stream.once('close', resolve));
  return stream.closed ? Promise.resolve() : settlesWithin(closing, 5_000);
}

describe('F34 a stream that fails before it is read', () => {
  test('fails the restore with its own error, as bytes and as lines', () =>
    withEmptyLog(async (db, pool) => {
      for (const source of [missing(), parseJsonl(missing())]) {
        const error = await failureOf(restore(pool, source));
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
      }
      await assertReusable(pool);
      assert.equal(await countRows(db), 0);
    }));

  test('fails it too when it fails while the pool gives no client', () =>
    withEmptyLog(async (db) => {
      const pool = db.pool();
      const held = await pool.connect();
      const source = new PassThrough();
      const failing = failureOf(restore(pool, source));
      const reason = new Error('the download broke');
      source.destroy(reason);
      await closed(source);
      held.release();
      assert.equal(await failing, reason);
      await assertReusable(pool);
    }));

  test('fails applyInBatches, and whoever iterates its lines later', async () => {
    const lines = parseJsonl(missing());
    const error = await failureOf(applyInBatches(lines, { apply: () => undefined }));
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
    const source = missing();
    const later = parseJsonl(source);
    await closed(source);
    assert.equal(((await failureOf(later.next())) as NodeJS.ErrnoException).code, 'ENOENT');
  });

  test('does not end the process when the options are wrong as well', () =>
    withEmptyLog(async (_db, pool) => {
      const source = missing();
      const wrong = restoreToPostgres(pool, source, { userId: USER, dryrun: true } as never);
      assert.ok((await failureOf(wrong)) instanceof TypeError);
      await closed(source);
    }));
});

describe('a source that is never read', () => {
  test('is closed when there is no database: a file, its lines, an export of another pool', () =>
    withEmptyLog(async (db, exporting) => {
      const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-source-'));
      try {
        const file = path.join(folder, 'log.jsonl');
        await writeFile(file, lineText(1));
        const nowhere = db.pool({ connectionString: undefined, host: '127.0.0.1', port: 1 });
        const streams = [createReadStream(file), createReadStream(file)] as const;
        const exported = pgExportStream(exporting, { userId: USER });
        await exported.ready();
        for (const source of [streams[0], parseJsonl(streams[1]), exported]) {
          await failsWith(restore(nowhere, source), 'BACKUP_SINK_FAILED');
        }
        await Promise.all([...streams, exported].map(closed));
        await assertReusable(exporting);
      } finally {
        await rm(folder, { recursive: true });
      }
    }));

  test('is closed when lines are left before the first', async () => {
    const source = new PassThrough();
    await parseJsonl(source).return?.();
    await closed(source);
    let isClosed = false;
    const chunks = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: true as const, value: undefined }),
        return: () => {
          isClosed = true;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    await parseJsonl(chunks).return?.();
    assert.ok(isClosed);
  });
});

describe('what a source says when it is left is nothing beside why it is left', () => {
  interface Left {
    readonly source: AsyncIterable<Uint8Array>;
    readonly counts: { reads: number; returns: number };
  }

  /** Gives these pieces, then hangs, and fails to be left. */
  function failsToBeLeft(...pieces: readonly string[]): Left {
    const counts = { reads: 0, returns: 0 };
    const iterator = {
      next: () => {
        const piece = pieces[counts.reads];
        counts.reads += 1;
        if (piece === undefined) return new Promise<never>(() => undefined);
        return Promise.resolve({ done: false as const, value: Buffer.from(piece) });
      },
      return: () => {
        counts.returns += 1;
        return Promise.reject(new Error('canary'));
      },
    };
    return { counts, source: { [Symbol.asyncIterator]: () => iterator } };
  }

  test('before it is read', () =>
    withEmptyLog(async (db) => {
      const nowhere = db.pool({ connectionString: undefined, host: '127.0.0.1', port: 1 });
      const { source, counts } = failsToBeLeft();
      await failsWith(restore(nowhere, source), 'BACKUP_SINK_FAILED');
      await turn();
      assert.deepEqual(counts, { reads: 0, returns: 1 });
    }));

  test('between two reads', () =>
    withEmptyLog(async (_db, pool) => {
      const { source, counts } = failsToBeLeft(lineText(1), '[]\n');
      const { details } = await failsWith(restore(pool, source), 'BACKUP_LINE_INVALID');
      assert.equal(details.lineNumber, 2);
      await turn();
      assert.deepEqual(counts, { reads: 2, returns: 1 });
      await assertReusable(pool);
    }));

  test('while a read is pending', () =>
    withEmptyLog(async (_db, pool) => {
      const { source, counts } = failsToBeLeft(lineText(1));
      const gone = new AbortController();
      const restoring = failureOf(restore(pool, source, { signal: gone.signal }));
      await eventually(() => counts.reads === 2, 5_000, 'The second read');
      gone.abort();
      assert.equal(await restoring, gone.signal.reason);
      await turn();
      assert.deepEqual(counts, { reads: 2, returns: 1 });
      await assertReusable(pool);
    }));
});

test('F34 a stream that hangs is closed when the restore of it is aborted, as bytes and as lines', () =>
  withEmptyLog(async (db, pool) => {
    for (const read of [(bytes: Readable) => bytes, parseJsonl]) {
      const source = new PassThrough();
      source.write(lineText(1));
      const gone = new AbortController();
      const restoring = failureOf(restore(pool, read(source), { signal: gone.signal }));
      await eventually(() => source.readableLength === 0, 5_000, 'The line has not been read');
      gone.abort();
      assert.equal(await restoring, gone.signal.reason);
      await closed(source);
    }
    assert.equal(await countRows(db), 0);
    await assertReusable(pool);
  }));

test('a stream that was read to its end before is a TypeError: it would seem to hold nothing', () =>
  withEmptyLog(async (db, pool) => {
    const spent = Readable.from([Buffer.from(lineText(1))]);
    assert.equal((await restore(pool, spent)).newCount, 1);
    assert.ok((await failureOf(restore(pool, spent))) instanceof TypeError);
    assert.throws(() => parseJsonl(spent), TypeError);
    const apply = (): void => undefined;
    const applying = applyInBatches(spent as AsyncIterable<ExportLine>, { apply });
    assert.ok((await failureOf(applying)) instanceof TypeError);
    assert.equal(await countRows(db), 1);
    await assertReusable(pool);
  }));

test('lines and bytes in turns are restored in their order', () =>
  withEmptyLog(async (_db, pool) => {
    async function* mixed(): AsyncGenerator<never> {
      for await (const line of parseJsonl([Buffer.from(lineText(1))])) yield line as never;
      yield Buffer.from(lineText(2)) as never;
      for await (const line of parseJsonl([Buffer.from(lineText(3))])) yield line as never;
    }
    // The second of two lines with the same id is the one that is passed over.
    const report = await restore(pool, mixed());
    assert.equal(report.newCount, 3);
    const again = await restore(pool, mixedWithRepeats(), { onConflict: 'report' });
    assert.deepEqual(
      again.conflicts.map(({ lineNumber }) => lineNumber),
      [2],
    );
    assert.equal(await exportOf(pool), lineText(1) + lineText(2) + lineText(3) + lineText(4));
  }));

async function* mixedWithRepeats(): AsyncGenerator<never> {
  for await (const line of parseJsonl([Buffer.from(lineText(4))])) yield line as never;
  yield Buffer.from(lineText(4, { data: '{"title": "other"}' })) as never;
}

test('one chunk of many lines is no silence of the database', () =>
  withEmptyLog(async (_db, pool) => {
    // More than sockets hold, so that the database is waited for again and again within the chunk.
    const data = `{"title": "${'x'.repeat(100_000)}"}`;
    const chunk = Buffer.from(
      Array.from({ length: 300 }, (_, index) => lineText(index + 1, { data })).join(''),
    );
    const report = await restore(pool, [chunk], { stallTimeoutMs: 1_000 });
    assert.equal(report.newCount, 300);
  }));
