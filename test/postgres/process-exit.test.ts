// G6: after an export, however it ended, nothing of it keeps the process alive: no timer of an hour, no socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LONG_LOG, USER, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { runExportProcess } from '../support/export-process.js';
import { lanes } from '../support/lanes.js';

const POOL = { query_timeout: 3_600_000, statement_timeout: 3_600_000 };

for (const lane of lanes) {
  test(`${lane.name}: the process ends by itself after an export, whole, left or aborted`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, LONG_LOG);
      const task = { laneName: lane.name, url: db.url(), pool: POOL, options: { userId: USER } };
      for (const ending of ['whole', 'break', 'abort'] as const) {
        const { byteCount, code } = await runExportProcess({ ...task, ending }, 15_000);
        if (ending === 'whole') assert.ok(byteCount > LONG_LOG.rowCount * LONG_LOG.dataBytes);
        else assert.ok(byteCount > 0);
        assert.equal(code, ending === 'abort' ? 'Error: abort' : undefined);
      }
    }));
}
