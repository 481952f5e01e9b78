// The lanes' memory is used again for an archive, and never while somebody else may have it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { openArchive, writeArchive } from '../../src/archive/index.js';
import type { EventBytes } from '../../src/archive/index.js';
import { SeededRandom } from '../../dev/random.js';
import { writeRows } from '../../dev/sample-log.js';
import { JsonlSerializer } from '../../src/index.js';
import { pgChangeSource, pgExportStream } from '../../src/postgres/index.js';
import { pushedChunks } from '../../src/stream/pushed-chunks.js';
import { archiveBytes } from '../support/archives.js';
import { USER, fillLog, rowOf } from '../support/change-log.js';
import { collectBytes } from '../support/collect.js';
import { withDatabase } from '../support/database.js';

const lanes: Readonly<Record<string, (pool: Parameters<typeof pgExportStream>[0]) => EventBytes>> =
  {
    pgExportStream: (pool) => pgExportStream(pool, { userId: USER }),
    'pgChangeSource and JsonlSerializer': (pool) => {
      const lines = new JsonlSerializer();
      void pipeline(pgChangeSource(pool, { userId: USER }).batches(), lines);
      return lines;
    },
  };

for (const [name, open] of Object.entries(lanes)) {
  test(`${name}: some slabs are enough for a log of any size, and its bytes are the same`, async () => {
    await withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 8000, dataBytes: 1000 });
      const memories = new Set<ArrayBufferLike>();
      const seen = createHash('sha256');
      const stream = open(db.pool());
      for await (const chunk of pushedChunks(stream) as AsyncIterable<Buffer>) {
        memories.add(chunk.buffer);
        seen.update(chunk);
      }
      const { sha256, byteCount } = stream.summary();
      assert.equal(seen.digest('hex'), sha256);
      assert.ok(byteCount > 8_000_000);
      assert.ok(memories.size <= 6, `${memories.size} slabs of 256 KiB`);
    });
  });

  test(`${name}: what a listener of the host's was handed stays what it was`, async () => {
    await withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 8000, dataBytes: 1000 });
      const held: Buffer[] = [];
      const events = open(db.pool()).on('data', (chunk: Buffer) => held.push(chunk));
      await archiveBytes({ userId: USER, events });
      const digest = createHash('sha256');
      for (const chunk of held) digest.update(chunk);
      assert.equal(digest.digest('hex'), events.summary().sha256);
    });
  });

  test(`${name}: lines shorter and longer than a slab, at any pace, are archived as they are exported`, async () => {
    await withDatabase(async (db) => {
      await db.createChangeLog();
      const random = new SeededRandom(7);
      const sizes = Array.from({ length: 300 }, () =>
        random.pick([10, 1000, 60_000, 260_000, 300_000]),
      );
      const rows = sizes.map((size, index) =>
        rowOf(index, { data: JSON.stringify(`${index}`.repeat(size).slice(0, size)) }),
      );
      await writeRows(db.admin, rows);
      const pool = db.pool();
      const exported = await collectBytes(pgExportStream(pool, { userId: USER }));
      // Pauses where the destination does: chunks wait in the lane then, and in the archive.
      const out = new PassThrough();
      const writing = writeArchive(out, { userId: USER, compressionLevel: 1, events: open(pool) });
      const pieces: Buffer[] = [];
      for await (const piece of out as AsyncIterable<Buffer>) {
        pieces.push(piece);
        if (random.chance(0.2)) for (let n = random.integer(1, 20); n > 0; n -= 1) await turn();
      }
      await writing;
      await using archive = await openArchive(Buffer.concat(pieces));
      assert.ok(exported.equals(await collectBytes(archive.bytes())));
    });
  });
}
