// A log that lies elsewhere, under other names, in columns of other types: the lines are the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, linesOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

const UUID_USER = '6f9619ff-8b86-4011-b42d-00cf4fc964ff';

const HOSTILE_LOG = {
  schema: 'My "Schema"',
  table: 'Sync Changes; --',
  columns: {
    id: 'Event Id',
    appId: 'select',
    tableName: "it's",
    recordId: 'a"b',
    userId: 'user',
    op: '$1',
    data: 'DATA',
    fieldTimestamps: 'field.timestamps',
    clientId: '日本',
    createdAt: 'created at',
    schemaVersion: '%v',
  },
};

async function createHostileLog(db: TestDatabase): Promise<void> {
  await db.admin.query(`
    CREATE SCHEMA "My ""Schema""";
    CREATE TABLE "My ""Schema"""."Sync Changes; --" (
      "Event Id" text, "select" varchar(9), "it's" text, "a""b" text, "user" uuid, "$1" text, "DATA" json,
      "field.timestamps" json, "日本" text, "created at" timestamp, "%v" smallint
    );
    ALTER TABLE "My ""Schema"""."Sync Changes; --" ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON "My ""Schema"""."Sync Changes; --"
      USING ("user" = current_setting('app.current_user_id', true)::uuid);
    GRANT USAGE ON SCHEMA "My ""Schema""" TO ${db.appUser};
    GRANT SELECT ON "My ""Schema"""."Sync Changes; --" TO ${db.appUser};
  `);
  await db.admin.query(
    `INSERT INTO "My ""Schema"""."Sync Changes; --"
     SELECT '00000000-0000-4000-8000-00000000000' || n, 'todo', 'tasks', 'r' || n, $1, 'insert', $2, NULL, 'c',
            timestamp '2026-04-14 10:00:00.5' + n * interval '1 second', NULLIF(n, 2)
     FROM generate_series(1, 2) AS n`,
    [UUID_USER, '{"title":\n\r\n "Buy \\u006dilk", \t"n": 1.50}'],
  );
}

for (const lane of lanes) {
  test(`${lane.name}: hazard 16: hostile names, and columns of type text, uuid, timestamp, json and smallint`, () =>
    withDatabase(async (db) => {
      await createHostileLog(db);
      // Where a timestamp without zone would be read as local time, the lines would differ.
      await db.admin.query(`ALTER ROLE ${db.appUser} SET TimeZone = 'Asia/Kolkata'`);
      const text = await lane.export(db.pool(), { userId: UUID_USER, log: HOSTILE_LOG }).text();
      const line = (n: number, version: number): string =>
        `{"eventId":"00000000-0000-4000-8000-00000000000${String(n)}","schemaVersion":${String(version)},` +
        `"appId":"todo","table":"tasks","id":"r${String(n)}","op":"insert",` +
        `"data":{"n": 1.50, "title": "Buy milk"},"clientId":"c","createdAt":"2026-04-14T10:00:0${String(n)}.5Z"}`;
      assert.deepEqual(linesOf(text), [line(1, 1), line(2, 1)]);
    }));

  test(`${lane.name}: a name that differs in case only is another column`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.admin.query(`
        ALTER TABLE sync_changes ADD COLUMN "Client_Id" text DEFAULT 'upper';
        INSERT INTO sync_changes (app_id, table_name, record_id, user_id, op, client_id)
        VALUES ('todo', 'tasks', 'r', '${USER}', 'delete', 'lower');
      `);
      const pool = db.pool();
      const lower = await lane.export(pool, { userId: USER }).text();
      const log = { columns: { clientId: 'Client_Id' } };
      const upper = await lane.export(pool, { userId: USER, log }).text();
      assert.match(lower, /"clientId":"lower"/);
      assert.match(upper, /"clientId":"upper"/);
    }));
}
