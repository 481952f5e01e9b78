// Wrong use is a TypeError or RangeError at the call, before the pool is asked for anything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';

import { pgChangeSource } from '../../src/postgres/index.js';
import { USER, eventIdOf, fillLog } from '../support/change-log.js';
import { collect } from '../support/collect.js';
import { withDatabase } from '../support/database.js';
import { type LaneOptions, lanes } from '../support/lanes.js';

const POSITION = { createdAt: '2026-04-14T10:00:00Z', eventId: eventIdOf(1) };

const NO_OPTIONS: readonly unknown[] = [undefined, null, 7, 'user-1', {}];

const WRONG_TYPES: readonly Readonly<Record<string, unknown>>[] = [
  { userId: '' },
  { userId: 'u'.repeat(256) },
  { userId: 'é'.repeat(128) },
  { userId: ' user-1' },
  { userId: 'user-1\n' },
  { userId: 'user-1\u00a0' },
  { userId: undefined },
  { userId: null },
  { userId: 7 },
  { userId: ['user-1'] },
  { userId: 'nul\0' },
  { userId: 'lone \ud800 surrogate' },
  { user: USER },
  { batchsize: 5 },
  { after: 'now' },
  { after: {} },
  { after: { ...POSITION, eventId: 'no uuid' } },
  { after: { ...POSITION, createdAt: '2026-04-14' } },
  { after: { ...POSITION, createdAt: '2026-04-14T10:00:00+02:00' } },
  { until: { createdAt: POSITION.createdAt } },
  { until: null },
  { apps: 'todo' },
  { apps: [] },
  { apps: [7] },
  { tables: ['nul\0'] },
  { tables: ['\udc00'] },
  { tables: new Set(['tasks']) },
  { rowSecurity: false },
  { rowSecurity: 'off' },
  { signal: {} },
  { signal: new AbortController() },
  { settings: { 'app.current_user_id': 'user-2' } },
  { settings: { 'APP.Current_User_ID': 'user-2' } },
  { settings: { row_security: 'off' } },
  { settings: { "app.x', 'y": 'z' } },
  { settings: { 'app.x': 7 } },
  { settings: { 'app.x': 'nul\0' } },
  { log: { tabel: 'sync_changes' } },
  { log: { table: '' } },
  { log: { table: 7 } },
  { log: { schema: 'nul\0' } },
  { log: { table: 'a'.repeat(64) } },
  { log: { table: 'ä'.repeat(32) } },
  { log: { columns: { owner: 'user_id' } } },
  { log: { columns: { userId: '' } } },
  { log: { extraColumns: { eventId: 'x' } } },
  { log: { extraColumns: { 'a b': 'x' } } },
  { log: { extraColumns: { actor: '' } } },
  { stallTimeoutMs: '300' },
  { stallTimeoutMs: 1.5 },
  { connectTimeoutMs: NaN },
  { maxBatchBytes: '1' },
];

const OUT_OF_RANGE: readonly Readonly<Record<string, unknown>>[] = [
  { connectTimeoutMs: 0 },
  { stallTimeoutMs: -1 },
  { sinkStallTimeoutMs: 0 },
  { maxDurationMs: 0 },
  // A Node timer of more than 2^31-1 ms fires at once.
  { maxDurationMs: 2 ** 31 },
  { stallTimeoutMs: 2 ** 31 },
  { maxBatchBytes: 0 },
];

/** A pool that must not be asked. */
function untouchable(): { readonly pool: pg.Pool; readonly callCount: () => number } {
  let calls = 0;
  const pool = { connect: () => Promise.reject(new Error(`call ${String((calls += 1))}`)) };
  return { pool: pool as unknown as pg.Pool, callCount: () => calls };
}

const shown = (options: object): string =>
  JSON.stringify(options, (_, value: unknown) =>
    value === undefined || Number.isNaN(value) ? String(value) : value,
  ).slice(0, 60);

for (const lane of lanes) {
  for (const options of WRONG_TYPES) {
    test(`${lane.name}: ${shown(options)} is a TypeError before any I/O`, () => {
      const { pool, callCount } = untouchable();
      const given = { userId: USER, ...options } as LaneOptions;
      assert.throws(() => lane.export(pool, given), TypeError);
      assert.equal(callCount(), 0);
    });
  }

  for (const options of OUT_OF_RANGE) {
    test(`${lane.name}: ${shown(options)} is a RangeError before any I/O`, () => {
      const { pool, callCount } = untouchable();
      const given = { userId: USER, ...options } as LaneOptions;
      assert.throws(() => lane.export(pool, given), RangeError);
      assert.equal(callCount(), 0);
    });
  }

  test(`${lane.name}: no options, no user or no pool is a TypeError before any I/O`, () => {
    const { pool, callCount } = untouchable();
    for (const options of NO_OPTIONS) {
      assert.throws(() => lane.export(pool, options as LaneOptions), TypeError);
    }
    for (const wrong of [undefined, null, {}, 'postgres://', { connect: 1 }]) {
      assert.throws(() => lane.export(wrong as unknown as pg.Pool, { userId: USER }), TypeError);
    }
    assert.equal(callCount(), 0);
  });

  test(`${lane.name}: options that are undefined count as left out`, () => {
    const { pool } = untouchable();
    lane.export(pool, {
      userId: USER,
      after: undefined,
      apps: undefined,
      log: undefined,
      settings: undefined,
      signal: undefined,
      rowSecurity: undefined,
      stallTimeoutMs: undefined,
    });
  });
}

for (const batchSize of [0, -1, 1.5, '5', 2 ** 31, null]) {
  test(`pgChangeSource: a batchSize of ${JSON.stringify(batchSize)} is refused before any I/O`, () => {
    const { pool, callCount } = untouchable();
    const options = { userId: USER, batchSize: batchSize as number };
    assert.throws(() => pgChangeSource(pool, options), /^(TypeError|RangeError)/);
    assert.equal(callCount(), 0);
  });
}

test('pgChangeSource: a second reading is a TypeError, by rows or by batches, and harms nothing', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 5 });
    const source = pgChangeSource(db.pool(), { userId: USER });
    const rows = source[Symbol.asyncIterator]();
    assert.throws(() => source[Symbol.asyncIterator](), TypeError);
    assert.throws(() => source.batches(), TypeError);
    assert.equal((await collect({ [Symbol.asyncIterator]: () => rows })).length, 5);
    assert.throws(() => source.batches(), TypeError);
  }));
