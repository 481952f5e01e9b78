// F19: the server raises an error at row N. Rows before it may have been handed on; the end never is.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { raiseAtRow } from '../support/row-functions.js';

const ROW_COUNT = 25;
const BATCH_SIZE = 10;

for (const lane of lanes) {
  for (const sqlState of ['40001', '57014', 'XX001']) {
    test(`${lane.name}: F19 hazard 1: SQLSTATE ${sqlState} at row N never ends the export cleanly`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: ROW_COUNT });
        const pool = db.pool();
        for (const rowNumber of [1, 2, 9, 10, 11, 12, 20, 21, ROW_COUNT]) {
          await raiseAtRow(db, rowNumber, sqlState);
          const running = lane.export(pool, { userId: USER, batchSize: BATCH_SIZE });
          const { stream } = running;
          let isEnded = false;
          stream.once('end', () => (isEnded = true));
          const error = await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
          const { stage, relation } = error.details;
          assert.deepEqual(
            { stage, relation, sqlState: error.details.sqlState },
            { stage: 'read', relation: 'public.sync_changes', sqlState },
          );
          assert.equal(error.cause?.code, sqlState);
          assert.ok(error.details.rowCount < rowNumber);
          assert.ok(!isEnded);
          const { linesRead } = running;
          assert.ok(linesRead.length < rowNumber);
          assert.deepEqual(
            linesRead.map((line) => line.slice(12, 48)),
            eventIdsUpTo(linesRead.length),
          );
          await assertReusable(pool);
        }
      }));
  }

  test(`${lane.name}: F19 an error while the reader pauses: whoever waits for the client gets one at once`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      // Fat rows, so that the reader's pause is the socket's pause too.
      await fillLog(db, { rowCount: 4, dataBytes: 20_000 });
      await raiseAtRow(db, 4, '40001');
      const pool = db.pool();
      const running = lane.export(pool, { userId: USER, maxBatchBytes: 1 });
      await running.ready();
      const borrower = assertReusable(pool);
      await failsWith(running.text(), 'BACKUP_SOURCE_FAILED');
      await borrower;
    }));
}
