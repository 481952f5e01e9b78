// The index gives the order: no export sorts a user's log, whatever filters it has and whatever the statistics say.
// (That the first row comes at once follows from it, and is no test: it would be a stopwatch.)
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdOf, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { type Lane, type LaneOptions, lanes } from '../support/lanes.js';

const POSITION = { createdAt: '2026-01-01T00:05:00Z', eventId: eventIdOf(300) };

const OPTIONS: Readonly<Record<string, Partial<LaneOptions>>> = {
  'the whole log': {},
  'after a position': { after: POSITION },
  'up to a position': { until: POSITION },
  'some apps and tables': { apps: ['todo', 'notes'], tables: ['tasks'] },
};

/** The plan of an export's own query, as the server tells it after running it. */
async function planOf(
  db: TestDatabase,
  lane: Lane,
  options: Partial<LaneOptions>,
): Promise<string> {
  const pool = db.pool();
  const notices: string[] = [];
  pool.on('connect', (client) => client.on('notice', ({ message }) => notices.push(message ?? '')));
  await lane.export(pool, { userId: USER, ...options }).text();
  const plans = notices.filter((notice) => notice.includes('ORDER BY'));
  assert.equal(plans.length, 1);
  return plans[0]?.replace(/^.*ORDER BY[^\n]*\n/s, '') ?? '';
}

async function explainToClient(db: TestDatabase): Promise<void> {
  for (const [name, value] of [
    ['session_preload_libraries', 'auto_explain'],
    ['auto_explain.log_min_duration', '0'],
    ['auto_explain.log_level', 'notice'],
  ]) {
    await db.admin.query(`ALTER ROLE ${db.appUser} SET ${name ?? ''} = '${value ?? ''}'`);
  }
}

for (const lane of lanes) {
  for (const [name, options] of Object.entries(OPTIONS)) {
    test(`${lane.name}: ${name} comes in the order of the index, without a sort`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await explainToClient(db);
        await fillLog(db, { userId: 'user-3', rowCount: 20 });
        // One user with nearly every row, where scanning the table and sorting it looks cheap.
        await fillLog(db, { rowCount: 3_000 });
        const known = await planOf(db, lane, options);
        assert.match(known, /Index Scan using sync_changes_export_order/);
        assert.doesNotMatch(known, /Sort|Bitmap/);
        // Without statistics, as after a restore.
        await db.admin.query(`DELETE FROM pg_statistic WHERE starelid = 'sync_changes'::regclass`);
        const unknown = await planOf(db, lane, options);
        assert.match(unknown, /Index Scan using sync_changes_export_order/);
        assert.doesNotMatch(unknown, /Sort|Bitmap/);
      }));
  }

  test(`${lane.name}: without the index the export sorts, and is the same`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.admin.query('DROP INDEX sync_changes_export_order');
      await fillLog(db, { rowCount: 1_000 });
      const text = await lane.export(db.pool(), { userId: USER }).text();
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(1_000));
    }));
}
