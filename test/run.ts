// Runs the tests: `npm test [-- part/of/a/path …] [-- --test-name-pattern=…]`. One Postgres for all of them,
// files in parallel, a hard time limit, and no success that is owed to tests that did not run.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

import { connectOrStart } from '../dev/postgres-server.js';
import { SERVER_VARIABLES } from './support/server.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TIME_LIMIT_MS = 300_000;
const TIME_LIMIT_FLAG = '--test-timeout=';
// From Node 24 on, its limit holds for tests, and no longer for a file whose tests are over.
const SILENCE_PER_TIME_LIMIT = 1.5;
// These need no server, and are quicker without one.
const SERVERLESS = [
  'test/unit/',
  'test/property/',
  'test/types/',
  'test/archive/',
  'test/mutants/',
  'test/coverage/',
];

/** Test files below test/, as paths with `/` from the project's folder. */
async function findTestFiles(): Promise<readonly string[]> {
  const names = await readdir(path.join(ROOT, 'test'), { recursive: true });
  return names
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name.split(path.sep).join('/')}`)
    .sort();
}

/** The files that contain one of the filters, all for no filter; a filter that fits nothing is a mistake. */
function selectFiles(files: readonly string[], filters: readonly string[]): readonly string[] {
  const idle = filters.find((filter) => !files.some((file) => file.includes(filter)));
  if (idle !== undefined) throw new Error(`No test file has "${idle}" in its path.`);
  if (files.length === 0) throw new Error('There are no test files.');
  return filters.length === 0
    ? files
    : files.filter((file) => filters.some((filter) => file.includes(filter)));
}

/** The time limit that the flags give, or the usual one. */
function timeLimitOf(flags: readonly string[]): number {
  const flag = flags.find((flag) => flag.startsWith(TIME_LIMIT_FLAG));
  return flag === undefined ? TIME_LIMIT_MS : Number(flag.slice(TIME_LIMIT_FLAG.length));
}

interface TestRun {
  readonly exitCode: number;
  readonly output: string;
}

interface TestRunOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** How long nothing may come out of the tests. */
  readonly silenceMs: number;
}

/** Runs node's test runner with its output passed through and kept. */
async function runNodeTests(
  args: readonly string[],
  { environment, silenceMs }: TestRunOptions,
): Promise<TestRun> {
  const colours = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {};
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: { ...process.env, ...colours, ...environment },
  });
  const stopForwarding = forwardSignals(child);
  let output = '';
  const silence = setTimeout(() => {
    console.error(
      `\nNot a success: the tests timed out after ${String(silenceMs)}ms without a word.`,
    );
    child.kill();
  }, silenceMs);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    silence.refresh();
    process.stdout.write(text);
    output += text;
  });
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve(code ?? 1);
      });
    });
    return { exitCode, output: stripVTControlCharacters(output) };
  } finally {
    clearTimeout(silence);
    stopForwarding();
  }
}

/** The test files end first, so that the server does not vanish under them. */
function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  process.on('SIGINT', forward).on('SIGTERM', forward);
  return () => process.off('SIGINT', forward).off('SIGTERM', forward);
}

/** What is wrong with a run that node calls a success, judged by the counts that it closes with. */
function findFault(output: string): string | undefined {
  const counts = new Map<string, number>();
  for (const [, name = '', count] of output.matchAll(/^ℹ (\w+) (\d+)$/gm)) {
    counts.set(name, Number(count));
  }
  const passed = counts.get('pass');
  if (passed === undefined) return 'The test runner printed no closing summary.';
  if (passed === 0) return 'No test ran.';
  for (const name of ['skipped', 'todo', 'cancelled']) {
    const count = counts.get(name) ?? 0;
    if (count > 0) return `${String(count)} ${name}: every test has to run and pass.`;
  }
  return undefined;
}

async function main(args: readonly string[]): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const filters = args.filter((arg) => !arg.startsWith('-'));
  const files = selectFiles(await findTestFiles(), filters);
  const timeLimitMs = timeLimitOf(flags);
  const needsServer = files.some((file) => !SERVERLESS.some((folder) => file.startsWith(folder)));
  const server = needsServer ? await connectOrStart({ needsSuperuser: true }) : undefined;
  try {
    const run = await runNodeTests(
      [
        '--import=tsx',
        '--test',
        '--test-concurrency=2',
        '--test-reporter=spec',
        `--test-timeout=${String(timeLimitMs)}`,
        ...flags.filter((flag) => !flag.startsWith(TIME_LIMIT_FLAG)),
        ...files,
      ],
      {
        environment: {
          ...(server !== undefined && { [SERVER_VARIABLES.url]: server.superuserUrl }),
          ...(server !== undefined &&
            'pid' in server && { [SERVER_VARIABLES.pid]: String(server.pid) }),
        },
        silenceMs: timeLimitMs * SILENCE_PER_TIME_LIMIT,
      },
    );
    if (run.exitCode !== 0) return run.exitCode;
    const fault = findFault(run.output);
    if (fault !== undefined) console.error(`\nNot a success: ${fault}`);
    return fault === undefined ? 0 : 1;
  } finally {
    await server?.stop();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
