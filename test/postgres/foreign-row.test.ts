// A row of somebody else that gets past filter and policies is not handed on, and ends the export.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STRANGER, USER, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

const ROW_COUNT = 30;

/** A view whose user column says one thing to the filter, and at row `rowNumber` another to the reader. */
async function createLyingView(db: TestDatabase, rowNumber: number): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION lie(record_id text, user_id text) RETURNS text LANGUAGE plpgsql STABLE AS $$
    BEGIN
      IF record_id <> 'row-${String(rowNumber)}' THEN RETURN user_id; END IF;
      IF current_setting('lie.asked', true) = 'before' THEN RETURN '${STRANGER}'; END IF;
      PERFORM set_config('lie.asked', 'before', true);
      RETURN user_id;
    END $$;
    CREATE VIEW lying AS SELECT *, lie(record_id, user_id) AS shown_user FROM sync_changes;
    GRANT SELECT ON lying TO ${db.appUser};
  `);
}

for (const lane of lanes) {
  for (const rowNumber of [1, 2, 10, 11, ROW_COUNT]) {
    test(`${lane.name}: F6 a foreign row at place ${String(rowNumber)} is never handed on`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: ROW_COUNT });
        await createLyingView(db, rowNumber);
        const pool = db.pool();
        const running = lane.export(pool, {
          userId: USER,
          batchSize: 10,
          rowSecurity: 'explicit-filter-only',
          log: { table: 'lying', columns: { userId: 'shown_user' } },
        });
        const error = await failsWith(running.text(), 'BACKUP_TENANCY_MISMATCH');
        assert.deepEqual(error.details, { found: 'row', rowCount: rowNumber });
        const { linesRead } = running;
        assert.ok(linesRead.length < rowNumber);
        assert.deepEqual(
          linesRead.map((line) => line.slice(12, 48)),
          eventIdsUpTo(linesRead.length),
        );
        await assertReusable(pool);
      }));
  }
}
