// An export leaves the event loop to others: between two turns of it only so many bytes come in.
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';

import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

// What it rests after, what has been read when it does, and what the stream reads ahead.
const MOST_BYTES = 256 * 1024 + 2 * 64 * 1024;

for (const lane of lanes) {
  test(`${lane.name}: lets the event loop go around after each quarter of a MiB`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 2_000, dataBytes: 10_000 });
      const pool = db.pool();
      let bytes = 0;
      let most = 0;
      pool.on('connect', (client) => {
        const { stream } = (client as unknown as { readonly connection: { stream: Socket } })
          .connection;
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          most = Math.max(most, bytes);
        });
      });
      let turn = setImmediate(function next() {
        bytes = 0;
        turn = setImmediate(next);
      });
      const text = await lane.export(pool, { userId: USER }).text();
      clearImmediate(turn);
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(2_000));
      assert.ok(most <= MOST_BYTES, `${String(most)} bytes came in one turn`);
    }));
}
