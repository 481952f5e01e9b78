// The demo as a newcomer runs it: a process of its own, what it prints, what it leaves behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { STRANGER, USER, eventIdsInLog, eventIdsOf, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { eventually, settlesWithin } from '../support/deadline.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIMIT_MS = 60_000;

interface Ran {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder of its own for what the demo writes. */
async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-demo-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Starts the demo; `until` may disturb it once its output so far is of interest. */
async function runDemo(
  args: readonly string[],
  until?: (child: { output(): string; kill(signal: NodeJS.Signals): void }) => Promise<void>,
): Promise<Ran> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', path.join(ROOT, 'examples/demo/main.ts'), ...args],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close');
  try {
    await until?.({ output: () => stdout, kill: (signal) => child.kill(signal) });
    await settlesWithin(closed, LIMIT_MS, 'The demo');
  } finally {
    child.kill('SIGKILL');
  }
  return { exitCode: child.exitCode, stdout, stderr };
}

/** The one line that stands for what went wrong. */
function assertOneSentence({ exitCode, stdout, stderr }: Ran): void {
  assert.equal(exitCode, 1, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /^[^\n]+\.\n$/);
  assert.doesNotMatch(stderr, /\bat .*:\d+|node:|Error:/, 'no stack trace');
}

async function checkedFile(ran: Ran, folder: string): Promise<string> {
  assert.equal(ran.exitCode, 0, ran.stderr);
  assert.equal(ran.stderr, '');
  const [name = '', ...more] = await readdir(folder);
  assert.deepEqual(more, []);
  assert.ok(ran.stdout.includes(path.join(folder, name)), 'the output names the file');
  const bytes = await readFile(path.join(folder, name));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.ok(ran.stdout.includes(sha256), 'the output has its digest');
  return bytes.toString('utf8');
}

describe('the demo with a Postgres of its own', () => {
  test('leaves a checked file of one user, and says where and with what digest', () =>
    withFolder(async (folder) => {
      const ran = await runDemo(['--rows', '400', '--out', folder]);
      const text = await checkedFile(ran, folder);
      const ids = eventIdsOf(text);
      assert.ok(ids.length > 50 && ids.length < 200, 'about a quarter of the rows');
      assert.ok(ran.stdout.split('\n').length <= 12, ran.stdout);
      // What goes to no terminal has no control characters for one.
      assert.ok(!ran.stdout.includes('\r') && !ran.stdout.includes('\x1b'));
    }));

  test('takes any user, and names the file so that every system can hold it', () =>
    withFolder(async (folder) => {
      const ran = await runDemo(['--rows', '400', '--user', '../日本', '--out', folder]);
      await checkedFile(ran, folder);
      assert.match((await readdir(folder)).join(), /^sync-backup-[A-Za-z0-9._-]+\.jsonl$/);
    }));

  test('stopped by Ctrl-C, it leaves neither a file nor a server', () =>
    withFolder(async (folder) => {
      let port = 0;
      const ran = await runDemo(['--rows', '1000000', '--out', folder], async (child) => {
        port = await eventually(
          () => Number(/127\.0\.0\.1:(\d+)/.exec(child.output())?.[1] ?? 0) || undefined,
          LIMIT_MS,
          'The line that tells the port',
        );
        child.kill('SIGINT');
      });
      assert.equal(ran.exitCode, 130);
      assert.match(ran.stderr, /^\n[^\n]+\.\n$/);
      assert.deepEqual(await readdir(folder), []);
      // The port is free again: nobody listens on it.
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
    }));
});

describe('the demo with an existing database', () => {
  test('exports the user of its log, and changes nothing in it', () =>
    withFolder((folder) =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 300 });
        await fillLog(db, { userId: STRANGER, rowCount: 20 });
        const dump = () =>
          db.admin.query(`SELECT md5(string_agg(c::text, '|' ORDER BY id)), count(*),
                          (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class)
                          FROM sync_changes AS c`);
        const before = await dump();
        const args = ['--database-url', db.url('app'), '--user', USER, '--out', folder];
        const text = await checkedFile(await runDemo(args), folder);
        assert.deepEqual(eventIdsOf(text), await eventIdsInLog(db));
        assert.deepEqual((await dump()).rows, before.rows);
      }),
    ));

  test('that a superuser reads needs to be asked for, and then works', () =>
    withFolder((folder) =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 3 });
        const args = ['--database-url', db.url('admin'), '--user', USER, '--out', folder];
        const refused = await runDemo(args);
        assert.equal(refused.exitCode, 1);
        assert.match(refused.stderr, /^[^\n]*BACKUP_TENANCY_UNSAFE[^\n]*\n$/);
        const text = await checkedFile(await runDemo([...args, '--explicit-filter-only']), folder);
        assert.equal(eventIdsOf(text).length, 3);
      }),
    ));

  test('that has no rows of the user, or no table, is told so in one sentence', () =>
    withDatabase(async (db) => {
      const args = ['--database-url', db.url('app'), '--user', 'nobody', '--out', os.tmpdir()];
      assertOneSentence(await runDemo(args));
      await db.createChangeLog();
      assertOneSentence(await runDemo(args));
    }));

  test('that is not there is told so in one sentence, without the password', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const url = `postgres://role:pass-word@127.0.0.1:${String(port)}/db`;
    const ran = await runDemo(['--database-url', url, '--user', 'a', '--out', os.tmpdir()]);
    assertOneSentence(ran);
    assert.doesNotMatch(ran.stderr, /pass-word/);
  });
});

describe('the demo tells in one sentence what is wrong with', () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    'an unknown option': ['--frobnicate'],
    'a word too many': ['users'],
    'a URL of something else': ['--database-url', 'https://example.test/', '--user', 'a'],
    'no URL': ['--database-url', 'localhost', '--user', 'a'],
    'an own database without a user': ['--database-url', 'postgres://localhost/db'],
    'rows for an own database': [
      ...['--database-url', 'postgres://localhost/db', '--user', 'a', '--rows', '500'],
    ],
    'too few rows': ['--rows', '5'],
    'rows that are no number': ['--rows', 'many'],
    'a folder that cannot be made': ['--out', path.join(ROOT, 'package.json')],
  };
  for (const [what, args] of Object.entries(cases)) {
    test(what, async () => {
      assertOneSentence(await runDemo(args));
    });
  }

  test('nothing: --help', async () => {
    const { exitCode, stdout, stderr } = await runDemo(['--help']);
    assert.deepEqual([exitCode, stderr], [0, '']);
    for (const option of ['--database-url', '--user', '--rows', '--out']) {
      assert.ok(stdout.includes(option), option);
    }
  });
});
