// F14: the same bytes, whatever pieces they come in.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { keepBusy } from '../support/busy.js';
import { USER, fillLog, linesOf, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { startWireProxy } from '../support/wire-proxy.js';

for (const lane of lanes) {
  for (const pieceBytes of [1, 2, 7, 1_021]) {
    test(`${lane.name}: F14 pieces of ${String(pieceBytes)} bytes give the same export`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 60, dataBytes: pieceBytes === 1_021 ? 20_000 : 20 });
        await db.admin.query(`UPDATE sync_changes SET client_id = 'é日本😀', app_id = E'"\\n'`);
        const expected = await lane.export(db.pool(), { userId: USER }).text();
        assert.equal(linesOf(expected).length, 60);
        await using proxy = await startWireProxy(db.address);
        proxy.chunk(pieceBytes);
        const pool = db.pool({ connectionString: proxy.url(db.url()) });
        const text = await lane.export(pool, { userId: USER, batchSize: 7 }).text();
        assert.equal(text, expected);
        await pool.end();
      }));
  }

  test(`${lane.name}: F14 pieces that come with pauses between them give the same export`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 10 });
      const expected = await lane.export(db.pool(), { userId: USER }).text();
      await using proxy = await startWireProxy(db.address);
      proxy.chunk(61);
      proxy.delay(1);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      assert.equal(await lane.export(pool, { userId: USER, batchSize: 3 }).text(), expected);
      await pool.end();
    }));

  test(`${lane.name}: F14 a row that trickles in for longer than stallTimeoutMs is no silence`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([rowOf(1, { data: JSON.stringify({ v: 'x'.repeat(12_000) }) })]);
      const expected = await lane.export(db.pool(), { userId: USER }).text();
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()) });
      await assertReusable(pool);
      proxy.chunk(61);
      proxy.delay(10);
      const text = await lane.export(pool, { userId: USER, stallTimeoutMs: 900 }).text();
      assert.equal(text, expected);
      await pool.end();
    }));

  test(`${lane.name}: F14 a host that is busy for longer than the server may be silent is no silence`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 6_000, dataBytes: 400 });
      const expected = await lane.export(db.pool(), { userId: USER }).text();
      const options = { userId: USER, connectTimeoutMs: 400, stallTimeoutMs: 400 };
      const { stream } = lane.export(db.pool(), options);
      keepBusy(500); // while the client connects
      const chunks: Buffer[] = [];
      for await (const chunk of stream) {
        if (chunks.push(chunk as Buffer) <= 3) keepBusy(500);
      }
      assert.equal(Buffer.concat(chunks).toString(), expected);
    }));
}
