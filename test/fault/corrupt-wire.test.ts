// F15: one byte of what the server says arrives changed. The wire has no checksum (TLS has), so a value may come
// out changed; but nothing hangs, nothing crashes, and every error is a typed one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isBackupError } from '../../src/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { collectBytes } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { contentOffsetsOf } from '../support/wire-messages.js';
import { startWireProxy } from '../support/wire-proxy.js';

const ROUNDS = 100;

for (const lane of lanes) {
  test(`${lane.name}: F15 a changed byte is a typed error or a changed value`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
      const options = { userId: USER, batchSize: 2, stallTimeoutMs: 150, connectTimeoutMs: 1_000 };

      const pieces: Buffer[] = [];
      proxy.watch(
        (direction, piece) => direction === 'toClient' && pieces.push(Buffer.from(piece)),
      );
      const whole = await collectBytes(lane.export(pool, options).stream);
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
