// F15: one byte of what the server says arrives changed. The wire has no checksum (TLS has), so a value may come
// out changed; but nothing hangs, nothing crashes, and every error is a typed one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isBackupError } from '../../src/index.js';
import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { collectBytes } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';
import { contentOffsetsOf, messagesOf } from '../support/wire-messages.js';
import { startWireProxy } from '../support/wire-proxy.js';

const ROUNDS = 100;

for (const lane of lanes) {
  test(`${lane.name}: F15 a changed byte is a typed error or a changed value`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
      // Of as many digits, since the server repeats them: offsets have to be the same.
      const patient = { userId: USER, batchSize: 2, stallTimeoutMs: 950 };
      const options = { ...patient, stallTimeoutMs: 150, connectTimeoutMs: 1_000 };

      const pieces: Buffer[] = [];
      proxy.watch(
        (direction, piece) => direction === 'toClient' && pieces.push(Buffer.from(piece)),
      );
      const whole = await collectBytes(lane.export(pool, patient).stream);
      const offsets = contentOffsetsOf(Buffer.concat(pieces));

      const outcomes = new Map<string, number>();
      for (let round = 0; round < ROUNDS; round += 1) {
        proxy.heal();
        proxy.corrupt(offsets[Math.floor((round * offsets.length) / ROUNDS)] ?? 0);
        const outcome = await settlesWithin(
          collectBytes(lane.export(pool, options).stream).then(
            (bytes) => (bytes.equals(whole) ? 'the same' : 'changed'),
            (error: unknown) => {
              if (!isBackupError(error)) throw error;
              return error.code;
            },
          ),
          5_000,
        );
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
      // A sweep that finds only one kind of outcome has not hit what it aims at.
      assert.ok(outcomes.has('BACKUP_SOURCE_FAILED') && outcomes.has('BACKUP_TENANCY_MISMATCH'));
      assert.ok(outcomes.has('changed'));
    }));
}

for (const lane of lanes) {
  test(`${lane.name}: F15 a changed count of the server's own is no success`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
      const options = { userId: USER, batchSize: 2 };
      const pieces: Buffer[] = [];
      proxy.watch(
        (direction, piece) => direction === 'toClient' && pieces.push(Buffer.from(piece)),
      );
      await collectBytes(lane.export(pool, options).stream);
      const sent = Buffer.concat(pieces);
      const messages = messagesOf(sent);
      // Of the COPY, or of the last Execute, which comes after those that were suspended.
      const before = messages.findLastIndex(({ type }) => type === 's' || type === 'c');
      const tag = messages.slice(before).find(({ type }) => type === 'C');
      assert.ok(before > 0 && tag !== undefined);
      const digitAt = tag.end - 2;
      assert.match(sent.toString('latin1', digitAt, digitAt + 1), /\d/);
      // Another digit, so that the tag is one as before.
      let sentBefore = 0;
      proxy.watch((direction, piece) => {
        if (direction !== 'toClient') return;
        const at = digitAt - sentBefore;
        if (at >= 0 && at < piece.length) piece.writeUInt8(piece.readUInt8(at) ^ 1, at);
        sentBefore += piece.length;
      });
      await failsWith(collectBytes(lane.export(pool, options).stream), 'BACKUP_SOURCE_FAILED');
    }));
}

test('pgChangeSource: F15 a row that comes with another number of fields is a typed error', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 5 });
    await using proxy = await startWireProxy(db.address);
    const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
    const pieces: Buffer[] = [];
    proxy.watch((direction, piece) => direction === 'toClient' && pieces.push(Buffer.from(piece)));
    const running = pgChangeSource(pool, { userId: USER, batchSize: 2 });
    for await (const { userId } of running) assert.equal(userId, USER);
    const sent = Buffer.concat(pieces);
    const messages = messagesOf(sent);
    // The second row of the first read.
    const row = messages[messages.findIndex(({ type }) => type === 's') - 1];
    assert.equal(row?.type, 'D');
    proxy.heal();
    proxy.corrupt(row.start + 6);
    const source = pgChangeSource(pool, { userId: USER, batchSize: 2 });
    const { details } = await failsWith(source.ready(), 'BACKUP_SOURCE_FAILED');
    const relation = 'public.sync_changes';
    assert.deepEqual(details, { stage: 'read', rowCount: 1, relation });
    proxy.heal();
    await assertReusable(pool);
  }));

// Texts of the same length, for the lengths of the messages.
const copyFaults = [
  ['takes a line more than there was', 'toClient', 'COPY 2\0', 'COPY 3\0', 2],
  ['says of no line that it was taken', 'toClient', 'COPY 2\0', 'TAKE 2\0', 2],
  [
    'is asked something else, and wants no lines',
    'toServer',
    'COPY pg_temp.backup_streams_stage FROM STDIN',
    'SET LOCAL search_path TO pg_catalog -- STDIN',
    0,
  ],
] as const;

for (const [what, way, text, changed, lineCount] of copyFaults) {
  test(`F15 a server that ${what}: the restore is no success, and nothing stays`, () =>
    withEmptyLog(async (db) => {
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      let changeCount = 0;
      proxy.watch((direction, piece) => {
        const at = direction === way ? piece.indexOf(text) : -1;
        if (at >= 0) changeCount += piece.write(changed, at) / changed.length;
      });
      const options = { stallTimeoutMs: 5_000 };
      const restoring = restore(pool, lineText(1) + lineText(2), options);
      const { details } = await failsWith(restoring, 'BACKUP_SINK_FAILED');
      assert.equal(changeCount, 1);
      const relation = 'public.sync_changes';
      assert.deepEqual(details, { stage: 'stage', lineCount, relation });
      proxy.heal();
      await assertReusable(pool);
      assert.equal(await countRows(db), 0);
    }));
}
