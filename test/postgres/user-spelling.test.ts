// The user's id is found by its text: one that the column's type spells otherwise is refused, since it would find
// nothing and say nothing.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { exportRequestOf } from '../../src/postgres/export-options.js';
import { readLogFacts } from '../../src/postgres/log-facts.js';
import { checkUserSpelling } from '../../src/postgres/user-spelling.js';
import { rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { countRows, lineText, restore } from '../support/restored.js';

const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';

/** A type, the id as it was written, ids that find it, and ids that are refused. */
const CASES: readonly {
  readonly type: string;
  readonly stored: string;
  readonly found: readonly string[];
  readonly refused: readonly string[];
}[] = [
  {
    type: 'uuid',
    stored: UUID,
    found: [UUID],
    refused: [UUID.toUpperCase(), `{${UUID}}`, 'canary', UUID.replaceAll('-', '')],
  },
  { type: 'citext', stored: 'Anna', found: ['Anna'], refused: ['anna', 'ANNA'] },
  { type: 'char(10)', stored: 'anna', found: ['anna'], refused: ['annannannannanna'] },
  { type: 'varchar(5)', stored: 'anna', found: ['anna'], refused: ['annanna'] },
  { type: 'varchar', stored: 'anna', found: ['anna'], refused: [] },
  {
    type: 'bigint',
    stored: '42',
    found: ['42'],
    refused: ['042', '+42', '4_2', '99999999999999999999'],
  },
  { type: 'numeric', stored: '42.0', found: ['42.0'], refused: ['42', '42.00', '042'] },
  { type: 'numeric(9,1)', stored: '42.0', found: ['42.0'], refused: ['42', '42.04'] },
  { type: 'short', stored: 'anna', found: ['anna'], refused: ['annanna'] },
  { type: 'folded', stored: 'Anna', found: ['Anna'], refused: ['anna'] },
  { type: 'mood', stored: 'glad', found: ['glad'], refused: ['Glad'] },
];

/** Users of `stored`, one row each. */
async function createLog(
  db: TestDatabase,
  type: string,
  stored: readonly string[] = [],
): Promise<void> {
  await db.createChangeLog({ rowSecurity: false });
  await db.insert(stored.map((user, index) => rowOf(index + 1, { user_id: user })));
  await db.admin.query(`
    CREATE EXTENSION citext;
    CREATE DOMAIN short AS text CHECK (length(VALUE) < 6);
    CREATE DOMAIN folded AS citext;
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    ALTER TABLE sync_changes ALTER user_id TYPE ${type} USING user_id::${type},
      ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON sync_changes USING (user_id = current_setting('app.current_user_id', true)::${type});
  `);
}

for (const lane of lanes) {
  describe(`${lane.name}: an id of type`, () => {
    for (const { type, stored, found, refused } of CASES) {
      test(`${type} finds its rows as the column spells it, and is refused otherwise`, () =>
        withDatabase(async (db) => {
          await createLog(db, type, [stored]);
          const pool = db.pool();
          for (const userId of found) {
            const text = await lane.export(pool, { userId }).text();
            assert.match(text, /^[^\n]+\n$/);
          }
          for (const userId of refused) {
            const running = lane.export(pool, { userId });
            const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
            assert.deepEqual(error.details, {
              stage: 'check',
              rowCount: 0,
              relation: 'public.sync_changes',
              column: 'user_id',
            });
            assert.ok(!error.message.includes(userId));
            await assertReusable(pool);
          }
        }));
    }
  });

  test(`${lane.name}: rows of a user in several spellings are refused in each of them`, () =>
    withDatabase(async (db) => {
      await createLog(db, 'citext', ['Anna', 'anna']);
      for (const userId of ['Anna', 'anna']) {
        await failsWith(lane.export(db.pool(), { userId }).text(), 'BACKUP_SOURCE_FAILED');
      }
      assert.equal(await lane.export(db.pool(), { userId: 'bert' }).text(), '');
    }));
}

test('rows of other users are no other spelling, also where nothing but the filter hides them', () =>
  withDatabase(async (db) => {
    await createLog(db, 'citext', ['Anna', 'bert']);
    await db.admin.query('ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY');
    for (const lane of lanes) {
      const options = { userId: 'Anna', rowSecurity: 'explicit-filter-only' } as const;
      assert.match(await lane.export(db.pool(), options).text(), /^[^\n]+\n$/);
    }
  }));

test('the log itself is asked only where equal values may be spelt in many ways', () =>
  withDatabase(async (db) => {
    await db.admin.query('CREATE EXTENSION citext');
    const client = await db.pool().connect();
    let count = 0;
    const counting = Object.create(client, {
      query: {
        value: (text: string, values: unknown[]) => {
          count += 1;
          return client.query(text, values);
        },
      },
    }) as typeof client;
    try {
      for (const [type, userId, expected] of [
        ['text', 'anna', 0],
        ['varchar', 'anna', 0],
        ['varchar(5)', 'anna', 1],
        ['char(5)', 'anna', 1],
        ['name', 'anna', 1],
        ['smallint', '42', 1],
        ['integer', '42', 1],
        ['bigint', '42', 1],
        ['oid', '42', 1],
        ['uuid', UUID, 1],
        ['numeric', '42', 2],
        ['citext', 'anna', 2],
      ] as const) {
        const table = `log of ${type}`;
        await db.admin.query(`CREATE TABLE "${table}" (user_id ${type})`);
        await db.admin.query(`GRANT SELECT ON "${table}" TO ${db.appUser}`);
        const scope = exportRequestOf({ userId, log: { table } }, []);
        const facts = await readLogFacts(client, scope.log);
        const place = { stage: 'check', rowCount: 0, relation: table } as const;
        count = 0;
        await checkUserSpelling(counting, scope, { type: facts!.userType!, place });
        assert.equal(count, expected, type);
      }
    } finally {
      client.release();
    }
  }));

test('what fails for another reason than the id is told as what it is', () =>
  withDatabase(async (db) => {
    await createLog(db, 'text', ['anna']);
    await db.admin.query(`
      CREATE FUNCTION is_allowed(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
      REVOKE EXECUTE ON FUNCTION is_allowed FROM PUBLIC;
      CREATE DOMAIN allowed AS text CHECK (is_allowed(VALUE));
      DROP POLICY own ON sync_changes;
      ALTER TABLE sync_changes ALTER user_id TYPE allowed;
      CREATE POLICY own ON sync_changes USING (user_id = current_setting('app.current_user_id', true));
    `);
    for (const lane of lanes) {
      const running = lane.export(db.pool(), { userId: 'anna' });
      const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
      const { sqlState, column } = error.details;
      assert.deepEqual([sqlState, column], ['42501', undefined]);
    }
  }));

test('a restore refuses such an id too, before anything is written', () =>
  withDatabase(async (db) => {
    await createLog(db, 'uuid');
    const userId = UUID.toUpperCase();
    const error = await failsWith(
      restore(db.pool(), lineText(1), { userId }),
      'BACKUP_SINK_FAILED',
    );
    assert.deepEqual([error.details.stage, error.details.column], ['check', 'user_id']);
    assert.equal(await countRows(db), 0);
    assert.equal((await restore(db.pool(), lineText(1), { userId: UUID })).newCount, 1);
  }));

test('a connection that ends while the id is looked at says nothing of the id', () =>
  withDatabase(async (db) => {
    await createLog(db, 'uuid', [UUID]);
    const client = await db.pool().connect();
    try {
      const scope = exportRequestOf({ userId: UUID }, []);
      const facts = await readLogFacts(client, scope.log);
      // As `pg` tells it: without a code.
      const ended = new Error('Connection terminated unexpectedly');
      const ending = { query: () => Promise.reject(ended) } as unknown as typeof client;
      const place = { stage: 'check', rowCount: 0, relation: 'public.sync_changes' } as const;
      const checking = checkUserSpelling(ending, scope, { type: facts!.userType!, place });
      assert.equal(await failureOf(checking), ended);
    } finally {
      client.release();
    }
  }));
