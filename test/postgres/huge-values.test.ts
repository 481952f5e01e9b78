// No row is refused for its size or depth, and large ones do not pile up in memory.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { USER, fillLog, linesOf, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { runExportProcess } from '../support/export-process.js';
import { lanes } from '../support/lanes.js';

const MIB = 1024 * 1024;

for (const lane of lanes) {
  test(`${lane.name}: F23 a value of 60 MB passes whole`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const size = 60_000_000;
      await db.admin.query(
        `INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, data, client_id)
         VALUES ('todo', 'tasks', 'r', $1, 'insert', jsonb_build_object('v', repeat('0123456789', $2)), 'c')`,
        [USER, size / 10],
      );
      const text = await lane.export(db.pool(), { userId: USER }).text();
      const start = text.indexOf('"data":') + '"data":'.length;
      const data = text.slice(start, text.indexOf(',"clientId"'));
      assert.equal(data.length, size + '{"v": ""}'.length);
      assert.ok(data.startsWith('{"v": "0123') && data.endsWith('6789"}'));
      const digits = createHash('sha256').update(data.slice(7, -2)).digest('hex');
      const expected = createHash('sha256')
        .update('0123456789'.repeat(size / 10))
        .digest('hex');
      assert.equal(digits, expected);
    }));

  test(`${lane.name}: hazard 15: nesting far beyond what JSON.stringify takes passes whole`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const depth = 6_000;
      const data = '['.repeat(depth) + '1e400' + ']'.repeat(depth);
      await db.insert([rowOf(1, { data: `{"d": ${data}}` })]);
      const [line] = linesOf(await lane.export(db.pool(), { userId: USER }).text());
      const digits = `1${'0'.repeat(400)}`;
      assert.ok(line?.includes(`"data":{"d": ${data.replace('1e400', digits)}}`));
    }));

  test(`${lane.name}: F24 and F36: fat rows do not pile up, in a heap of 64 MiB`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const dataBytes = 5_000_000;
      await fillLog(db, { rowCount: 50, dataBytes });
      const report = await runExportProcess({
        laneName: lane.name,
        url: db.url(),
        options: { userId: USER },
        ending: 'whole',
        heapMib: 64,
      });
      assert.equal(report.code, undefined);
      assert.ok(report.byteCount > 50 * dataBytes);
      // Rows that are live are three at most; the rest is what the collector lets wait.
      const grownMib = (report.peakBytes - report.baselineBytes) / MIB;
      assert.ok(grownMib < 128, `grew by ${String(Math.round(grownMib))} MiB`);
    }));
}
