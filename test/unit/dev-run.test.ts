// The test runner judged by small projects: what it calls a success, and what it must not.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, settlesWithin } from '../support/deadline.js';

const REAL_PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const LIMIT_MS = 60_000;
const PASS = `import { test } from 'node:test'; test('passes', () => {});`;

let project: string;
before(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-run-'));
  for (const name of ['dev', 'node_modules', 'package.json']) {
    await symlink(path.join(REAL_PROJECT, name), path.join(project, name));
  }
});
after(() => rm(project, { recursive: true }));

beforeEach(async () => {
  const folder = path.join(project, 'test');
  await rm(folder, { recursive: true, force: true });
  await mkdir(path.join(folder, 'support'), { recursive: true });
  for (const file of ['run.ts', 'support/server.ts']) {
    await cp(path.join(REAL_PROJECT, 'test', file), path.join(folder, file));
  }
});

async function writeTest(file: string, code: string): Promise<void> {
  const target = path.join(project, 'test', file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, code);
}

interface Run {
  readonly process: ChildProcess;
  readonly output: () => string;
  readonly ending: Promise<number | string | null>;
}

function start(args: readonly string[]): Run {
  // This very test runs in the test runner, which tells its children so.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(process.execPath, ['--import=tsx', 'test/run.ts', ...args], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const ending = once(child, 'close').then(
    ([code, signal]: (number | string | null)[]) => code ?? signal ?? null,
  );
  return { process: child, output: () => output, ending };
}

async function run(...args: readonly string[]): Promise<{ code: unknown; output: string }> {
  const started = start(args);
  const code = await settlesWithin(started.ending, LIMIT_MS, 'The test runner');
  return { code, output: started.output() };
}

test('tests that pass, in folders of any depth, are a success', async () => {
  await writeTest('unit/a.test.ts', PASS);
  await writeTest('unit/deep/er/b.test.ts', PASS);
  const { code, output } = await run();
  assert.equal(code, 0, output);
  assert.match(output, /pass 2/);
});

test('a filter is a part of a path, and flags go to node', async () => {
  await writeTest('unit/a.test.ts', PASS);
  await writeTest('unit/b.test.ts', `${PASS} test('fails', () => { throw new Error(); });`);
  assert.equal((await run('unit/a')).code, 0);
  assert.equal((await run()).code, 1);
  assert.equal((await run('unit/b', '--test-name-pattern=fails')).code, 1);
});

test('a filter that fits no file is a failure', async () => {
  await writeTest('unit/a.test.ts', PASS);
  const { code, output } = await run('unit/a', 'unit/z');
  assert.equal(code, 1);
  assert.match(output, /No test file has "unit\/z" in its path/);
});

test('no test file is a failure', async () => {
  const { code, output } = await run();
  assert.equal(code, 1);
  assert.match(output, /There are no test files/);
});

for (const kind of ['skip', 'todo']) {
  test(`a test with ${kind} is a failure, which is said`, async () => {
    await writeTest('unit/a.test.ts', `${PASS} test('not done', { ${kind}: true }, () => {});`);
    const { code, output } = await run();
    assert.equal(code, 1);
    assert.match(output, /Not a success: 1 (skipped|todo)/);
  });
}

test('a file that never ends is a failure', async () => {
  await writeTest('unit/a.test.ts', `${PASS} setInterval(() => {}, 1_000);`);
  await writeTest('unit/b.test.ts', PASS);
  const { code, output } = await run('--test-timeout=2000');
  assert.equal(code, 1);
  // Node's own words, or the runner's.
  assert.match(output, /timed out after (?:2000ms|3000ms without a word)/);
});

test('an error outside of any test is a failure', async () => {
  await writeTest('unit/a.test.ts', `${PASS} setTimeout(() => { throw new Error('late'); }, 50);`);
  assert.equal((await run()).code, 1);
});

test('files outside of unit/, property/ and types/ share one server, gone at the end', async () => {
  const code = `
    import { test } from 'node:test';
    import { sharedServer } from '../support/server.js';
    test('connects', async () => {
      const { port, pid } = await sharedServer();
      console.log('server=' + port + '/' + pid);
    });`;
  await writeTest('postgres/a.test.ts', code);
  await writeTest('postgres/b.test.ts', code);
  const { code: exitCode, output } = await run();
  assert.equal(exitCode, 0, output);
  const servers = [...output.matchAll(/server=(\d+)\/(\d+|undefined)/g)];
  assert.equal(servers.length, 2);
  assert.equal(servers[0]?.[0], servers[1]?.[0]);
  const pid = Number(servers[0]?.[2]);
  if (!Number.isNaN(pid)) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('SIGTERM ends the tests first, then the run fails', async () => {
  await writeTest(
    'unit/a.test.ts',
    `import { test } from 'node:test';
     test('waits', async () => {
       console.log('waiting=' + process.pid);
       await new Promise((resolve) => setTimeout(resolve, 100_000));
     });`,
  );
  const started = start([]);
  const [, pid] = await eventually(
    () => /waiting=(\d+)/.exec(started.output()) ?? undefined,
    LIMIT_MS,
    started.output,
  );
  started.process.kill('SIGTERM');
  assert.notEqual(await settlesWithin(started.ending, LIMIT_MS, 'The test runner'), 0);
  await eventually(
    () => {
      try {
        process.kill(Number(pid), 0);
        return false;
      } catch {
        return true;
      }
    },
    LIMIT_MS,
    'The test file has ended',
  );
});
