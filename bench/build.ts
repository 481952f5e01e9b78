// Compiles the package and the measuring process into bench/.cache/build, so that what is measured is what is
// shipped. The folder has the package's own manifest, so "backup-streams" means the package in it.
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** Where everything goes that is not for keeps. */
export const CACHE_DIR = path.join(ROOT, 'bench', '.cache');

/**
 * Compiles anew.
 *
 * @param source - the measuring process, a file of this folder
 * @returns its compiled script
 * @throws Error with the compiler's messages
 */
export async function buildChild(source = 'child.ts'): Promise<string> {
  const outDir = path.join(CACHE_DIR, 'build');
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await cp(path.join(ROOT, 'package.json'), path.join(outDir, 'package.json'));
  await compile(['-p', 'tsconfig.build.json', '--outDir', path.join(outDir, 'dist')]);
  const config = {
    extends: '../../../tsconfig.json',
    // The types are the type check's business; here they would need a build of the package beforehand.
    compilerOptions: { noEmit: false, noCheck: true, rootDir: ROOT, outDir },
    // The second is started by a candidate, in a process of its own.
    files: [`../../${source}`, '../../http-service.ts'],
    include: [],
  };
  const configFile = path.join(outDir, 'tsconfig.json');
  await writeFile(configFile, JSON.stringify(config));
  await compile(['-p', configFile]);
  return path.join(outDir, 'bench', source.replace(/\.ts$/, '.js'));
}

async function compile(args: readonly string[]): Promise<void> {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  try {
    await run(process.execPath, [tsc, ...args], { cwd: ROOT });
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    throw new Error(`The package does not compile:\n${stdout ?? ''}`, { cause: error });
  }
}
