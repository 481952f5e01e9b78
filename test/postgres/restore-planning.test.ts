// Planning: the statements that mark the lines not to be written.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { TestDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';

/**
 * What every statement that marks lines does first, in a trigger on the restore's own table, which an event
 * trigger of the host's puts there.
 */
async function beforeMarking(db: TestDatabase, statement: string): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${statement}; RETURN NULL; END $$;
    CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'pg_temp.backup_streams_skip') THEN
        CREATE TRIGGER meddling BEFORE INSERT ON pg_temp.backup_streams_skip EXECUTE FUNCTION public.meddle();
      END IF; END $$;
    CREATE EVENT TRIGGER watching ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION watch()`);
}

test('planning is waited for beyond stallTimeoutMs: silence over much work is no failure', () =>
  withEmptyLog(async (db, pool) => {
    await restore(pool, lineText(1));
    await beforeMarking(db, 'PERFORM pg_sleep(1)');
    const startedAt = performance.now();
    const { presentCount } = await restore(pool, lineText(1), { stallTimeoutMs: 300 });
    assert.equal(presentCount, 1);
    // Lines are held against each other, then against the log.
    assert.ok(performance.now() - startedAt >= 2_000);
  }));

test('what fails while planning is told as of planning, also when writing was tried before', () =>
  withEmptyLog(async (db, pool) => {
    await beforeMarking(db, `RAISE EXCEPTION 'canary'`);
    const twice = lineText(1) + lineText(1);
    const { details } = await failsWith(restore(pool, twice), 'BACKUP_SINK_FAILED');
    assert.deepEqual([details.stage, details.sqlState], ['plan', 'P0001']);
    assert.equal(await countRows(db), 0);
    await assertReusable(pool);
  }));
