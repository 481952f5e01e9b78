// A copy of the project in which one mutant at a time is tried: test files run one after another until one
// of them fails.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';

import { type PostgresServer, startPostgres } from '../../dev/postgres-server.js';
import { SERVER_VARIABLES } from '../support/server.js';

/** What runs of unchanged code were. */
export interface UsualRun {
  /** A pattern for the names of the tests that count; all do without it. */
  readonly only: string | undefined;
  /** How long each test file takes. */
  readonly usualMs: ReadonlyMap<string, number>;
}

/** How a run of test files ended. */
type Ending = 'passed' | 'failed' | 'timed out';

// A mutant may make a test wait for what never comes.
const TIME_PER_USUAL_TIME = 4;
const LEAST_TIME_MS = 15_000;

/** A copy of the files that git knows, and a Postgres for its tests from the first use on. */
export class Workplace {
  readonly folder: string;
  #server: Promise<PostgresServer> | undefined;

  constructor(root: string) {
    this.folder = mkdtempSync(path.join(os.tmpdir(), 'backup-streams-mutants-'));
    const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
      cwd: root,
    });
    for (const file of listed.toString().split('\0').slice(0, -1)) {
      mkdirSync(path.dirname(path.join(this.folder, file)), { recursive: true });
      cpSync(path.join(root, file), path.join(this.folder, file));
    }
    symlinkSync(path.join(root, 'node_modules'), path.join(this.folder, 'node_modules'));
  }

  /** Puts a text in place of a file's. */
  put(file: string, text: string): void {
    writeFileSync(path.join(this.folder, file), text);
  }

  /** Runs a test file on code that is not changed, and gives how long it takes. */
  async measure(test: string, only: string | undefined): Promise<number> {
    const startedAt = performance.now();
    const ending = await this.#run(test, { only, timeLimitMs: 300_000 });
    if (ending !== 'passed') throw new Error(`${test} ${ending} on code that is not changed.`);
    return performance.now() - startedAt;
  }

  /** Runs test files up to the first that does not pass, and gives that. */
  async findKiller(
    tests: readonly string[],
    { only, usualMs }: UsualRun,
  ): Promise<string | undefined> {
    for (const test of tests) {
      const timeLimitMs = Math.max(LEAST_TIME_MS, (usualMs.get(test) ?? 0) * TIME_PER_USUAL_TIME);
      if ((await this.#run(test, { only, timeLimitMs })) !== 'passed') return test;
    }
    return undefined;
  }

  /** Removes the copy and stops its Postgres. */
  async remove(): Promise<void> {
    await (await this.#server)?.stop();
    rmSync(this.folder, { recursive: true });
  }

  async #run(
    test: string,
    { only, timeLimitMs }: { readonly only: string | undefined; readonly timeLimitMs: number },
  ): Promise<Ending> {
    const needsServer = !/^test\/(unit|property)\//.test(test);
    const server = needsServer ? await (this.#server ??= startPostgres()) : undefined;
    const flags = ['--import=tsx', '--test-reporter=tap', `--test-timeout=${timeLimitMs}`];
    const args = [...flags, ...(only === undefined ? [] : ['--test-name-pattern', only]), test];
    const child = spawn(process.execPath, args, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: {
        ...process.env,
        ...(server && { [SERVER_VARIABLES.url]: server.superuserUrl }),
        ...(server && { [SERVER_VARIABLES.pid]: String(server.pid) }),
      },
    });
    let ending: Ending | undefined;
    const end = (how: Ending): void => {
      ending ??= how;
      // With the processes that the tests have started.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      end('timed out');
    }, timeLimitMs);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      if (ending === undefined && /^ *not ok /m.test(rest)) end('failed');
      rest = rest.slice(rest.lastIndexOf('\n') + 1);
    });
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    clearTimeout(timer);
    if (server !== undefined && ending !== undefined) await dropDatabases(server);
    return ending ?? (exitCode === 0 ? 'passed' : 'failed');
  }
}

/** What tests that were cut short have left. */
async function dropDatabases(server: PostgresServer): Promise<void> {
  const client = new pg.Client({ connectionString: server.superuserUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      "SELECT datname AS name FROM pg_database WHERE datname LIKE 'backup\\_streams\\_test\\_%'",
    );
    for (const { name } of rows) {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    }
  } finally {
    await client.end();
  }
}
