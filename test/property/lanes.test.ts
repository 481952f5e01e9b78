// Both lanes over generated logs in a real server: the same bytes, the same summary, the same flushes, whatever
// is filtered and however it is cut. Each test names its seed; a log depends on nothing else.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import type pg from 'pg';

import { SeededRandom } from '../../dev/random.js';
import type { RowText } from '../../dev/row-text.js';
import {
  type ExportSummary,
  type FlushProgress,
  JsonlSerializer,
  type Position,
} from '../../src/index.js';
import { type PgExportOptions, pgChangeSource, pgExportStream } from '../../src/postgres/index.js';
import { linesOf } from '../support/change-log.js';
import { collectBytes } from '../support/collect.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { settlesWithin } from '../support/deadline.js';
import { lineVectors } from '../support/vectors.js';

const USERS = ['user-1', 'user-2', 'Ünïcode "\\'] as const;
const APPS = ['todo', 'notes', '日本', 'a"b\\c', ''] as const;
const TABLES = ['tasks', 'a\nb', '😀', 'NULL'] as const;

// What writers of JSON get wrong: quotes, controls, DEL, separators, BOM, astral, what looks like an escape.
const CHARACTERS = [
  ...['a', '"', '\\', '/', '\n', '\r', '\t', '\b', '\f', '\u0001', '\u001f', '\u007f', '\u0080'],
  ...['\u2028', '\u2029', '\ufeff', '\ufffd', '\uffff', 'é', '日', '😀', '\u{10ffff}', '\\u0041'],
  ...['<', '&', "'", '{', '}', ',', ' '],
] as unknown as readonly [string, ...string[]];

const NUMBERS = [
  ...['0', '-0', '-0.0', '1.50', '0.1000', '9007199254740993', '-12345678901234567890123'],
  ...['1e400', '1e-400', '1E+2', '3.141592653589793238462643383279', '2147483648'],
] as unknown as readonly [string, ...string[]];

const TIMES = [
  ...['2026-04-14T10:00:00Z', '2026-04-14T10:00:00.000001Z', '2026-04-14T10:00:00.123456Z'],
  ...['2026-04-14T12:00:00.5+02:00', '1999-12-31T23:59:59.999999Z', '1969-07-20T20:17:40.000001Z'],
  ...['0001-01-01T00:00:00Z', '0004-02-29T00:00:00.1Z', '9999-12-31T23:59:59.999999Z'],
  ...['1900-02-28T23:59:59Z', '2000-01-01T00:00:00Z', '2024-02-29T23:59:59.99Z'],
] as unknown as readonly [string, ...string[]];

function anyText(random: SeededRandom, longest: number): string {
  const length = random.chance(0.1) ? 0 : random.integer(0, longest);
  return Array.from({ length }, () => random.pick(CHARACTERS)).join('');
}

function anyJson(random: SeededRandom, depth: number): string {
  const kind = random.integer(0, depth > 0 ? 7 : 4);
  if (kind <= 1) return JSON.stringify(anyText(random, 12));
  if (kind === 2) return random.pick(NUMBERS);
  if (kind <= 4) return random.pick(['null', 'true', 'false', '{}', '[]', '" "']);
  const values = Array.from({ length: random.integer(0, 4) }, () => anyJson(random, depth - 1));
  if (kind === 5) return `[${values.join(' , ')}]`;
  const names = ['__proto__', 'constructor', '', 'a', '10', 'deletedAt'] as const;
  return `{${values
    .map((value) => {
      const name = random.chance(0.5) ? random.pick(names) : anyText(random, 6);
      return `${JSON.stringify(name)}: ${value}`;
    })
    .join(',\n')}}`;
}

function anyData(random: SeededRandom): string | null {
  const kind = random.integer(0, 39);
  if (kind < 4) return null;
  if (kind < 8) return random.pick(['null', '{}', ' { } ', '[]', '""', '0']);
  if (kind === 8) return `${'['.repeat(1000)}1.50${']'.repeat(1000)}`;
  if (kind === 9) return `${'{"a":'.repeat(1000)}1e400${'}'.repeat(1000)}`;
  if (kind === 10) return JSON.stringify({ long: anyText(random, 40_000) });
  return anyJson(random, 4);
}

function anyRow(random: SeededRandom): RowText {
  const everyText = (longest: number): string => anyText(random, longest);
  return {
    id: random.chance(0.2) ? random.uuid().toUpperCase() : random.uuid(),
    app_id: random.chance(0.8) ? random.pick(APPS) : everyText(20),
    table_name: random.chance(0.8) ? random.pick(TABLES) : everyText(20),
    record_id: everyText(random.chance(0.02) ? 5000 : 30),
    user_id: random.chance(0.75) ? USERS[0] : random.pick(USERS),
    op: random.pick(['insert', 'update', 'delete']),
    data: anyData(random),
    field_timestamps: random.chance(0.5) ? '{}' : anyData(random),
    client_id: everyText(15),
    // Often the same time, so that the event id decides.
    created_at: random.chance(0.6)
      ? random.pick(TIMES)
      : `2026-04-14T10:00:00.${String(random.integer(0, 999_999)).padStart(6, '0')}Z`,
    schema_version: random.pick([null, 0, -3, -2_147_483_648, 1, 1, 2, 7, 2_147_483_647]),
  };
}

/** A log of `rowCount` rows and the vectors, with columns of the host's own. */
async function fill(db: TestDatabase, random: SeededRandom, rowCount: number): Promise<void> {
  await db.createChangeLog();
  await db.admin.query(`
    ALTER TABLE sync_changes ALTER COLUMN schema_version DROP NOT NULL, ALTER COLUMN client_id TYPE varchar,
      ADD COLUMN actor jsonb, ADD COLUMN space_id text, ADD COLUMN size numeric, ADD COLUMN raw json;
  `);
  const vectors = lineVectors.map(({ row }) => ({ ...row, id: random.uuid() }));
  await db.insert([...vectors, ...Array.from({ length: rowCount }, () => anyRow(random))]);
  const { rows } = await db.admin.query<{ id: string }>('SELECT id FROM sync_changes ORDER BY id');
  const extra = rows.map(({ id }) => [
    id,
    random.chance(0.5) ? anyData(random) : null,
    random.chance(0.5) ? anyText(random, 10) : null,
    random.chance(0.5) ? random.pick(NUMBERS) : null,
  ]);
  await db.admin.query(
    `UPDATE sync_changes AS c SET actor = e.actor, space_id = e.space_id, size = e.size, raw = e.actor::text::json
       FROM unnest($1::uuid[], $2::jsonb[], $3::text[], $4::numeric[]) AS e(id, actor, space_id, size)
      WHERE c.id = e.id`,
    [0, 1, 2, 3].map((column) => extra.map((values) => values[column])),
  );
}

/** How rows and lines are cut: nothing of it may show in the bytes. */
interface Cutting {
  readonly flushEvery?: number;
  readonly isAsync?: boolean;
  readonly batchSize?: number;
  readonly maxBatchBytes?: number;
}

interface Outcome {
  readonly bytes: Buffer;
  readonly summary: ExportSummary;
  readonly flushes: readonly FlushProgress[];
  readonly progress: FlushProgress;
}

function flushOptions(cutting: Cutting, flushes: FlushProgress[]) {
  const { flushEvery, isAsync = false } = cutting;
  return {
    flushEvery,
    onFlush: (progress: FlushProgress): unknown => {
      flushes.push(progress);
      return isAsync ? new Promise(setImmediate) : undefined;
    },
  };
}

async function exportRows(
  pool: pg.Pool,
  options: PgExportOptions,
  cutting: Cutting,
): Promise<Outcome> {
  const flushes: FlushProgress[] = [];
  const { batchSize, maxBatchBytes } = cutting;
  const source = pgChangeSource(pool, { ...options, batchSize, maxBatchBytes });
  const serializer = new JsonlSerializer(flushOptions(cutting, flushes));
  const sink = new PassThrough();
  const [bytes] = await Promise.all([
    collectBytes(sink),
    pipeline(source.batches(), serializer, sink),
  ]);
  return { bytes, summary: serializer.summary(), flushes, progress: serializer.progress };
}

async function exportBytes(
  pool: pg.Pool,
  options: PgExportOptions,
  cutting: Cutting,
): Promise<Outcome> {
  const flushes: FlushProgress[] = [];
  const { maxBatchBytes } = cutting;
  const stream = pgExportStream(pool, {
    ...options,
    maxBatchBytes,
    ...flushOptions(cutting, flushes),
  });
  const bytes = await collectBytes(stream);
  return { bytes, summary: stream.summary(), flushes, progress: stream.progress };
}

/** Exports by both lanes, which must agree with each other and with themselves. */
async function assertSame(
  pool: pg.Pool,
  options: PgExportOptions,
  cutting: Cutting,
  label: string,
): Promise<Outcome> {
  const what = `${label} ${JSON.stringify(options)} ${JSON.stringify(cutting)}`;
  const rows = await settlesWithin(exportRows(pool, options, cutting), 20_000, what);
  const bytes = await settlesWithin(exportBytes(pool, options, cutting), 20_000, what);
  if (!bytes.bytes.equals(rows.bytes)) assertSameLines(bytes.bytes, rows.bytes, what);
  assert.deepEqual(bytes.summary, rows.summary, what);
  assert.deepEqual(bytes.flushes, rows.flushes, what);
  assert.deepEqual(bytes.progress, rows.progress, what);
  const sha256 = createHash('sha256').update(bytes.bytes).digest('hex');
  assert.equal(bytes.summary.sha256, sha256, what);
  assert.equal(bytes.summary.byteCount, bytes.bytes.length, what);
  assert.deepEqual(bytes.progress, { lines: bytes.summary.eventCount, bytes: bytes.bytes.length });
  return bytes;
}

/** Names the line that differs, since whole exports are too much to read. */
function assertSameLines(actual: Buffer, expected: Buffer, what: string): never {
  const expectedLines = expected.toString().split('\n');
  for (const [index, line] of actual.toString().split('\n').entries()) {
    assert.equal(line, expectedLines[index], `${what} line ${index + 1}`);
  }
  assert.fail(`${what}: the lanes’ bytes differ`);
}

const EXTRA = { spaceId: 'space_id', actor: 'actor', size: 'size', raw: 'raw', at: 'created_at' };

/** Every combination of the filters, with positions that are in the log and one that is not. */
function filtersOf(random: SeededRandom, positions: readonly Position[]): PgExportOptions[] {
  const anyPosition = (): Position =>
    random.chance(0.2)
      ? { createdAt: '2026-04-14T10:00:00.5Z', eventId: random.uuid() }
      : random.pick(positions as readonly [Position, ...Position[]]);
  return Array.from({ length: 16 }, (_, bits) => ({
    userId: USERS[0],
    ...(bits & 1 && { apps: [random.pick(APPS), random.pick(APPS), 'none'] }),
    ...(bits & 2 && { tables: [random.pick(TABLES), random.pick(TABLES)] }),
    ...(bits & 4 && { after: anyPosition() }),
    ...(bits & 8 && { until: anyPosition() }),
    ...(random.chance(0.5) && { log: { extraColumns: EXTRA } }),
  }));
}

function positionsOf(bytes: Buffer): Position[] {
  return linesOf(bytes.toString()).map((line) => {
    const { createdAt, eventId } = JSON.parse(line) as Position;
    return { createdAt, eventId };
  });
}

test('every filter and every flush setting: the same bytes, summary and flushes', (t) =>
  withDatabase(async (db) => {
    const seed = 20_260_414;
    t.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    await fill(db, random, 250);
    const pool = db.pool();
    const whole = await assertSame(pool, { userId: USERS[0] }, {}, `seed ${seed}`);
    assert.ok(whole.summary.eventCount > 200);
    const cuttings: readonly Cutting[] = [
      { flushEvery: 1, batchSize: 1 },
      { flushEvery: 1, isAsync: true, batchSize: 200 },
      { flushEvery: 7, batchSize: 3, maxBatchBytes: 1 },
      { flushEvery: 7, isAsync: true, batchSize: 200, maxBatchBytes: 1 },
      { flushEvery: 500, batchSize: 3 },
      { flushEvery: 500, isAsync: true, batchSize: 200, maxBatchBytes: 1000 },
    ];
    let exported = 0;
    for (const options of filtersOf(random, positionsOf(whole.bytes))) {
      for (const cutting of cuttings) {
        const { bytes } = await assertSame(pool, options, cutting, `seed ${seed}`);
        exported += bytes.length;
      }
    }
    // A filter that lets nothing through would make every comparison true.
    assert.ok(exported > 10 * whole.bytes.length);
  }));

for (const seed of [1, 2, 3, 4]) {
  test(`generated log of seed ${seed}: the same bytes for every user and any cutting`, (t) =>
    withDatabase(async (db) => {
      t.diagnostic(`seed ${seed}`);
      const random = new SeededRandom(seed);
      await fill(db, random, 600);
      const pool = db.pool();
      for (const userId of [...USERS, 'nobody']) {
        const log = { extraColumns: EXTRA };
        const { summary } = await assertSame(pool, { userId, log }, {}, `seed ${seed}`);
        assert.equal(summary.eventCount > 0, userId !== 'nobody');
      }
      const whole = await assertSame(pool, { userId: USERS[0] }, {}, `seed ${seed}`);
      for (const options of filtersOf(random, positionsOf(whole.bytes))) {
        const cutting = {
          flushEvery: random.pick([1, 2, 7, 50, 500, 100_000]),
          isAsync: random.chance(0.3),
          batchSize: random.pick([1, 3, 200, 10_000]),
          maxBatchBytes: random.pick([1, 100, 10_000, 1 << 20]),
        };
        await assertSame(pool, options, cutting, `seed ${seed}`);
      }
    }));
}

test('every vector is the line of both lanes', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    const random = new SeededRandom(39);
    const rows = lineVectors.map(({ row }) => ({ ...row, id: random.uuid() }));
    await db.insert(rows);
    const { bytes } = await assertSame(db.pool(), { userId: 'user-1' }, {}, 'vectors');
    const lines = new Set(linesOf(bytes.toString()));
    for (const [index, { name, row, line }] of lineVectors.entries()) {
      const expected = line.replace(row.id.toLowerCase(), rows[index]!.id);
      assert.ok(lines.has(expected), name);
    }
  }));
