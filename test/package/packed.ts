// Packs the package as npm would publish it, and installs it into folders of its own, with nothing
// but copies of what it declares to need. No network, and dist/ of the working folder is not touched.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What a package is made of, and the tests, which must stay out of it. */
const STAGED = [
  ...['package.json', 'tsconfig.json', 'tsconfig.build.json', '.npmrc', '.gitignore'],
  ...['README.md', 'CHANGELOG.md', 'LICENSE', 'docs', 'src', 'test', 'examples'],
  ...['bench/README.md', 'bench/chart.svg'],
];

/** What a process said and how it ended. */
export interface Ran {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs a program to its end; never throws for a program that fails. */
function run(file: string, args: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { ...process.env, npm_config_offline: 'true', npm_config_update_notifier: 'false' };
    execFile(file, args, { cwd, env }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: `${stdout}${stderr}` });
    });
  });
}

/** Runs an ES module text with plain node in a folder. */
export function runModule(text: string, cwd: string): Promise<Ran> {
  return run(process.execPath, ['--input-type=module', '--eval', text], cwd);
}

/** Type-checks a folder with plain tsc and the tsconfig.json in it. */
export function typecheck(cwd: string): Promise<Ran> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  return run(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], cwd);
}

/**
 * Copies the sources to a fresh folder, builds and packs them there, and unpacks the result.
 *
 * @param into - an empty folder
 * @returns the folder that holds what is in the tarball
 */
export async function pack(into: string): Promise<string> {
  const stage = join(into, 'stage');
  for (const name of STAGED.filter((staged) => existsSync(join(ROOT, staged)))) {
    await cp(join(ROOT, name), join(stage, name), { recursive: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(stage, 'node_modules'), 'junction');

  const npm = process.env['npm_execpath'];
  const args = ['pack', '--pack-destination', into];
  const packed =
    npm?.endsWith('.js') === true
      ? await run(process.execPath, [npm, ...args], stage)
      : await run('npm', args, stage);
  const tarball = (await readdir(into)).find((name) => name.endsWith('.tgz'));
  if (!packed.ok || tarball === undefined) throw new Error(`npm pack failed:\n${packed.output}`);

  const unpacked = await run('tar', ['-xzf', tarball], into);
  if (!unpacked.ok) throw new Error(`tar failed:\n${unpacked.output}`);
  return join(into, 'package');
}

/** Every file under a folder, by its path from there with forward slashes, sorted. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

/**
 * Makes a project in `folder` that has installed the unpacked package, its dependencies and
 * `beside`, each with their own dependencies. Copies, not links: a link would find more in the
 * repository's node_modules than was installed.
 */
export async function installInto(
  folder: string,
  unpacked: string,
  beside: readonly string[],
): Promise<void> {
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "name": "consumer", "type": "module" }\n');
  await cp(unpacked, join(folder, 'node_modules', 'backup-streams'), { recursive: true });

  const done = new Set<string>();
  const install = async (name: string, neededBy: string): Promise<void> => {
    const nested = join(neededBy, 'node_modules', name);
    const isNested = existsSync(nested);
    const from = isNested ? nested : join(ROOT, 'node_modules', name);
    if (done.has(from)) return;
    done.add(from);
    // A nested one was copied along with the package that has it.
    if (!isNested) await cp(from, join(folder, 'node_modules', name), { recursive: true });
    for (const dependency of await dependenciesOf(from)) await install(dependency, from);
  };
  for (const name of [...(await dependenciesOf(unpacked)), ...beside])
    await install(name, unpacked);
}

async function dependenciesOf(folder: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  return Object.keys(manifest.dependencies ?? {});
}
