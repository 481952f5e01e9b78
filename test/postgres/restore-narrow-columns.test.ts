// Columns with a length or a precision: what they hold comes back whole, and what they cannot hold is an error.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { failsWith } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const extraColumns = { code: 'code', tags: 'tags', flags: 'flags', price: 'price' };
const narrowLog = `
  ALTER TABLE sync_changes
    ALTER record_id TYPE char(26), ALTER client_id TYPE varchar(8), ALTER created_at TYPE timestamptz(3),
    ADD code char(5), ADD tags char(3)[], ADD flags bit(8), ADD price numeric(6, 2)`;

function narrowLine(rowNumber: number, members: Readonly<Record<string, string>> = {}): string {
  const line = lineText(rowNumber, {
    id: `"01ARZ3NDEKTSV4RRFFQ69G5FA${String(rowNumber)}"`,
    clientId: '"client-a"',
    createdAt: `"2026-04-14T10:00:0${String(rowNumber)}.123Z"`,
    code: '"hello"',
    tags: '["abc", "def"]',
    flags: '"10110011"',
    price: '1234.50',
  });
  return Object.entries(members).reduce(
    (text, [from, to]) => (assert.ok(text.includes(from)), text.replace(from, to)),
    line,
  );
}

test('what fits comes back as it is, and restoring it again finds it there', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(narrowLog);
    const text = narrowLine(1) + narrowLine(2, { hello: 'hi   ', '1234.50': '0.10' });
    const log = { extraColumns };
    assert.equal((await restore(pool, text, { log })).newCount, 2);
    assert.equal(await exportOf(pool, undefined, log), text);
    assert.equal((await restore(pool, text, { log })).presentCount, 2);
  }));

describe('what does not fit is an error, and nothing is written', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['record_id', 'a text that is too long', 'G5FA2', 'G5FA20'],
    ['record_id', 'a text whose end is spaces', 'G5FA2', 'G5FA '],
    ['client_id', 'a text that is too long for a varchar', 'client-a', 'client-ab'],
    ['created_at', 'a time with microseconds', '.123Z', '.1234Z'],
    ['code', 'an extra text that is too long', 'hello', 'hello!'],
    ['tags', 'an extra element that is too long', '"def"', '"defg"'],
    ['price', 'an extra number with more digits', '1234.50', '1234.505'],
    ['price', 'an extra number with fewer digits', '1234.50', '1234.5'],
  ];
  for (const [column, what, from, to] of cases) {
    for (const dryRun of [false, true]) {
      test(`${column}: ${what}${dryRun ? ', in a dry run' : ''}`, () =>
        withEmptyLog(async (db, pool) => {
          await db.admin.query(narrowLog);
          const text = narrowLine(1) + narrowLine(2, { [from]: to }) + narrowLine(3);
          const log = { extraColumns };
          const error = await failsWith(restore(pool, text, { log, dryRun }), 'BACKUP_SINK_FAILED');
          // Some of it Postgres refuses itself, once it is asked.
          const { sqlState } = error.details;
          if (sqlState === undefined) {
            assert.deepEqual([error.details.column, error.details.lineNumber], [column, 2]);
          } else assert.equal(sqlState, '22001');
          assert.equal(await countRows(db), 0);
        }));
    }
  }
});

test('a domain over a narrow type does not cut either', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(
      'CREATE DOMAIN short AS varchar(6); ALTER TABLE sync_changes ALTER record_id TYPE short',
    );
    assert.equal((await restore(pool, lineText(1))).newCount, 1);
    const error = await failsWith(restore(pool, lineText(100)), 'BACKUP_SINK_FAILED');
    assert.deepEqual([error.details.column, error.details.lineNumber], ['record_id', 1]);
  }));
