// What comes out of a TLS socket is exported as what comes out of a plain one.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RawJson } from '../../src/index.js';
import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, fillLog, linesOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { startTlsFront, tlsFrontClient } from '../support/tls-front.js';

for (const lane of lanes) {
  test(`${lane.name}: an export over TLS gives the same bytes`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 300, dataBytes: 2_000 });
      const expected = await lane.export(db.pool(), { userId: USER }).text();
      assert.equal(linesOf(expected).length, 300);
      await using front = await startTlsFront(db.address);
      const pool = db.pool({ connectionString: front.url(db.url()), ssl: tlsFrontClient, max: 1 });
      for (let time = 1; time <= 3; time += 1) {
        assert.equal(await lane.export(pool, { userId: USER, batchSize: 70 }).text(), expected);
      }
      assert.equal(front.secureCount, 1);
      await pool.end();
    }));
}

test('values of rows that came together share memory, over TLS too: pg has not made texts of them', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 20 });
    await using front = await startTlsFront(db.address);
    const tls = db.pool({ connectionString: front.url(db.url()), ssl: tlsFrontClient });
    for (const pool of [db.pool(), tls]) {
      const memory = new Set<ArrayBufferLike>();
      for await (const { data } of pgChangeSource(pool, { userId: USER })) {
        assert.ok(data instanceof RawJson);
        memory.add(data.bytes.buffer);
      }
      // A row that lies in two chunks has memory of its own.
      assert.ok(memory.size < 20, String(memory.size));
    }
    await tls.end();
  }));
