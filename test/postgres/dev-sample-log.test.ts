// The made-up change logs: deterministic, of the promised kinds, and as large as they say.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { type BulkSize, insertBulkRows, measureJsonlBytes } from '../../dev/bulk-log.js';
import type { RowText } from '../../dev/row-text.js';
import { SAMPLE_USERS, sampleRows, writeRows } from '../../dev/sample-log.js';
import { withDatabase } from '../support/database.js';
import { lineVectors } from '../support/vectors.js';

const rows = [...sampleRows({ count: 2_000 })];

function digest(items: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(items)).digest('hex');
}

function distinct<K extends keyof RowText>(column: K): readonly RowText[K][] {
  return [...new Set(rows.map((row) => row[column]))].sort();
}

test('the same seed gives the same rows, on every machine', () => {
  assert.equal(digest(rows), '84da7ca1dc4ef633351f9f6d7eb0e091f841be8941a71a9bcd801704a432540a');
  assert.deepEqual([...sampleRows({ count: 50 })], rows.slice(0, 50));
  assert.notDeepEqual([...sampleRows({ count: 50, seed: 2 })], rows.slice(0, 50));
});

test('a sample has every op, schema version, user and shape of payload', () => {
  assert.deepEqual(distinct('op'), ['delete', 'insert', 'update']);
  assert.deepEqual(distinct('schema_version'), [0, 1, 2, 3]);
  assert.deepEqual(distinct('user_id'), [...SAMPLE_USERS].sort());
  assert.ok(distinct('app_id').length >= 5);
  const has = (op: string, fits: (row: RowText) => boolean): boolean =>
    rows.some((row) => row.op === op && fits(row));
  assert.ok(has('delete', (row) => row.data === null));
  assert.ok(has('delete', (row) => row.data?.startsWith('{"deletedAt":"2026-') ?? false));
  assert.ok(has('insert', (row) => row.field_timestamps === null));
  assert.ok(has('insert', (row) => /"enc:1:[^".]+\.[^"]+"/.test(row.data ?? '')));
  assert.ok(has('insert', (row) => /\{"iv":"[^"]+","ct":"[^"]+"\}/.test(row.data ?? '')));
  assert.ok(has('insert', (row) => row.data?.includes('12345678901234567890') ?? false));
  assert.ok(has('insert', (row) => /\p{Script=Han}/u.test(row.data ?? '')));
});

test('an update has a timestamp for each of its fields', () => {
  for (const row of rows.filter(({ op }) => op === 'update')) {
    const data = JSON.parse(row.data ?? '') as object;
    const timestamps = JSON.parse(row.field_timestamps ?? '') as object;
    assert.deepEqual(Object.keys(timestamps), Object.keys(data));
    for (const at of Object.values(timestamps)) {
      assert.match(String(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
  }
});

test('times rise, to the microsecond, and some are equal', () => {
  const times = rows.map((row) => row.created_at);
  assert.deepEqual(times, [...times].sort());
  const equalCount = times.length - new Set(times).size;
  assert.ok(equalCount > 20 && equalCount < 200, String(equalCount));
  assert.ok(times.some((time) => /\.\d{3}(?!000)\d{3}Z$/.test(time)));
});

test('the database takes the rows as they are', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    assert.equal(await writeRows(db.admin, sampleRows({ count: 4_500 })), 4_500);
    const { rows: counts } = await db.admin.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM sync_changes WHERE user_id = ANY($1)',
      [SAMPLE_USERS],
    );
    assert.deepEqual(counts, [{ n: 4_500 }]);
  }));

const SIZES: readonly {
  readonly size: BulkSize;
  readonly count: number;
  readonly lineBytes: number;
  readonly digest: string;
}[] = [
  { size: 'small', count: 10_000, lineBytes: 215, digest: 'ab4173feecbed92c10c9e9516ad24133' },
  { size: 'ordinary', count: 10_000, lineBytes: 540, digest: 'b38334a610b8f1122a9e733286a896f4' },
  { size: 'fat', count: 2, lineBytes: 5_000_220, digest: 'b709706c86b0b4975f6c29c8cece3a4d' },
];

for (const { size, count, lineBytes, digest: expected } of SIZES) {
  test(`bulk rows: ${size} lines have about ${String(lineBytes)} bytes and are the same every time`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await insertBulkRows(db.admin, { userId: 'bulk', count: count / 2, size });
      await insertBulkRows(db.admin, {
        userId: 'bulk',
        count: count / 2,
        size,
        firstNumber: count / 2 + 1,
      });
      const mean = (await measureJsonlBytes(db.admin, 'bulk')) / count;
      assert.ok(Math.abs(mean / lineBytes - 1) < 0.015, `${String(mean)} bytes`);
      const { rows: found } = await db.admin.query<{ digest: string; n: number }>(
        `SELECT md5(string_agg(md5(sync_changes::text), '' ORDER BY created_at, id)) AS digest, count(*)::int AS n
         FROM sync_changes`,
      );
      assert.deepEqual(found, [{ digest: expected, n: count }]);
    }));
}

test('ordinary bulk rows have every op and version, and what they change was inserted before', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await insertBulkRows(db.admin, { userId: 'bulk', count: 1_000 });
    const { rows: found } = await db.admin.query(
      `SELECT array_agg(DISTINCT op) AS ops, array_agg(DISTINCT schema_version) AS versions,
              bool_and(EXISTS (SELECT FROM sync_changes AS born
                               WHERE born.op = 'insert' AND born.app_id = log.app_id AND born.table_name = log.table_name
                                 AND born.record_id = log.record_id AND born.created_at <= log.created_at)) AS ordered
       FROM sync_changes AS log`,
    );
    assert.deepEqual(found, [
      { ops: ['delete', 'insert', 'update'], versions: [1, 2, 3], ordered: true },
    ]);
  }));

test('the size that the server counts is the size of the lines', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    const own = lineVectors.map(({ row }, index) => ({
      ...row,
      id: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    }));
    await db.insert(own);
    let expected = 0;
    for (const { line } of lineVectors) expected += Buffer.byteLength(line) + 1;
    assert.equal(await measureJsonlBytes(db.admin, 'user-1'), expected);
    assert.equal(await measureJsonlBytes(db.admin, 'nobody'), 0);
  }));
