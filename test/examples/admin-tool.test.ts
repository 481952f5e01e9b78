// The admin tool as an operator runs it: a log out of one database, checked, and into another.
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';

import { readCommandLine } from '../../examples/admin-tool/command-line.js';
import { runExport } from '../../examples/admin-tool/export.js';
import { ToolError } from '../../examples/admin-tool/failure.js';
import { Progress } from '../../examples/admin-tool/terminal.js';
import { verifyArchive } from '../../src/archive/index.js';
import {
  auditIn,
  failureCodeOf,
  resultOf,
  runTool,
  spawnTool,
  withFolder,
} from '../support/admin-tool.js';
import {
  STRANGER,
  USER,
  canaryOf,
  eventIdsInLog,
  eventIdsOf,
  fillLog,
  rowOf,
} from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { eventually } from '../support/deadline.js';
import { countRows, withEmptyLog } from '../support/restored.js';

function withLog(
  use: (db: TestDatabase) => Promise<void>,
  log: { readonly rowCount: number; readonly dataBytes?: number } = { rowCount: 300 },
): Promise<void> {
  return withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, log);
    await fillLog(db, { userId: STRANGER, rowCount: 7 });
    await use(db);
  });
}

/** Makes Postgres take 20 ms for each row, so that an export can be met in the middle. */
async function slowDown(db: TestDatabase): Promise<void> {
  await db.admin.query(`
    CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_sleep(0.02); RETURN true; END';
    CREATE POLICY slow ON sync_changes AS RESTRICTIVE USING (slow());`);
}

function hasBytes(file: string): Promise<void> {
  const size = () => stat(file).then(({ size }) => size > 0, () => false); // prettier-ignore
  return eventually(size, 30_000, 'Bytes in the file').then(() => undefined);
}

describe('the admin tool', () => {
  test('exports a log, verifies it, restores it elsewhere, and that exports the same', () =>
    withFolder((inFolder) =>
      withLog((db) =>
        withEmptyLog(async (other) => {
          const [archive, audit] = [inFolder('user.mana'), inFolder('audit.jsonl')];
          const audited = ['--json', '--audit-log', audit, '--actor', 'operator'];
          const exported = await spawnTool(['export', USER, archive, ...audited], { database: db });
          assert.deepEqual([exported.exitCode, exported.stderr], [0, '']);
          const { manifest } = await verifyArchive(archive, { userId: USER });
          const facts = {
            archiveId: manifest?.archiveId,
            eventCount: 300,
            byteCount: manifest?.byteCount,
            sha256: manifest?.eventsSha256,
            isSealed: false,
            verified: 'whole',
          };
          assert.deepEqual(resultOf(exported), {
            userId: USER,
            file: archive,
            format: 'archive',
            ...facts,
          });
          if (process.platform !== 'win32') assert.equal((await stat(archive)).mode & 0o777, 0o600);

          const verified = await spawnTool(['verify', archive, '--user', USER, ...audited]);
          assert.equal(verified.exitCode, 0, verified.stderr);
          assert.equal(resultOf(verified)['ok'], true);

          const plan = await runTool(['restore', USER, archive, '--json'], { database: other });
          assert.deepEqual([plan.exitCode, resultOf(plan)['newCount']], [0, 300]);
          assert.equal(await countRows(other), 0, 'nothing is written unless it is asked for');

          const restore = ['restore', USER, archive, '--write', ...audited];
          const restored = await spawnTool(restore, { database: other });
          assert.equal(restored.exitCode, 0, restored.stderr);
          assert.equal(resultOf(restored)['newCount'], 300);

          for (const [name, database] of Object.entries({ before: db, after: other })) {
            const args = ['export', USER, inFolder(name), '--format', 'jsonl'];
            assert.equal((await runTool(args, { database })).exitCode, 0);
          }
          const lines = await readFile(inFolder('before'), 'utf8');
          assert.equal(await readFile(inFolder('after'), 'utf8'), lines);
          assert.deepEqual(eventIdsOf(lines), await eventIdsInLog(db));

          const entries = await auditIn(audit);
          assert.deepEqual(
            entries.map(({ operation, event, actor }) => [operation, event, actor]),
            ['export', 'verify', 'restore'].flatMap((operation) =>
              ['requested', 'started', 'finished'].map((event) => [operation, event, 'operator']),
            ),
          );
          assert.equal(new Set(entries.map(({ run }) => run)).size, 3);
          const { time, run, ...finished } = entries[2]!;
          assert.ok(!Number.isNaN(Date.parse(String(time))) && typeof run === 'string');
          assert.deepEqual(finished, {
            event: 'finished',
            operation: 'export',
            actor: 'operator',
            subject: USER,
            file: archive,
            format: 'archive',
            ...facts,
          });
          const names = await readdir(path.dirname(archive));
          assert.deepEqual(names.sort(), ['after', 'audit.jsonl', 'before', 'user.mana']);
        }),
      ),
    ));

  test('stopped in the middle, leaves nothing, and the file that it was to replace', () =>
    withFolder((inFolder) =>
      withLog(
        async (db) => {
          await slowDown(db);
          const [file, audit] = [inFolder('user.jsonl'), inFolder('audit.jsonl')];
          await writeFile(file, 'the last good one');
          const args = ['export', USER, file, '--force', '--format', 'jsonl', '--json'];
          const stopped = await spawnTool([...args, '--audit-log', audit], {
            database: db,
            meanwhile: async (child) => {
              await hasBytes(`${file}.part`);
              child.kill('SIGTERM');
            },
          });
          assert.deepEqual(failureCodeOf(stopped), [143, 'INTERRUPTED']);
          assert.equal(await readFile(file, 'utf8'), 'the last good one');
          assert.deepEqual((await readdir(path.dirname(file))).sort(), [
            'audit.jsonl',
            'user.jsonl',
          ]);
          const last = (await auditIn(audit)).at(-1);
          assert.deepEqual([last?.event, last?.['code']], ['failed', 'INTERRUPTED']);
        },
        { rowCount: 400, dataBytes: 20_000 },
      ),
    ));

  test('whose reader leaves, fails without a word', () =>
    withFolder(async (inFolder) => {
      await writeFile(inFolder('x'), '');
      const left = await spawnTool(['verify', inFolder('x')], {
        meanwhile: async (child) => child.leaveStdout(),
      });
      assert.deepEqual([left.exitCode, left.stderr], [1, '']);
    }));

  test('prints nothing that steers a terminal', () =>
    withFolder((inFolder) =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        const userId = 'anna\x1b[2J\x9b31m\u202e';
        await fillLog(db, { userId, rowCount: 2 });
        const file = inFolder('x.mana');
        for (const args of [
          ['export', userId, file],
          ['show', file],
          ['verify', file],
        ]) {
          const { exitCode, stdout } = await runTool(args, { database: db });
          assert.equal(exitCode, 0);
          assert.match(stdout, /^[\x20-\x7e\n]+$/);
        }
        const shown = resultOf(await runTool(['show', file, '--json']));
        assert.equal((shown['manifest'] as { userId: string }).userId, userId);
      }),
    ));
});

describe('export', () => {
  test('replaces no file unless told to, and nothing that is no plain file', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        const file = inFolder('user.mana');
        const args = ['export', USER, file, '--json'];
        await writeFile(file, 'mine');
        assert.deepEqual(failureCodeOf(await runTool(args, { database: db })), [1, 'FILE_EXISTS']);
        assert.equal(await readFile(file, 'utf8'), 'mine');
        assert.equal((await runTool([...args, '--force'], { database: db })).exitCode, 0);
        assert.equal((await verifyArchive(file)).ok, true);

        await mkdir(inFolder('folder'));
        await symlink(file, inFolder('link'));
        for (const name of ['folder', 'link']) {
          const into = ['export', USER, inFolder(name), '--force', '--json'];
          const refused = await runTool(into, { database: db });
          assert.deepEqual(failureCodeOf(refused), [1, 'NOT_A_FILE']);
        }

        await writeFile(inFolder('other.part'), 'of somebody else');
        const taken = ['export', USER, inFolder('other'), '--json'];
        const refused = await runTool(taken, { database: db });
        assert.deepEqual(failureCodeOf(refused), [1, 'PART_FILE_EXISTS']);
        assert.equal(await readFile(inFolder('other.part'), 'utf8'), 'of somebody else');
      }),
    ));

  test('that came second to a name does not take it', () =>
    withFolder((inFolder) =>
      withLog(
        async (db) => {
          await slowDown(db);
          const file = inFolder('user.mana');
          const running = runTool(['export', USER, file, '--json'], { database: db });
          await hasBytes(`${file}.part`);
          await writeFile(file, 'quicker');
          assert.deepEqual(failureCodeOf(await running), [1, 'FILE_EXISTS']);
          assert.equal(await readFile(file, 'utf8'), 'quicker');
          assert.deepEqual(await readdir(path.dirname(file)), ['user.mana']);
        },
        { rowCount: 40, dataBytes: 20_000 },
      ),
    ));

  for (const format of ['archive', 'jsonl']) {
    test(`finds that the disk holds something else than was written, as ${format}`, () =>
      withFolder((inFolder) =>
        withLog(
          async (db) => {
            await slowDown(db);
            const file = inFolder('user');
            const args = ['export', USER, file, '--format', format, '--json'];
            const running = runTool(args, { database: db });
            await hasBytes(`${file}.part`);
            await writeFile(`${file}.part`, 'X', { flag: 'r+' });
            assert.deepEqual(failureCodeOf(await running), [1, 'WRITTEN_UNVERIFIED']);
            assert.deepEqual(await readdir(path.dirname(file)), []);
          },
          { rowCount: 40, dataBytes: 20_000 },
        ),
      ));
  }

  test('that fails in the middle leaves nothing, and tells no data', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        await db.insert([rowOf(9_999, { created_at: 'infinity' })]);
        const args = ['export', USER, inFolder('user.mana'), '--json'];
        const failed = await runTool(args, { database: db });
        assert.deepEqual(failureCodeOf(failed), [1, 'BACKUP_ROW_UNMAPPABLE']);
        assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
      }),
    ));

  test('of a log that holds nothing of the user has to be asked for', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        const args = ['export', 'user-l', inFolder('user.mana'), '--json'];
        assert.deepEqual(failureCodeOf(await runTool(args, { database: db })), [1, 'LOG_EMPTY']);
        assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
        const allowed = await runTool([...args, '--allow-empty'], { database: db });
        assert.deepEqual([allowed.exitCode, resultOf(allowed)['eventCount']], [0, 0]);
      }),
    ));

  test('by a role that row-level security does not hold has to be asked for', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        const database = db.url('admin');
        const args = ['export', USER, inFolder('user.mana'), '--json'];
        const refused = await runTool(args, { database });
        assert.deepEqual(failureCodeOf(refused), [1, 'BACKUP_TENANCY_UNSAFE']);
        const asked = await runTool([...args, '--explicit-filter-only'], { database });
        assert.deepEqual([asked.exitCode, resultOf(asked)['eventCount']], [0, 300]);
      }),
    ));

  test('whose audit log cannot be written does not begin', () =>
    withFolder(async (inFolder) => {
      const args = ['export', USER, inFolder('x'), '--audit-log', inFolder('no/audit'), '--json'];
      // Nobody listens there: the database is not even asked.
      const refused = await runTool(args, { database: 'postgres://a:b@127.0.0.1:1/c' });
      assert.deepEqual(failureCodeOf(refused), [1, 'AUDIT_FAILED']);
      assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
    }));

  test('that the audit log does not let begin leaves nothing', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        const request = readCommandLine(['export', USER, inFolder('x')]);
        assert.ok(request !== 'help' && request.command === 'export');
        const refusal = new ToolError('AUDIT_FAILED', 'on purpose');
        const exporting = runExport(request, {
          env: { DATABASE_URL: db.url() },
          signal: new AbortController().signal,
          progress: new Progress(undefined),
          begin: () => Promise.reject(refusal),
        });
        await assert.rejects(exporting, refusal);
        assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
      }),
    ));

  test('without a database tells so, and not the password', () =>
    withFolder(async (inFolder) => {
      const args = ['export', USER, inFolder('x'), '--json'];
      const failed = await runTool(args, { database: 'postgres://a:pass-word@127.0.0.1:1/c' });
      assert.deepEqual(failureCodeOf(failed), [1, 'BACKUP_SOURCE_FAILED']);
      assert.doesNotMatch(failed.stderr, /pass-word/);
      assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
    }));
});

describe('restore', () => {
  test('stops at an event that is there with other content, or keeps what is there', () =>
    withFolder((inFolder) =>
      withLog((db) =>
        withEmptyLog(async (other) => {
          const file = inFolder('user.mana');
          assert.equal((await runTool(['export', USER, file], { database: db })).exitCode, 0);
          await other.insert([rowOf(1, { data: JSON.stringify({ canary: canaryOf(USER) }) })]);
          const restore = async (...more: readonly string[]) =>
            runTool(['restore', USER, file, '--json', ...more], { database: other });

          const plan = await restore();
          assert.deepEqual([plan.exitCode, resultOf(plan)['conflictCount']], [1, 1]);
          const stopped = await restore('--write');
          assert.deepEqual(failureCodeOf(stopped), [1, 'BACKUP_RESTORE_CONFLICT']);
          assert.equal(await countRows(other), 1);
          const kept = await restore('--write', '--on-conflict', 'keep-existing');
          assert.deepEqual([kept.exitCode, resultOf(kept)['newCount']], [0, 299]);
        }),
      ),
    ));

  test('of another user needs to be asked for, and gives events new ids', () =>
    withFolder((inFolder) =>
      withLog(async (db) => {
        const file = inFolder('user.mana');
        assert.equal((await runTool(['export', USER, file], { database: db })).exitCode, 0);
        const args = ['restore', STRANGER, file, '--write', '--json'];
        const refused = await runTool(args, { database: db });
        assert.deepEqual(failureCodeOf(refused), [1, 'BACKUP_TENANCY_MISMATCH']);
        const copied = await runTool([...args, '--remap-user', '--batch-size', '100'], {
          database: db,
        });
        assert.deepEqual([copied.exitCode, resultOf(copied)['newCount']], [0, 300]);
        assert.equal((await eventIdsInLog(db, STRANGER)).length, 307);
      }),
    ));
});

describe('a command line that makes no sense is told as such, and nothing is touched:', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    'no command': [],
    'an unknown command': ['backup', 'a', 'b'],
    'an unknown option': ['export', 'a', 'b', '--frobnicate'],
    'an option of another command': ['verify', 'a', '--force'],
    'a file too few': ['export', 'a'],
    'a word too many': ['verify', 'a', 'b'],
    'an empty user': ['export', '', 'b'],
    'an option without its value': ['export', 'a', 'b', '--sign'],
    'a format that is none': ['export', 'a', 'b', '--format', 'xml'],
    'bare lines that are to be sealed': ['export', 'a', 'b', '--format=jsonl', '-r', 'age1'],
    'a passphrase and recipients': ['export', 'a', 'b', '--passphrase-file', 'p', '-r', 'age1'],
    'an identity that opens nothing': ['export', 'a', 'b', '-i', 'id'],
    'two ways to open one file': ['verify', 'a', '-i', 'id', '--passphrase-file', 'p'],
    'a policy that is none': ['restore', 'a', 'b', '--on-conflict', 'overwrite'],
    'no whole number': ['restore', 'a', 'b', '--batch-size', '0'],
    'an actor without an audit log': ['verify', 'a', '--actor', 'me'],
    'no DATABASE_URL': ['export', 'a', 'b'],
  };
  for (const [what, args] of Object.entries(cases)) {
    test(what, async () => {
      const { exitCode, stdout, stderr } = await runTool(args);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.notEqual(stderr, '');
    });
  }

  test('--help says how it is meant, wherever it stands', async () => {
    for (const args of [['--help'], ['help'], ['export', '-h']]) {
      const { exitCode, stdout, stderr } = await runTool(args);
      assert.deepEqual([exitCode, stderr], [0, '']);
      for (const command of ['export', 'verify', 'show', 'restore']) {
        assert.ok(stdout.includes(`admin-tool ${command} `));
      }
    }
  });
});
