// The host's own columns in the line: after createdAt, in the order of the option, absent only for SQL NULL.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, linesOf, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

for (const lane of lanes) {
  test(`${lane.name}: extra columns keep their order, JSON null stays, SQL NULL is left out`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([1, 2, 3].map((n) => rowOf(n, { data: null })));
      await db.admin.query(`
        ALTER TABLE sync_changes ADD COLUMN actor jsonb, ADD COLUMN space_id text, ADD COLUMN "Size" numeric,
          ADD COLUMN raw json;
        UPDATE sync_changes SET actor = '{"id": 9007199254740993}', space_id = E'q"\\n\\u2028', "Size" = 1.50,
          raw = E'[1,\\n2]' WHERE record_id = 'row-1';
        UPDATE sync_changes SET actor = 'null', space_id = '' WHERE record_id = 'row-2';
      `);
      const extraColumns = { spaceId: 'space_id', __proto: 'Size', actor: 'actor', raw: 'raw' };
      const text = await lane.export(db.pool(), { userId: USER, log: { extraColumns } }).text();
      const tails = linesOf(text).map((line) => line.slice(line.indexOf('Z"') + 2));
      assert.deepEqual(tails, [
        // U+2028 stands in a JSON string as it is.
        ',"spaceId":"q\\"\\n\u2028","__proto":1.50,"actor":{"id": 9007199254740993},"raw":[1, 2]}',
        ',"spaceId":"","actor":null}',
        '}',
      ]);
    }));

  test(`${lane.name}: columns that are not named are not exported`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert([rowOf(1)]);
      const pool = db.pool();
      const before = await lane.export(pool, { userId: USER }).text();
      await db.admin.query(`ALTER TABLE sync_changes ADD COLUMN space_id text DEFAULT 'shared'`);
      assert.equal(await lane.export(pool, { userId: USER }).text(), before);
    }));
}
