// Extra columns whose text depends on the session's settings: spelt alike and whole, whatever is set for the role.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, linesOf, rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { exportOf, restore } from '../support/restored.js';

const extraColumns = { ratio: 'ratio', part: 'part', took: 'took', raw: 'raw', note: 'note' };
const log = { extraColumns };
const LAST = `"ratio":0.30000000000000004,"part":0.1,"took":"1 day 02:03:04","raw":"\\\\x00ff5c"}`;

const ROLE_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ['extra_float_digits', '0'],
  ['extra_float_digits', '-15'],
  ['IntervalStyle', 'iso_8601'],
  ['IntervalStyle', 'sql_standard'],
  ['bytea_output', 'escape'],
  ['xmlbinary', 'hex'],
  ['xmloption', 'document'],
];

async function createLog(db: TestDatabase): Promise<void> {
  await db.createChangeLog();
  await db.insert([rowOf(1)]);
  await db.admin.query(`
    ALTER TABLE sync_changes ADD ratio float8 DEFAULT 0.1::float8 + 0.2::float8, ADD part float4 DEFAULT 0.1,
      ADD took interval DEFAULT '1 day 02:03:04', ADD raw bytea DEFAULT '\\x00ff5c', ADD note text;
  `);
}

for (const lane of lanes) {
  test(`${lane.name}: numbers with all their digits, intervals and bytes are spelt alike for every role`, () =>
    withDatabase(async (db) => {
      await createLog(db);
      const expected = await lane.export(db.pool(), { userId: USER, log }).text();
      assert.ok(linesOf(expected)[0]?.includes(LAST), expected);
      for (const [name, value] of ROLE_SETTINGS) {
        await db.admin.query(`ALTER ROLE ${db.appUser} SET ${name} = '${value}'`);
        const text = await lane.export(db.pool(), { userId: USER, log }).text();
        assert.equal(text, expected, `${name} = ${value}`);
        await db.admin.query(`ALTER ROLE ${db.appUser} RESET ${name}`);
      }
    }));
}

test('what a role that spells otherwise restores is the same, and is there the next time', () =>
  withDatabase(async (db) => {
    await createLog(db);
    const text = await exportOf(db.pool(), USER, log);
    await db.admin.query('DELETE FROM sync_changes');
    for (const [name, value] of ROLE_SETTINGS) {
      await db.admin.query(`ALTER ROLE ${db.appUser} SET ${name} = '${value}'`);
    }
    assert.equal((await restore(db.pool(), text, { log })).newCount, 1);
    assert.equal(await exportOf(db.pool(), USER, log), text);
    assert.equal((await restore(db.pool(), text, { log })).presentCount, 1);
  }));
