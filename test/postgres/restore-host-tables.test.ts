// Tables as hosts have them: what would make other rows of the lines than they say is an error, what is the
// host's own business is not, and the report says what is in the log.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import type { RestoreOptions } from '../../src/postgres/index.js';
import { STRANGER, USER, eventIdOf, rowOf } from '../support/change-log.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const TEXT = lineText(1) + lineText(2) + lineText(3);

/** Rows go through this plpgsql body, in which NEW is the row, before they are inserted. */
const triggerSql = (body: string): string => `
  CREATE OR REPLACE FUNCTION change_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$;
  CREATE OR REPLACE TRIGGER change_row BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION change_row()`;

describe('a trigger', () => {
  const changes: readonly (readonly [what: string, body: string])[] = [
    ['the time', 'NEW.created_at := now();'],
    [
      'the data of one row',
      `IF NEW.record_id = 'row-2' THEN NEW.data := '{"title": "other"}'; END IF;`,
    ],
    ['the owner of one row', `IF NEW.record_id = 'row-2' THEN NEW.user_id := 'user-2'; END IF;`],
    ['the id of one row', `IF NEW.record_id = 'row-2' THEN NEW.id := gen_random_uuid(); END IF;`],
  ];
  for (const [what, body] of changes) {
    for (const batchSize of [undefined, 2]) {
      test(`that changes ${what} fails the restore${batchSize === undefined ? '' : ', in batches'}`, () =>
        withEmptyLog(async (db, pool) => {
          await db.admin.query(triggerSql(body));
          const options = { batchSize, rowSecurity: 'explicit-filter-only' } as const;
          // Also as one to whom no policy applies, which would refuse some of it.
          for (const role of [pool, db.admin]) {
            const error = await failsWith(restore(role, TEXT, options), 'BACKUP_SINK_FAILED');
            assert.equal(error.details.stage, 'write');
            assert.equal(await countRows(db), 0);
          }
          await assertReusable(pool);
        }));
    }
  }

  test('that changes nothing of a line changes nothing of the restore', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`ALTER TABLE sync_changes ADD received_at timestamptz;
        ${triggerSql('NEW.received_at := clock_timestamp();')}`);
      const { newCount, repeatedCount } = await restore(pool, TEXT + lineText(2));
      assert.deepEqual([newCount, repeatedCount], [3, 1]);
      assert.equal(await exportOf(pool), TEXT);
      assert.equal((await restore(pool, TEXT + lineText(4))).presentCount, 3);
    }));

  test('that puts rows elsewhere makes new ones, where they are seen in the log', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`
        CREATE TABLE elsewhere (LIKE sync_changes INCLUDING ALL) INHERITS (sync_changes);
        GRANT SELECT, INSERT ON elsewhere TO ${db.appUser};
        CREATE FUNCTION move_row() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO elsewhere SELECT NEW.*; RETURN NULL; END $$;
        CREATE TRIGGER move_row BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION move_row()`);
      const first = await restore(pool, TEXT);
      assert.deepEqual([first.newCount, first.presentCount], [3, 0]);
      assert.equal(await exportOf(pool), TEXT);
      const second = await restore(pool, TEXT);
      assert.deepEqual([second.newCount, second.presentCount], [0, 3]);
    }));

  test('that puts rows elsewhere makes new ones also beside an event that came in meanwhile', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`
        CREATE TABLE elsewhere (LIKE sync_changes INCLUDING ALL) INHERITS (sync_changes);
        GRANT SELECT, INSERT ON elsewhere TO ${db.appUser};
        CREATE FUNCTION move_row() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO elsewhere SELECT NEW.* ON CONFLICT DO NOTHING; RETURN NULL; END $$;
        CREATE TRIGGER move_row BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION move_row()`);
      let isIn = false;
      const report = await restore(pool, TEXT + lineText(4), {
        onConflict: 'keep-existing',
        batchSize: 2,
        onProgress: async ({ phase }) => {
          if (phase !== 'write' || isIn) return;
          isIn = true;
          await db.insert([rowOf(3, { record_id: 'other' })]);
        },
      });
      const { newCount, presentCount, conflictCount } = report;
      assert.deepEqual(
        { newCount, presentCount, conflictCount },
        { newCount: 3, presentCount: 0, conflictCount: 1 },
      );
    }));
});

test('a policy that hides what it lets a user write fails the restore', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(`
      CREATE POLICY visible ON sync_changes AS RESTRICTIVE FOR SELECT USING (record_id <> 'row-2')`);
    await failsWith(restore(pool, TEXT), 'BACKUP_SINK_FAILED');
    assert.equal(await countRows(db), 0);
    assert.equal((await restore(pool, lineText(1) + lineText(3))).newCount, 2);
  }));

test('another unique key of the host’s is not taken for an id that is taken', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query('ALTER TABLE sync_changes ADD UNIQUE (user_id, record_id)');
    const text = TEXT + lineText(4, { id: '"row-2"' });
    for (const options of [{}, { onConflict: 'keep-existing' }, { batchSize: 10 }] as const) {
      const { details } = await failsWith(restore(pool, text, options), 'BACKUP_SINK_FAILED');
      assert.equal(details.sqlState, '23505');
      assert.equal(await countRows(db), 0);
    }
  }));

describe('a log that can hold an event more than once', () => {
  const plain = 'ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey';
  const byTime = `${plain}, ADD PRIMARY KEY (id, created_at)`;
  const again = (values: string): string => `
    INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
    SELECT '${eventIdOf(1)}', 'todo', 'tasks', 'row-1', '${USER}', 'insert', data, 'client-a', at
      FROM (VALUES ${values}) AS v (data, at)`;
  const same = `('{"title": "canary"}'::jsonb, '2026-04-14T10:00:01Z'::timestamptz)`;
  const later = `('{"title": "canary"}'::jsonb, '2026-04-14T11:00:00Z'::timestamptz)`;
  const text = lineText(1) + lineText(2);

  for (const [what, alter, rows] of [
    ['the same twice', plain, `${same}, ${same}`],
    ['four of them', plain, `${same}, ${same}, ${later}, ${same}`],
    ['one of them the same', byTime, `${later}, ${same}`],
  ] as const) {
    test(`has it when one of its rows is the same, and takes what it has not: ${what}`, () =>
      withEmptyLog(async (db, pool) => {
        await db.admin.query(`${alter}; ${again(rows)}`);
        const planned = await restore(pool, text, { dryRun: true });
        const done = await restore(pool, text);
        for (const report of [planned, done]) {
          assert.deepEqual(
            [report.lineCount, report.newCount, report.presentCount, report.conflictCount],
            [2, 1, 1, 0],
          );
        }
        const held = await db.admin.query(
          'SELECT record_id, data FROM sync_changes WHERE id = $1',
          [eventIdOf(2)],
        );
        assert.deepEqual(held.rows, [{ record_id: 'row-2', data: { title: 'canary' } }]);
      }));
  }

  test('has another event in its place when none of its rows is the same', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`${byTime}; ${again(`${later}, ('{}', '2026-04-14T12:00:00Z')`)}`);
      const report = await restore(pool, text, { onConflict: 'keep-existing' });
      assert.deepEqual([report.newCount, report.presentCount, report.conflictCount], [1, 0, 1]);
      assert.equal(await countRows(db), 3);
    }));

  test('is a parent of tables with keys of their own', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query(`
        CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (sync_changes);
        ${again(same)}; ${again(same).replace('INTO sync_changes', 'INTO heir')}`);
      const report = await restore(pool, text);
      assert.deepEqual([report.newCount, report.presentCount], [1, 1]);
      assert.equal(await countRows(db), 3);
    }));

  test('is written once by two restores in batches', () =>
    withEmptyLog(async (db) => {
      await db.admin.query(plain);
      const lines = Array.from({ length: 600 }, (_, index) => lineText(index + 1)).join('');
      const reports = await Promise.all(
        [1, 2].map(() => restore(db.pool(), lines, { batchSize: 20 })),
      );
      assert.deepEqual(reports.map(({ newCount }) => newCount).sort(), [0, 600]);
      assert.equal(await countRows(db), 600);
    }));
});

describe('a column of another type', () => {
  const options = (column: string, member?: string): Partial<RestoreOptions> =>
    member === undefined ? {} : { log: { extraColumns: { [member]: column } } };

  const wrong: readonly (readonly [
    alter: string,
    members: Record<string, string>,
    extra?: string,
  ])[] = [
    ['ALTER record_id TYPE bigint USING 0', { id: '"007"' }],
    ['ALTER client_id TYPE uuid USING NULL', { clientId: `"${eventIdOf(10).toUpperCase()}"` }],
    ['ALTER created_at TYPE date', {}],
    ['ALTER app_id TYPE name', { appId: `"${'a'.repeat(80)}"` }],
    ['ADD extra real', { more: '0.123456789012' }, 'extra'],
    ['ADD extra float8', { more: '0.12345678901234567890123' }, 'extra'],
    ['ADD extra date', { more: '"2026-04-14T10:00:00Z"' }, 'extra'],
    ['ADD extra text', { more: '12' }, 'extra'],
    ['ADD extra boolean', { more: '"yes"' }, 'extra'],
    ['ADD extra bigint', { more: '"12"' }, 'extra'],
  ];
  for (const [alter, members, extra] of wrong) {
    test(`that would hold another value is an error: ${alter}`, () =>
      withEmptyLog(async (db, pool) => {
        await db.admin.query(`ALTER TABLE sync_changes ${alter}`);
        const text = lineText(2, members) + lineText(3, members);
        for (const dryRun of [true, false]) {
          const given = { ...options('extra', extra && 'more'), dryRun };
          const { details } = await failsWith(restore(pool, text, given), 'BACKUP_SINK_FAILED');
          assert.equal(details.lineNumber, 1);
          assert.equal(details.column, extra ?? /ALTER (\w+)/.exec(alter)?.[1]);
        }
        assert.equal(await countRows(db), 0);
      }));
  }

  const right: readonly (readonly [
    alter: string,
    members: Record<string, string>,
    extra?: string,
  ])[] = [
    ['ALTER record_id TYPE bigint USING 0', { id: '"7"' }],
    ['ALTER client_id TYPE uuid USING NULL', { clientId: `"${eventIdOf(10)}"` }],
    ['ALTER created_at TYPE timestamp(0) USING NULL', {}],
    ['ALTER schema_version TYPE smallint', { schemaVersion: '3' }],
    ['ALTER data TYPE json USING NULL', { data: '{"n": 1.50, "title": null}' }],
    [`ALTER data SET DEFAULT '{}', ALTER data SET NOT NULL`, { data: '{}' }],
    ['ADD extra json', { more: 'null' }, 'extra'],
    ['ADD extra jsonb', { more: 'null' }, 'extra'],
    ['ADD extra float8', { more: '0.30000000000000004' }, 'extra'],
    ['ADD extra int[]', { more: '[1, 2]' }, 'extra'],
  ];
  for (const [alter, members, extra] of right) {
    test(`that holds the value gives it back, and has it the second time: ${alter}`, () =>
      withEmptyLog(async (db, pool) => {
        await db.admin.query(`ALTER TABLE sync_changes ${alter}`);
        const given = options('extra', extra && 'more');
        // Beside a line that has nothing for an extra column.
        const before = extra === undefined ? [] : [lineText(1)];
        const lines = [...before, lineText(2, members)];
        const text = lines.join('').replace('"data":{},', '');
        assert.equal((await restore(pool, lines.join(''), given)).newCount, lines.length);
        assert.equal(await exportOf(pool, USER, given.log), text);
        assert.equal((await restore(pool, text, given)).presentCount, lines.length);
      }));
  }

  test('a domain over jsonb keeps the null of JSON', () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query('CREATE DOMAIN doc AS jsonb; ALTER TABLE sync_changes ADD extra doc');
      const text = lineText(1, { more: 'null' });
      const given = options('extra', 'more');
      await restore(pool, text, given);
      assert.equal(await exportOf(pool, USER, given.log), text);
    }));
});

test('a line without data is a row without data', () =>
  withEmptyLog(async (db, pool) => {
    await restore(pool, lineText(1).replace('"data":{"title": "canary"},', ''));
    const { rows } = await db.admin.query('SELECT data FROM sync_changes');
    assert.deepEqual(rows, [{ data: null }]);
  }));

test('a column that stands for two members is a TypeError: one of the values would be lost', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query('ALTER TABLE sync_changes ADD actor jsonb');
    for (const log of [
      { extraColumns: { payload: 'data' } },
      { extraColumns: { owner: 'user_id' } },
      { extraColumns: { a: 'actor', b: 'actor' } },
      { columns: { tableName: 'app_id' } },
    ]) {
      await assert.rejects(restore(pool, TEXT, { log }), TypeError);
    }
    assert.equal(await countRows(db), 0);
  }));

test('batches are committed after as many lines as asked for, however many a statement takes', () =>
  withEmptyLog(async (db, pool) => {
    const lines = Array.from({ length: 45_000 }, (_, n) =>
      lineText(n + 1, { createdAt: `"${new Date(1.7e12 + n * 1_000).toISOString()}"` }).replace(
        '.000Z',
        'Z',
      ),
    );
    const committed: number[] = [];
    await restore(pool, lines.join(''), {
      batchSize: 30_000,
      onProgress: async ({ phase, totalCount }) => {
        if (phase !== 'write') return;
        assert.equal(totalCount, 45_000);
        committed.push(await countRows(db));
      },
    });
    assert.deepEqual(committed, [0, 30_000, 30_000]);
  }));

test('a conflict in a later batch says that the batches before it stay', () =>
  withEmptyLog(async (db, pool) => {
    await db.insert([rowOf(3, { user_id: STRANGER })]);
    const error = await failsWith(restore(pool, TEXT, { batchSize: 1 }), 'BACKUP_RESTORE_CONFLICT');
    assert.match(error.message, /are committed/);
    assert.equal(await countRows(db), 3);
  }));

test('another restore of the user is waited for beyond stallTimeoutMs: silence is no failure of the database', () =>
  withEmptyLog(async (db, pool) => {
    const other = await db.admin.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `backup-streams/restore/public.sync_changes/${USER}`,
      ]);
      const done = other.query('SELECT pg_sleep(1); COMMIT');
      let isDone = false;
      const restoring = restore(pool, TEXT, { stallTimeoutMs: 300 }).then((report) => {
        assert.ok(isDone);
        return report;
      });
      await Promise.all([done.then(() => (isDone = true)), restoring]);
      assert.equal((await restoring).newCount, 3);
    } finally {
      other.release();
    }
  }));

describe('F41 what may succeed the next time', () => {
  // A sequence counts what a rollback takes back.
  const failing = (code: string, times: number): string => `
    CREATE SEQUENCE attempts;
    GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
    ${triggerSql(
      `IF NEW.record_id = 'row-2' AND nextval('attempts') <= ${String(times)} THEN
         RAISE EXCEPTION 'canary' USING ERRCODE = '${code}';
       END IF;`,
    )}`;

  for (const code of ['40P01', '40001']) {
    test(`${code} is tried again, and in the end every row is there once`, () =>
      withEmptyLog(async (db, pool) => {
        await db.admin.query(failing(code, 4));
        const report = await restore(pool, TEXT);
        assert.deepEqual([report.ok, report.newCount], [true, 3]);
        assert.equal(await exportOf(pool), TEXT);
      }));

    test(`${code} is tried four times after all at once, and then the restore has failed`, () =>
      withEmptyLog(async (db, pool) => {
        await db.admin.query(failing(code, 5));
        const error = await failsWith(restore(pool, TEXT), 'BACKUP_SINK_FAILED');
        assert.equal(error.details.sqlState, code);
        assert.equal(await countRows(db), 0);
        const { rows } = await db.admin.query('SELECT last_value::int FROM attempts');
        assert.deepEqual(rows, [{ last_value: 5 }]);
        await assertReusable(pool);
      }));
  }
});

test("a column of the host's that must be given is named, and nothing is written", () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query('ALTER TABLE sync_changes ADD COLUMN origin text NOT NULL');
    const { details } = await failsWith(restore(pool, TEXT), 'BACKUP_SINK_FAILED');
    assert.deepEqual([details.sqlState, details.column], ['23502', 'origin']);
    assert.equal(await countRows(db), 0);
  }));

test('a trigger that changes a row of a later batch fails it, and the batch before it stays', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(
      triggerSql(`IF NEW.record_id = 'row-3' THEN NEW.client_id := 'other'; END IF;`),
    );
    await failsWith(restore(pool, TEXT, { batchSize: 2 }), 'BACKUP_SINK_FAILED');
    assert.equal(await countRows(db), 2);
  }));

test('of several unique keys with the id the narrowest decides whether it is taken', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(`
      ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey;
      CREATE UNIQUE INDEX a_wide ON sync_changes (id, user_id);
      ALTER TABLE sync_changes ADD PRIMARY KEY (id);
      CREATE UNIQUE INDEX z_wide ON sync_changes (user_id, id)`);
    await restore(pool, lineText(2), { userId: STRANGER });
    const { details } = await failsWith(restore(pool, TEXT), 'BACKUP_RESTORE_CONFLICT');
    assert.deepEqual([details.reason, details.lineNumber], ['unavailable', 2]);
    const { newCount } = await restore(pool, lineText(1) + lineText(3));
    assert.equal(newCount, 2);
    assert.equal((await restore(pool, lineText(1))).presentCount, 1);
  }));
