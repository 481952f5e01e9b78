// What a transaction of this library's sets for itself, on a client that is set otherwise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { exportRequestOf } from '../../src/postgres/export-options.js';
import { applySettings, beginTransaction } from '../../src/postgres/scope.js';
import { withDatabase } from '../support/database.js';

// What the server waits for is watched from here first, which can say more: it comes a second later.
const EXPECTED: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmlbinary: 'base64',
  row_security: 'on',
  statement_timeout: '51s',
  lock_timeout: '7s',
  idle_in_transaction_session_timeout: '51s',
  enable_sort: 'off',
  jit: 'off',
  'app.current_user_id': 'user-1',
  // Sent after LATIN1 was left, or it would be read as two other characters.
  'app.tenant': `o'clock \\ é`,
};
// These came with versions 17 and 14.
const NEWER: Readonly<Record<string, string>> = {
  transaction_timeout: '51s',
  client_connection_check_interval: '500ms',
};
const OTHERWISE = [
  `SET client_encoding = 'LATIN1'`,
  `SET DateStyle = 'German, DMY'`,
  `SET TimeZone = 'Asia/Kathmandu'`,
  `SET IntervalStyle = 'sql_standard'`,
  `SET extra_float_digits = 0`,
  `SET bytea_output = 'escape'`,
  `SET xmlbinary = 'hex'`,
  `SET row_security = off`,
  `SET statement_timeout = '20s'`,
  `SET lock_timeout = '20s'`,
  `SET idle_in_transaction_session_timeout = '20s'`,
  `SET enable_sort = on`,
  `SET jit = on`,
  `SET app.current_user_id = 'user-2'`,
];
const OTHERWISE_NEWER = [
  `SET transaction_timeout = '20s'`,
  `SET client_connection_check_interval = '20s'`,
];

async function settingsOf(
  client: pg.ClientBase,
  names: readonly string[],
): Promise<(string | null)[]> {
  const settings: (string | null)[] = [];
  for (const name of names) {
    const { rows } = await client.query<{ value: string | null }>(
      `SELECT current_setting($1, true) AS value`,
      [name],
    );
    settings.push(rows[0]!.value);
  }
  return settings;
}

test('a transaction sets all that it needs, and leaves the client set as it was', () =>
  withDatabase(async (db) => {
    const client = await db.pool({ max: 1 }).connect();
    const known = await settingsOf(client, Object.keys(NEWER));
    const expected = new Map(Object.entries(EXPECTED));
    for (const [index, [name, value]] of Object.entries(NEWER).entries()) {
      if (known[index] === null) continue;
      expected.set(name, value);
      await client.query(OTHERWISE_NEWER[index]!);
    }
    for (const statement of OTHERWISE) await client.query(statement);
    const names = [...expected.keys()];
    const before = await settingsOf(client, names);
    const request = exportRequestOf(
      {
        userId: 'user-1',
        stallTimeoutMs: 7_000,
        maxDurationMs: 50_000,
        settings: { 'app.tenant': EXPECTED['app.tenant']! },
      },
      [],
    );

    await beginTransaction(client, 'ISOLATION LEVEL REPEATABLE READ READ ONLY', request);
    assert.equal(client.getTransactionStatus(), 'T');
    await applySettings(client, request);
    assert.deepEqual(await settingsOf(client, names), [...expected.values()]);
    const modes = ['transaction_isolation', 'transaction_read_only'];
    assert.deepEqual(await settingsOf(client, modes), ['repeatable read', 'on']);

    await client.query('COMMIT');
    // A setting of the host's own that was never set is empty from its first use on, and not missing.
    const restored = before.map((value) => value ?? '');
    assert.deepEqual(await settingsOf(client, names), restored);
    client.release();
  }));
