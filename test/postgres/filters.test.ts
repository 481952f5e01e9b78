// Filters by apps and tables: names are values, whatever characters they have and however many they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdOf, eventIdsOf, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

const NAMES = [
  '',
  'NULL',
  'a"b',
  'a\\b',
  'a,b',
  '{a}',
  "a'b",
  'a b',
  '日本',
  '__proto__',
  '$1',
  '--',
  '\n',
  'A',
];

for (const lane of lanes) {
  for (const [option, column] of [
    ['apps', 'app_id'],
    ['tables', 'table_name'],
  ] as const) {
    test(`${lane.name}: ${option} picks each of the oddest names alone`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await db.insert(NAMES.map((name, index) => rowOf(index, { [column]: name })));
        const pool = db.pool();
        for (const [index, name] of NAMES.entries()) {
          const text = await lane.export(pool, { userId: USER, [option]: [name] }).text();
          assert.deepEqual(eventIdsOf(text), [eventIdOf(index)], JSON.stringify(name));
        }
        const all = await lane.export(pool, { userId: USER, [option]: NAMES }).text();
        assert.deepEqual(
          eventIdsOf(all),
          NAMES.map((_, index) => eventIdOf(index)),
        );
        const none = await lane.export(pool, { userId: USER, [option]: ['a', '"'] }).text();
        assert.equal(none, '');
      }));

    test(`${lane.name}: ${option} takes 10,000 names`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        const wanted = [1, 5_000, 9_999];
        await db.insert(
          [...wanted, 10_000].map((n) => rowOf(n, { [column]: `name-${String(n)}` })),
        );
        const names = Array.from({ length: 10_000 }, (_, n) => `name-${String(n)}`);
        const text = await lane.export(db.pool(), { userId: USER, [option]: names }).text();
        assert.deepEqual(eventIdsOf(text).toSorted(), wanted.map(eventIdOf).toSorted());
      }));
  }

  test(`${lane.name}: apps and tables both hold`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([
        rowOf(1, { app_id: 'a', table_name: 'x' }),
        rowOf(2, { app_id: 'a', table_name: 'y' }),
        rowOf(3, { app_id: 'b', table_name: 'x' }),
      ]);
      const options = { userId: USER, apps: ['a', 'c'], tables: ['x'] };
      const text = await lane.export(db.pool(), options).text();
      assert.deepEqual(eventIdsOf(text), [eventIdOf(1)]);
    }));
}
