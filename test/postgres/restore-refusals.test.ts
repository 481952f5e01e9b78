// What a restore does not take: it says where, and nothing is written.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';

import { openArchive } from '../../src/archive/index.js';
import {
  type BackupErrorCode,
  type ExportLine,
  RawJson,
  type Upcaster,
  changeSourceFrom,
  createUpcaster,
  toExportLine,
} from '../../src/index.js';
import { type RestoreOptions, restoreToPostgres } from '../../src/postgres/index.js';
import type { VerifiedLinesOptions } from '../../src/stream/archive-port.js';
import { archiveBytes } from '../support/archives.js';
import { changeRows } from '../support/change-rows.js';
import { STRANGER, USER } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertQuotesNoRow, assertReusable, failsWith, failureOf } from '../support/failures.js';
import { countRows, exportOf, lineText, restore, withEmptyLog } from '../support/restored.js';

const identity = <T>(line: T): T => line;

const unusedPool = {
  connect: () => assert.fail('nothing is to be connected to'),
} as unknown as Parameters<typeof restoreToPostgres>[0];

function signedArchive(): Promise<Buffer> {
  const { privateKey: signingKey } = generateKeyPairSync('ed25519');
  return archiveBytes({ events: changeSourceFrom(changeRows(3)), signingKey });
}

test('L10 a name twice in data goes in as jsonb keeps it, and the report says so', () =>
  withEmptyLog(async (_db, pool) => {
    const text =
      lineText(1) +
      lineText(2, { data: '{"a": 1, "a": 2}' }) +
      lineText(3, { data: '[{"b": [{"x": 1, "\\u0078": 2}]}]' }) +
      lineText(4, { data: '{"b": 1, "a": {"a": 1}, "c": [{"b": 1}, {"b": 2}]}' });
    const report = await restore(pool, text);
    assert.equal(report.repeatedNameCount, 2);
    assert.match(await exportOf(pool), /"data":\{"a": 2\},/);
  }));

test('L10 a name twice counts where it is stored: in extra columns, and before a step has taken it', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query('ALTER TABLE sync_changes ADD actor jsonb');
    const text = lineText(1, { actor: '{"a": 1, "a": 2}', other: '{"a": 1, "a": 2}' });
    const log = { extraColumns: { actor: 'actor' } };
    assert.equal((await restore(pool, text, { log, dryRun: true })).repeatedNameCount, 1);
    assert.equal((await restore(pool, text, { dryRun: true })).repeatedNameCount, 0);
    const upcaster = createUpcaster({
      current: 2,
      steps: { 1: (line) => ({ ...line, data: new RawJson('{"a": 2}') }) },
    });
    const repeated = lineText(1, { data: '{"a": 1, "a": 2}' });
    assert.equal((await restore(pool, repeated, { upcaster, dryRun: true })).repeatedNameCount, 1);
  }));

test('L17 an event id in upper case is the same event', () =>
  withEmptyLog(async (_db, pool) => {
    const lower = lineText(1, { eventId: '"abcdef00-0000-4000-8000-000000000001"' });
    await restore(pool, lower);
    const upper = lower.replace('abcdef00', 'ABCDEF00');
    assert.equal((await restore(pool, upper)).presentCount, 1);
    assert.equal(await exportOf(pool), lower);
  }));

test("L23 rows are the caller's, whatever a line says of users", () =>
  withEmptyLog(async (db, pool) => {
    await restore(pool, lineText(1, { userId: `"${STRANGER}"`, user_id: `"${STRANGER}"` }));
    const { rows } = await db.admin.query<{ user_id: string }>('SELECT user_id FROM sync_changes');
    assert.deepEqual(rows, [{ user_id: USER }]);
    assert.equal(await exportOf(pool, STRANGER), '');
  }));

describe('a line that Postgres refuses', () => {
  const deep = 200_000;
  const cases: readonly (readonly [string, string, string])[] = [
    ['L8 nested deeper than its stack', '['.repeat(deep) + ']'.repeat(deep), '54001'],
    ['a number beyond numeric', '{"n": 1e200000}', '22003'],
  ];
  for (const [name, data, sqlState] of cases) {
    test(name, () =>
      withEmptyLog(async (db, pool) => {
        const error = await failsWith(
          restore(pool, lineText(1) + lineText(2, { data }) + lineText(3)),
          'BACKUP_SINK_FAILED',
        );
        assert.deepEqual(
          [error.details.stage, error.details.sqlState, error.details.lineNumber],
          ['stage', sqlState, 2],
        );
        assert.equal(await countRows(db), 0);
        await assertReusable(pool);
      }),
    );
  }
});

describe('limits and schema versions', () => {
  const upcaster = createUpcaster({ current: 2, steps: { 1: identity } });
  const throwing = createUpcaster({
    current: 2,
    steps: {
      1: () => {
        throw new Error('canary');
      },
    },
  });
  const cases: readonly (readonly [string, Partial<RestoreOptions>, BackupErrorCode])[] = [
    ['L7 longer than maxLineBytes', { maxLineBytes: lineText(1).length }, 'BACKUP_LIMIT_EXCEEDED'],
    ['L8 deeper than maxDepth', { maxDepth: 2 }, 'BACKUP_LIMIT_EXCEEDED'],
    ['L20 newer than the upcaster', { upcaster }, 'BACKUP_SCHEMA_UNSUPPORTED'],
    ['L20 a step that throws', { upcaster: throwing }, 'BACKUP_UPCAST_FAILED'],
  ];
  for (const [name, options, code] of cases) {
    test(name, () =>
      withEmptyLog(async (db, pool) => {
        const second = lineText(2, {
          schemaVersion: '3',
          data: '{"a": [[1]]}',
          id: `"${'x'.repeat(90)}"`,
        });
        const text =
          code === 'BACKUP_UPCAST_FAILED'
            ? lineText(1)
            : lineText(1).replace('"title": "canary"', '') + second;
        const error = await failsWith(restore(pool, text, options), code);
        const line = (error.details as { readonly lineNumber?: number }).lineNumber;
        assert.equal(line, code === 'BACKUP_UPCAST_FAILED' ? 1 : 2);
        assert.equal(await countRows(db), 0);
        await assertReusable(pool);
      }),
    );
  }
});

test('a dry run lists what would be refused, counts the rest and writes nothing', () =>
  withEmptyLog(async (db, pool) => {
    await restore(pool, lineText(1) + lineText(2));
    const text =
      lineText(1) +
      lineText(2, { data: '{"title": "other"}' }) +
      lineText(3, { eventId: '"no uuid"' }) +
      lineText(4, { schemaVersion: '9' }) +
      '{"not": "a line"}\n' +
      lineText(5) +
      lineText(5);
    const upcaster = createUpcaster({ current: 1, steps: {} });
    const report = await restore(pool, text, { dryRun: true, upcaster });
    assert.equal(report.ok, false);
    assert.deepEqual(
      report.refused.map(({ code, lineNumber }) => [code, lineNumber]),
      [
        ['BACKUP_LINE_INVALID', 3],
        ['BACKUP_SCHEMA_UNSUPPORTED', 4],
        ['BACKUP_LINE_INVALID', 5],
      ],
    );
    const { lineCount, newCount, presentCount, repeatedCount, conflictCount, refusedCount } =
      report;
    assert.deepEqual(
      { lineCount, newCount, presentCount, repeatedCount, conflictCount, refusedCount },
      {
        lineCount: 7,
        newCount: 1,
        presentCount: 1,
        repeatedCount: 1,
        conflictCount: 1,
        refusedCount: 3,
      },
    );
    assert.equal(await countRows(db), 2);
    await assertReusable(pool);
    const clean = await restore(pool, lineText(1) + lineText(7), { dryRun: true });
    assert.deepEqual([clean.ok, clean.newCount, clean.presentCount], [true, 1, 1]);
  }));

test('L1 L5 a dry run lists lines that are not UTF-8 and one that is cut, as any other', () =>
  withEmptyLog(async (db, pool) => {
    const [before, after] = lineText(2, { id: '"?"' }).split('?') as [string, string];
    const bytes = [
      Buffer.from(lineText(1) + before),
      Buffer.from([0xff]),
      Buffer.from(after + lineText(3) + lineText(4).slice(0, -1)),
    ];
    const report = await restore(pool, bytes, { dryRun: true });
    assert.deepEqual(
      report.refused.map(({ code, lineNumber }) => [code, lineNumber]),
      [
        ['BACKUP_LINE_INVALID', 2],
        ['BACKUP_LINE_INVALID', 4],
      ],
    );
    const { ok, lineCount, newCount, refusedCount } = report;
    assert.deepEqual(
      { ok, lineCount, newCount, refusedCount },
      { ok: false, lineCount: 4, newCount: 2, refusedCount: 2 },
    );
    const error = await failsWith(restore(pool, bytes), 'BACKUP_LINE_INVALID');
    assert.equal(error.details.lineNumber, 2);
    assert.equal(await countRows(db), 0);
  }));

describe('L7 a dry run over a line longer than maxLineBytes', () => {
  const long = lineText(3, { id: `"${'x'.repeat(500)}"` });
  const before = lineText(1) + lineText(2, { eventId: '"no uuid"' });
  const cases: Readonly<Record<string, readonly string[]>> = {
    'with its end': [before + long + lineText(4), lineText(5)],
    'whose end has not come yet': [before + long.slice(0, 300), long.slice(300) + lineText(4)],
  };
  for (const [what, pieces] of Object.entries(cases)) {
    test(`${what}: lists it, leaves the source there and reports what came before`, () =>
      withEmptyLog(async (db, pool) => {
        let isLeft = false;
        function* source(): Generator<Uint8Array> {
          try {
            for (const piece of pieces) yield Buffer.from(piece);
            assert.fail('read on');
          } finally {
            isLeft = true;
          }
        }
        const maxLineBytes = 250;
        const report = await restore(pool, source(), { dryRun: true, maxLineBytes });
        assert.deepEqual(
          report.refused.map(({ code, lineNumber }) => [code, lineNumber]),
          [
            ['BACKUP_LINE_INVALID', 2],
            ['BACKUP_LIMIT_EXCEEDED', 3],
          ],
        );
        const { ok, lineCount, newCount, refusedCount } = report;
        assert.deepEqual(
          { ok, lineCount, newCount, refusedCount },
          { ok: false, lineCount: 3, newCount: 1, refusedCount: 2 },
        );
        assert.equal(isLeft, true);
        await assertReusable(pool);
        const stopping = restore(pool, pieces.join(''), { maxLineBytes });
        const error = await failsWith(stopping, 'BACKUP_LINE_INVALID');
        assert.equal(error.details.lineNumber, 2);
        assert.equal(await countRows(db), 0);
      }));
  }
});

describe('line objects that are no lines', () => {
  const [first, second, third] = changeRows(3).map((row) => toExportLine(row)) as [
    ExportLine,
    ExportLine,
    ExportLine,
  ];
  const lines = [
    first,
    { ...second, op: 'canary' } as unknown as ExportLine,
    { ...second, data: { toJSON: () => assert.fail('canary') } },
    second,
    { ...third, schemaVersion: 0 },
    third,
  ];

  test('a restore stops at the first, and says which it is', () =>
    withEmptyLog(async (db, pool) => {
      const error = await failsWith(restore(pool, lines), 'BACKUP_LINE_INVALID');
      const { lineNumber, member, eventId } = error.details;
      assert.deepEqual([lineNumber, member, eventId], [2, 'op', second.eventId]);
      assert.equal(await countRows(db), 0);
      await assertReusable(pool);
    }));

  test('a dry run lists them and goes on', () =>
    withEmptyLog(async (_db, pool) => {
      const report = await restore(pool, lines, { dryRun: true });
      const { lineCount, newCount, repeatedCount, refusedCount, refused } = report;
      assert.deepEqual(
        refused.map(({ code, lineNumber }) => [code, lineNumber]),
        [2, 3, 5].map((lineNumber) => ['BACKUP_LINE_INVALID', lineNumber]),
      );
      assert.deepEqual(
        { lineCount, newCount, repeatedCount, refusedCount },
        { lineCount: 6, newCount: 3, repeatedCount: 0, refusedCount: 3 },
      );
    }));

  test('they count among lines of bytes too', () =>
    withEmptyLog(async (_db, pool) => {
      const mixed = [Buffer.from(lineText(7) + lineText(8)), ...lines] as Iterable<never>;
      const report = await restore(pool, mixed, { dryRun: true });
      assert.deepEqual(
        report.refused.map(({ lineNumber }) => lineNumber),
        [4, 5, 7],
      );
    }));
});

describe('F4 row-level security that would not hold', () => {
  test('a superuser, a table without it and a view are refused', () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      const error = await failsWith(restore(db.admin, lineText(1)), 'BACKUP_TENANCY_UNSAFE');
      assert.equal(error.details.reason, 'role-is-superuser');
      await db.admin.query('ALTER TABLE sync_changes DISABLE ROW LEVEL SECURITY');
      const disabled = await failsWith(restore(db.pool(), lineText(1)), 'BACKUP_TENANCY_UNSAFE');
      assert.equal(disabled.details.reason, 'disabled-on-table');
      const report = await restore(db.pool(), lineText(1), { rowSecurity: 'explicit-filter-only' });
      assert.equal(report.newCount, 1);
    }));

  test('F3 a missing table, column or privilege is named', () =>
    withEmptyLog(async (db, pool) => {
      const missing = await failsWith(
        restore(pool, lineText(1), { log: { table: 'nothing' } }),
        'BACKUP_SINK_FAILED',
      );
      assert.deepEqual([missing.details.stage, missing.details.sqlState], ['check', '42P01']);
      await db.admin.query(`REVOKE INSERT ON sync_changes FROM ${db.appUser}`);
      const denied = await failsWith(restore(pool, lineText(1)), 'BACKUP_SINK_FAILED');
      assert.deepEqual([denied.details.stage, denied.details.sqlState], ['write', '42501']);
      await assertReusable(pool);
    }));
});

test('wrong options are a TypeError before any I/O', async () => {
  const pool = { connect: () => assert.fail('a client was leased') } as never;
  const wrong: readonly Partial<Record<keyof RestoreOptions | 'userID', unknown>>[] = [
    { userId: '' },
    { userID: 'x' },
    { dryRun: 1 },
    { onConflict: 'overwrite' },
    { upcaster: {} },
    { batchSize: 1.5 },
    { onProgress: 'x' },
    { remapUser: 'yes' },
    { expectArchiveId: 1 },
  ];
  for (const options of wrong) {
    await assert.rejects(restore(pool, '', options as Partial<RestoreOptions>), TypeError);
  }
  await assert.rejects(restore(pool, '', { batchSize: 0 }), RangeError);
  await assert.rejects(restore(pool, Buffer.from('x') as never), TypeError);
  await assert.rejects(restore({} as never, ''), TypeError);
  for (const options of [undefined, null, 'user-1'] as never[]) {
    await assert.rejects(restoreToPostgres(pool, [], options), TypeError);
  }
  for (const input of [7, null, undefined, {}, { manifest: {} }] as never[]) {
    await assert.rejects(restoreToPostgres(pool, input, { userId: USER }), TypeError);
  }
});

describe('what is asked of an archive', () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const asked: Readonly<Record<string, object>> = {
    'trusted keys': { trustedKeys: [publicKey] },
    'a signature': { requireSignature: true },
    'an id': { expectArchiveId: '0'.repeat(32) },
    'an id, and no signature': { requireSignature: false, expectArchiveId: '0'.repeat(32) },
    'a requirement that is none': { requireSignature: 'x' },
  };
  for (const [what, options] of Object.entries(asked)) {
    test(`${what}: lines have none, which is said before anything is connected to`, async () => {
      const lines = [Buffer.from(lineText(1))];
      await assert.rejects(
        restoreToPostgres(unusedPool, lines, { userId: USER, ...options }),
        TypeError,
      );
    });
  }

  const wrong: Readonly<Record<string, object>> = {
    'no key at all': { trustedKeys: [] },
    'a key that is none': { trustedKeys: ['x'] },
    'keys that are no list': { trustedKeys: 'x' },
    'a signature by nobody': { requireSignature: true },
    'a requirement that is none': { requireSignature: 'x' },
    'an id that is none': { expectArchiveId: 'nonsense' },
  };
  for (const [what, options] of Object.entries(wrong)) {
    test(`${what}: said before anything is connected to`, async () => {
      const bytes = await signedArchive();
      await using archive = await openArchive(bytes);
      await assert.rejects(
        restoreToPostgres(unusedPool, archive, { userId: USER, ...options }),
        TypeError,
      );
    });
  }
});

test('an upcaster that is half of one is refused at the call', async () => {
  const lines = [Buffer.from(lineText(1))];
  for (const half of [
    { current: 1, upcast: identity },
    { upcast: identity, explain: identity },
    null,
  ]) {
    const upcaster = half as unknown as Upcaster;
    await assert.rejects(
      restoreToPostgres(unusedPool, lines, { userId: USER, upcaster }),
      /upcaster must come from createUpcaster/,
    );
  }
});

test('in batches, a failure says that those before it are committed', () =>
  withEmptyLog(async (db, pool) => {
    await db.admin.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.record_id = 'row-25' THEN RAISE 'no'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION refuse()`);
    const text = Array.from({ length: 30 }, (_, index) => lineText(index + 1)).join('');
    const whole = await failsWith(restore(pool, text), 'BACKUP_SINK_FAILED');
    assert.match(whole.message, /nothing of it stays$/);
    assert.equal(await countRows(db), 0);
    const inBatches = await failsWith(restore(pool, text, { batchSize: 10 }), 'BACKUP_SINK_FAILED');
    assert.match(inBatches.message, /are committed/);
    assert.equal(await countRows(db), 20);
  }));

test('a dry run lists a hundred lines that are refused, and counts all', () =>
  withEmptyLog(async (_db, pool) => {
    const text = '{"not": "a line"}\n'.repeat(150) + lineText(1);
    const report = await restore(pool, text, { dryRun: true });
    assert.equal(report.refusedCount, 150);
    assert.deepEqual(
      report.refused.map(({ lineNumber }) => lineNumber),
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
  }));

test("an archive of the host's own that is not true, and does not say why, is refused", () =>
  withEmptyLog(async (db, pool) => {
    await using archive = await openArchive(await signedArchive());
    const silent = {
      manifest: archive.manifest,
      lines: () => archive.lines(),
      bytes: () => archive.bytes(),
      verifiedLines: async function* (options?: VerifiedLinesOptions) {
        return { ...(yield* archive.verifiedLines(options)), ok: false, problems: [] };
      },
      verify: async () => ({ ...(await archive.verify()), ok: false, problems: [] }),
      [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose](),
    };
    for (const dryRun of [false, true]) {
      await failsWith(restore(pool, silent, { dryRun }), 'BACKUP_ARCHIVE_INVALID');
    }
    assert.equal(await countRows(db), 0);
  }));

test('what is neither lines nor bytes is a TypeError, and nothing is written', () =>
  withEmptyLog(async (db, pool) => {
    for (const other of [7, null, 'canary']) {
      const lines = [Buffer.from(lineText(1)), other] as unknown as Buffer[];
      const error = await failureOf(restore(pool, lines));
      assert.ok(error instanceof TypeError);
      assertQuotesNoRow(error);
      assert.equal(await countRows(db), 0);
    }
    await assertReusable(pool);
  }));

test('a row of an older version that a step cannot take is a conflict, not a failure', () =>
  withEmptyLog(async (_db, pool) => {
    await restore(pool, lineText(1) + lineText(2));
    const newer = lineText(1, { schemaVersion: '2' }) + lineText(2, { schemaVersion: '2' });
    const upcasterOf = (failing: string) =>
      createUpcaster({
        current: 2,
        steps: {
          1: (line) => {
            if (line.id === failing) throw new Error('canary');
            return line;
          },
        },
      });
    const whole = await restore(pool, newer, { upcaster: upcasterOf('none') });
    assert.deepEqual([whole.presentCount, whole.conflictCount], [2, 0]);
    const { details } = await failsWith(
      restore(pool, newer, { upcaster: upcasterOf('row-2') }),
      'BACKUP_RESTORE_CONFLICT',
    );
    assert.deepEqual([details.reason, details.lineNumber], ['other-content', 2]);
    const report = await restore(pool, newer, {
      upcaster: upcasterOf('row-2'),
      onConflict: 'report',
    });
    assert.deepEqual([report.presentCount, report.conflictCount], [1, 1]);
  }));

test('a step that makes what no line can hold fails the restore, and says which member', () =>
  withEmptyLog(async (db, pool) => {
    const upcaster = createUpcaster({
      current: 2,
      steps: { 1: (line) => ({ ...line, op: 'canary' }) as unknown as ExportLine },
    });
    const { details } = await failsWith(
      restore(pool, lineText(1), { upcaster }),
      'BACKUP_UPCAST_FAILED',
    );
    assert.deepEqual(
      [details.reason, details.member, details.lineNumber],
      ['invalid-line', 'op', 1],
    );
    assert.equal(await countRows(db), 0);
  }));
