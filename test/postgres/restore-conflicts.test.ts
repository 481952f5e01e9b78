// Events whose id is taken: by the same event, by one with other content, by somebody else's.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STRANGER, USER, eventIdOf, rowOf } from '../support/change-log.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const TEXT = lineText(1) + lineText(2) + lineText(3);

const CHANGES: readonly (readonly [what: string, members: Readonly<Record<string, string>>])[] = [
  ['one letter of data', { data: '{"title": "canari"}' }],
  ['the scale of a number', { data: '{"title": "canary", "n": 1.0}' }],
  ['no data', { data: '{}' }],
  ['the app', { appId: '"notes"' }],
  ['the table', { table: '"lists"' }],
  ['the record', { id: '"row-9"' }],
  ['the op', { op: '"update"' }],
  ['the client', { clientId: '"client-b"' }],
  ['a microsecond', { createdAt: '"2026-04-14T10:00:02.000001Z"' }],
  ['the schema version', { schemaVersion: '2' }],
  ['field timestamps', { fieldTimestamps: '{"title": "2026-04-14T10:00:00Z"}' }],
];

for (const [what, members] of CHANGES) {
  test(`F43 the same id with other content stops it, and nothing is written: ${what}`, () =>
    withEmptyLog(async (db, pool) => {
      await restore(
        pool,
        lineText(
          2,
          what === 'the scale of a number' ? { data: '{"title": "canary", "n": 1.00}' } : {},
        ),
      );
      const text = lineText(1) + lineText(2, members) + lineText(3);
      const { details } = await failsWith(restore(pool, text), 'BACKUP_RESTORE_CONFLICT');
      assert.deepEqual(details, {
        reason: 'other-content',
        lineNumber: 2,
        eventId: eventIdOf(2),
        conflictCount: 1,
      });
      assert.equal(await countRows(db), 1);
      await assertReusable(pool);
    }));
}

test('other member order and spacing of data is the same content', () =>
  withEmptyLog(async (_db, pool) => {
    await restore(pool, lineText(1, { data: '{"a": 1, "bb": 2}' }));
    const report = await restore(pool, lineText(1, { data: '{ "bb":2,"a":1 }' }));
    assert.equal(report.presentCount, 1);
  }));

test('rows that an export writes alike are the same: versions below 1, and no data in any form', () =>
  withEmptyLog(async (db, pool) => {
    await db.insert([
      rowOf(1, { schema_version: 0 }),
      rowOf(2, { data: 'null' }),
      rowOf(3, { data: '{}', field_timestamps: 'null' }),
      rowOf(4, { data: null, field_timestamps: '{}' }),
    ]);
    await db.admin.query(`
      ALTER TABLE sync_changes ALTER schema_version DROP NOT NULL;
      UPDATE sync_changes SET schema_version = NULL WHERE record_id = 'row-2'`);
    const report = await restore(pool, await exportOf(pool));
    assert.deepEqual([report.newCount, report.presentCount], [0, 4]);
  }));

test('F43 keep-existing keeps what is there and counts, report lists every conflict', () =>
  withEmptyLog(async (_db, pool) => {
    await restore(pool, lineText(2, { data: '{"title": "mine"}' }));
    const kept = await restore(pool, TEXT, { onConflict: 'keep-existing' });
    assert.deepEqual([kept.newCount, kept.presentCount, kept.conflictCount], [2, 0, 1]);
    assert.equal(
      await exportOf(pool),
      lineText(1) + lineText(2, { data: '{"title": "mine"}' }) + lineText(3),
    );
    const many = Array.from({ length: 150 }, (_, n) => lineText(n + 10)).join('');
    await restore(pool, many);
    const other = many.replaceAll('canary', 'other');
    const reported = await restore(pool, other, { onConflict: 'report' });
    assert.equal(reported.conflicts.length, 150);
    assert.deepEqual(reported.conflicts[0], {
      lineNumber: 1,
      eventId: eventIdOf(10),
      reason: 'other-content',
    });
    for (const dryRun of [true, false]) {
      const counted = await restore(pool, other, { onConflict: 'keep-existing', dryRun });
      assert.deepEqual([counted.conflictCount, counted.conflicts.length], [150, 100]);
    }
  }));

test('L18 an event twice: identical is counted, other content is a conflict', () =>
  withEmptyLog(async (db, pool) => {
    const report = await restore(pool, TEXT + lineText(2));
    assert.deepEqual([report.newCount, report.repeatedCount, report.conflictCount], [3, 1, 0]);
    const again = await restore(pool, TEXT + lineText(2));
    assert.deepEqual([again.newCount, again.presentCount, again.repeatedCount], [0, 3, 1]);
    const text = lineText(4) + lineText(4, { data: '{"title": "other"}' });
    const { details } = await failsWith(restore(pool, text), 'BACKUP_RESTORE_CONFLICT');
    assert.deepEqual(details, {
      reason: 'repeated',
      lineNumber: 2,
      eventId: eventIdOf(4),
      conflictCount: 1,
    });
    assert.equal(await countRows(db), 3);
    const kept = await restore(pool, text, { onConflict: 'keep-existing' });
    assert.deepEqual([kept.newCount, kept.conflictCount], [1, 1]);
    assert.equal(await exportOf(pool), TEXT + lineText(4));
  }));

test('L18 an event twice is a conflict whatever of it differs', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query('ALTER TABLE sync_changes ADD actor jsonb');
    const log = { extraColumns: { actor: 'actor' } };
    const first = lineText(2);
    for (const [what, members] of [...CHANGES, ['an extra column', { actor: '1.0' }]] as const) {
      const { details } = await failsWith(
        restore(pool, first + lineText(2, members), { log }),
        'BACKUP_RESTORE_CONFLICT',
      );
      assert.deepEqual([details.reason, details.lineNumber], ['repeated', 2], what);
    }
    const [one, same] = ['1.0', '1.00'].map((actor) => lineText(3, { actor }));
    await failsWith(restore(pool, one! + same!, { log }), 'BACKUP_RESTORE_CONFLICT');
    assert.equal(await countRows(db), 0);
    assert.equal((await restore(pool, one! + one!, { log })).repeatedCount, 1);
  }));

test('into an empty log and into one that is not: the same report and the same rows', () =>
  withEmptyLog(async (db, pool) => {
    const other = lineText(2, { data: '{"title": "other"}' });
    for (const [text, onConflict] of [
      [TEXT, 'stop'],
      [TEXT + lineText(1), 'stop'],
      [TEXT + other, 'keep-existing'],
      [TEXT + other, 'report'],
    ] as const) {
      await db.admin.query('TRUNCATE sync_changes');
      const intoEmpty = await restore(pool, text, { onConflict });
      const exported = await exportOf(pool);
      await db.admin.query('TRUNCATE sync_changes');
      await restore(pool, lineText(9));
      assert.deepEqual(await restore(pool, text, { onConflict }), intoEmpty);
      assert.equal(await exportOf(pool), exported + lineText(9));
    }
  }));

for (const key of [
  '',
  'ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED',
  'ADD UNIQUE (id, created_at)',
]) {
  test(`L18 an event twice is written once, whatever the table itself refuses (${key || 'no key'})`, () =>
    withEmptyLog(async (db, pool) => {
      await db.admin.query('ALTER TABLE sync_changes DROP CONSTRAINT sync_changes_pkey');
      if (key !== '') await db.admin.query(`ALTER TABLE sync_changes ${key}`);
      const report = await restore(pool, TEXT + lineText(2));
      assert.deepEqual([report.newCount, report.repeatedCount], [3, 1]);
      assert.equal(await countRows(db), 3);
    }));
}

test('L18 what was written into an empty log is taken back when a later line is not new', () =>
  withEmptyLog(async (_db, pool) => {
    const lines = Array.from({ length: 20_050 }, (_, n) =>
      lineText(n + 1, { createdAt: `"${new Date(1.7e12 + n * 1_000).toISOString()}"` }).replace(
        '.000Z',
        'Z',
      ),
    );
    const written: number[] = [];
    const report = await restore(pool, lines.join('') + String(lines[2]), {
      onProgress: ({ phase, lineCount }) => {
        if (phase === 'write') written.push(lineCount);
      },
    });
    assert.deepEqual([report.newCount, report.repeatedCount], [20_050, 1]);
    assert.deepEqual(written, [20_000, 20_000, 20_051]);
    assert.equal(await exportOf(pool), lines.join(''));
  }));

for (const onConflict of ['stop', 'keep-existing', 'report'] as const) {
  test(`F42 hazard 21: an id of another user's is an error that does not say whose (${onConflict})`, () =>
    withEmptyLog(async (db, pool) => {
      await db.insert([rowOf(2, { user_id: STRANGER })]);
      const error = await failsWith(restore(pool, TEXT, { onConflict }), 'BACKUP_RESTORE_CONFLICT');
      assert.deepEqual(error.details, {
        reason: 'unavailable',
        lineNumber: 2,
        eventId: eventIdOf(2),
        conflictCount: 1,
      });
      assert.doesNotMatch(error.message + JSON.stringify(error), /user-/);
      assert.equal(await countRows(db), 1);
      await assertReusable(pool);
    }));
}

for (const data of ['{"title": "canary"}', '{"title": "theirs"}']) {
  test(`F42 where the filter alone tells whose rows are whose, another user's event is nobody else's: ${data}`, () =>
    withEmptyLog(async (db) => {
      await db.insert([rowOf(2, { user_id: STRANGER, data })]);
      // With a row of the user's own each line is planned; without one all are first taken for new.
      for (const own of [[], [rowOf(9)]]) {
        await db.insert(own);
        for (const onConflict of ['stop', 'keep-existing', 'report'] as const) {
          const options = { onConflict, rowSecurity: 'explicit-filter-only' } as const;
          const { details } = await failsWith(
            restore(db.admin, TEXT, options),
            'BACKUP_RESTORE_CONFLICT',
          );
          assert.deepEqual([details.reason, details.lineNumber], ['unavailable', 2]);
          assert.equal(await countRows(db), 1 + own.length);
        }
      }
    }));
}

test('rows that a trigger swallows are missed, not taken for restored', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(`
      CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.record_id = 'row-2' THEN RETURN NULL; END IF; RETURN NEW; END $$;
      CREATE TRIGGER swallow BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION swallow()`);
    const { details } = await failsWith(restore(pool, TEXT), 'BACKUP_RESTORE_CONFLICT');
    assert.equal(details.lineNumber, 2);
    assert.equal(await countRows(db), 0);
  }));

test('a row that comes in while it writes is found there, or stops it', () =>
  withEmptyLog(async (db, pool) => {
    // Planning has passed when `write` is entered: the hook of `plan` comes before it, so the row
    // is put in by a trigger at the first insert, as another session's commit would.
    for (const [text, isSame] of [
      [TEXT, true],
      [TEXT.replace('"id":"row-3"', '"id":"row-4"'), false],
    ] as const) {
      await db.admin.query(`
        TRUNCATE sync_changes;
        CREATE OR REPLACE FUNCTION intrude() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.record_id = 'row-1' AND NOT EXISTS (SELECT FROM sync_changes WHERE record_id = 'row-3') THEN
            INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
            VALUES ('${eventIdOf(3)}', 'todo', 'tasks', 'row-3', '${USER}', 'insert', '{"title": "canary"}',
                    'client-a', '2026-04-14T10:00:03Z');
          END IF; RETURN NEW; END $$;
        CREATE OR REPLACE TRIGGER intrude BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION intrude()`);
      if (isSame) {
        const report = await restore(pool, text);
        assert.equal(report.newCount + report.presentCount, 3);
        assert.equal(await exportOf(pool), TEXT);
      } else {
        const { details } = await failsWith(restore(pool, text), 'BACKUP_RESTORE_CONFLICT');
        assert.deepEqual([details.reason, details.lineNumber], ['other-content', 3]);
        assert.equal(await countRows(db), 0);
      }
    }
  }));

for (const [onConflict, listed] of [
  ['keep-existing', 100],
  ['report', 210],
] as const) {
  test(`F43 conflicts that come in while it writes are counted, and as many listed as of others (${onConflict})`, () =>
    withEmptyLog(async (db, pool) => {
      const numbers = (from: number, to: number): number[] =>
        Array.from({ length: to - from + 1 }, (_, index) => from + index);
      const intrude = (rowNumbers: readonly number[]): Promise<void> =>
        db.insert(rowNumbers.map((n) => rowOf(n, { record_id: `other-${String(n)}` })));
      await intrude(numbers(1, 60));
      let isIn = false;
      const lines = numbers(1, 260).map((n) => lineText(n));
      const report = await restore(pool, lines.join(''), {
        onConflict,
        batchSize: 50,
        onProgress: async ({ phase }) => {
          if (phase !== 'write' || isIn) return;
          isIn = true;
          await intrude(numbers(101, 250));
        },
      });
      assert.deepEqual([report.conflictCount, report.newCount], [210, 50]);
      const expected = [...numbers(1, 60), ...numbers(101, 250)].slice(0, listed);
      assert.deepEqual(
        report.conflicts.map(({ lineNumber }) => lineNumber),
        expected,
      );
      assert.equal(await countRows(db), 260);
    }));
}

test('F43 the conflict that is told is the one of the first line, by number', () =>
  withEmptyLog(async (db, pool) => {
    const lines = Array.from({ length: 12 }, (_, index) => lineText(index + 1));
    await db.insert([9, 10, 11].map((n) => rowOf(n, { record_id: 'other' })));
    const failing = restore(pool, lines.join(''));
    const { details } = await failsWith(failing, 'BACKUP_RESTORE_CONFLICT');
    assert.deepEqual([details.lineNumber, details.conflictCount], [9, 3]);
  }));
