// A PgBouncer in transaction mode before a database, with two connections to the server for everybody, taken in
// turns: each transaction of a client is likely to get another session than the one before.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

import { findFreePort } from '../../dev/free-port.js';
import { accountForPostgres } from '../../dev/postgres-account.js';
import { changeUrl } from '../../dev/postgres-connection.js';
import { eventually } from '../support/deadline.js';

const run = promisify(execFile);
const HOST = '127.0.0.1';

/** How many connections to the server all clients share. */
export const SERVER_CONNECTIONS = 2;

/** A pooler that this process started. */
export interface Pooler {
  /** Connection string of the same role and database, through the pooler. */
  readonly url: string;
  /** Has it close its sessions of the server, each when nobody uses it. */
  closeSessions(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * The version of the program `pgbouncer`.
 *
 * @throws Error where there is none
 */
export async function poolerVersion(): Promise<string> {
  try {
    const { stdout } = await run('pgbouncer', ['--version']);
    return /[0-9.]+/.exec(stdout)?.[0] ?? 'unknown';
  } catch {
    throw new Error(
      'The program pgbouncer is not on the PATH (Debian: apt-get install pgbouncer).',
    );
  }
}

/** Starts one for the role, database and server of a connection string. */
export async function startPooler(databaseUrl: string): Promise<Pooler> {
  const { port: serverPort, username, password } = new URL(databaseUrl);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-pooler-'));
  const port = await findFreePort(HOST);
  const settings = {
    listen_addr: HOST,
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: path.join(folder, 'users.txt'),
    pool_mode: 'transaction',
    default_pool_size: SERVER_CONNECTIONS,
    server_round_robin: 1,
    admin_users: username,
    max_client_conn: 100,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${String(value)}`);
  const files = {
    'users.txt': `"${username}" "${password}"\n`,
    'pgbouncer.ini': `[databases]\n* = host=${HOST} port=${serverPort}\n[pgbouncer]\n${lines.join('\n')}\n`,
  };
  const account = await accountForPostgres();
  const own = async (name: string): Promise<void> => {
    if (account !== undefined) await chown(name, account.uid, account.gid);
  };
  await own(folder);
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    await writeFile(file, text, { mode: 0o600 });
    await own(file);
  }
  const child = spawn('pgbouncer', ['--quiet', path.join(folder, 'pgbouncer.ini')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ...(account !== undefined && { uid: account.uid, gid: account.gid }),
  });
  const closed = once(child, 'close');
  const kill = (): void => {
    child.kill('SIGTERM'); // at once, not after its clients
  };
  process.on('exit', kill);
  const stop = async (): Promise<void> => {
    kill();
    await closed;
    process.off('exit', kill);
    await rm(folder, { recursive: true, force: true });
  };
  const url = new URL(databaseUrl);
  url.port = String(port);
  try {
    await eventually(() => answers(url.href), 10_000, 'The pooler answers');
  } catch (error) {
    await stop();
    throw error;
  }
  const closeSessions = async (): Promise<void> => {
    const console = new pg.Client({
      connectionString: changeUrl(url.href, { database: 'pgbouncer' }),
    });
    await console.connect();
    await console.query('RECONNECT');
    await console.end();
  };
  return { url: url.href, closeSessions, stop };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
