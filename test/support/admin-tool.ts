// The admin tool, run as a process or in this one; what it prints is kept, and never holds a user's data.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { runAdminTool } from '../../examples/admin-tool/admin-tool.js';
import type { AuditEvent } from '../../examples/admin-tool/audit-log.js';
import { STRANGER, USER, canaryOf } from './change-log.js';
import type { TestDatabase } from './database.js';
import { settlesWithin } from './deadline.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
// A passphrase alone may take many seconds on a busy machine.
const LIMIT_MS = 120_000;

/** What a run said and how it ended. */
export interface ToolRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@link runTool} and {@link spawnTool}. */
export interface ToolRunOptions {
  /** What DATABASE_URL names: for the plain role, unless it is a text. */
  readonly database?: TestDatabase | string;
  /** Aborts a run in this process. */
  readonly signal?: AbortSignal;
  /** Called when the process runs. */
  readonly meanwhile?: (child: ToolProcess) => Promise<void>;
}

/** A tool that runs. */
export interface ToolProcess {
  kill(signal: NodeJS.Signals): void;
  /** Reads no more of its stdout. */
  leaveStdout(): void;
}

/** Runs a command line in this process. */
export async function runTool(
  args: readonly string[],
  { database, signal = new AbortController().signal }: ToolRunOptions = {},
): Promise<ToolRun> {
  let stdout = '';
  let stderr = '';
  const running = runAdminTool(args, {
    env: environmentOf(database),
    signal,
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  const exitCode = await settlesWithin(running, LIMIT_MS, 'The admin tool');
  return withoutData({ exitCode, stdout, stderr });
}

/** Runs a command line in a process of its own, as an operator does. */
export async function spawnTool(
  args: readonly string[],
  { database, meanwhile }: ToolRunOptions = {},
): Promise<ToolRun> {
  const script = path.join(ROOT, 'examples/admin-tool/main.ts');
  const child = spawn(process.execPath, ['--import=tsx', script, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environmentOf(database) },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close');
  try {
    await meanwhile?.({
      kill: (signal) => child.kill(signal),
      leaveStdout: () => child.stdout.destroy(),
    });
    await settlesWithin(closed, LIMIT_MS, 'The admin tool');
  } finally {
    child.kill('SIGKILL');
  }
  return withoutData({ exitCode: child.exitCode, stdout, stderr });
}

/** A folder of its own for what the tool writes. */
export async function withFolder(
  use: (inFolder: (name: string) => string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-admin-tool-'));
  try {
    await use((name) => path.join(folder, name));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The one line of JSON that a run with `--json` printed. */
export function resultOf({ stdout, stderr }: ToolRun): Readonly<Record<string, unknown>> {
  assert.match(stdout, /^[^\n]+\n$/, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The exit code, and the code that a run with `--json` failed with. */
export function failureCodeOf({ exitCode, stdout, stderr }: ToolRun): readonly unknown[] {
  assert.equal(stdout, '');
  assert.match(stderr, /^[^\n]+\n$/, stderr);
  const { error } = JSON.parse(stderr) as { error: { code: string } };
  return [exitCode, error.code];
}

/** An entry of the audit log. */
export interface AuditEntry extends Readonly<Record<string, unknown>> {
  readonly event: AuditEvent;
}

/** The entries of an audit log. */
export async function auditIn(file: string): Promise<readonly AuditEntry[]> {
  const text = await readFile(file, 'utf8');
  assert.ok(!text.includes(canaryOf(USER)));
  const lines = text.split('\n');
  assert.equal(lines.pop(), '');
  return lines.map((line) => JSON.parse(line) as AuditEntry);
}

function environmentOf(database: TestDatabase | string | undefined): Record<string, string> {
  if (database === undefined) return {};
  return { DATABASE_URL: typeof database === 'string' ? database : database.url() };
}

function withoutData(run: ToolRun): ToolRun {
  for (const text of [run.stdout, run.stderr]) {
    for (const user of [USER, STRANGER]) assert.ok(!text.includes(canaryOf(user)));
    assert.doesNotMatch(text, /^ +at /m, 'no stack trace');
  }
  return run;
}
