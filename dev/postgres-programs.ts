// Runs Postgres' programs as the right account, in the background, with their output in one file.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import type { Account } from './postgres-account.js';
import type { Guard } from './postgres-guard.js';

/** Options of {@link Programs}. */
export interface ProgramsOptions {
  readonly workDir: string;
  readonly account: Account | undefined;
  readonly guard: Guard;
  /** Time that a program may take to get done what is waited for. */
  readonly timeoutMs: number;
}

/** The programs of one server. */
export class Programs {
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

  /** The last part of what the programs have said. */
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
