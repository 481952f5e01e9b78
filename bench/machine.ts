// What a run was made on.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import os from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGES = [
  'backup-streams',
  'pg',
  'pg-cursor',
  'pg-query-stream',
  'ndjson',
  'pg-copy-streams',
  'postgres',
];

/** A machine and what is installed on it. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  readonly psql: string | undefined;
  /** Versions by name. */
  readonly packages: Readonly<Record<string, string>>;
}

/** Looks at this machine. */
export async function describeMachine(
  postgres: string,
  psql: string | undefined,
): Promise<Machine> {
  const cpus = os.cpus();
  const packages = await Promise.all(
    PACKAGES.map(async (name): Promise<[string, string]> => [name, await versionOf(name)]),
  );
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    cores: cpus.length,
    memoryGigabytes: Math.round(os.totalmem() / 1e9),
    system: `${await systemName()}, ${os.type()} ${os.release().split('-')[0] ?? ''} ${os.arch()}`,
    node: process.versions.node,
    postgres,
    psql,
    packages: Object.fromEntries(packages),
  };
}

/** The version of the `psql` that is on the path, if there is one. */
export async function psqlVersion(): Promise<string | undefined> {
  try {
    const { stdout } = await run('sh', ['-c', 'psql --version']);
    return /\d+\.\d+/.exec(stdout)?.[0];
  } catch {
    return undefined;
  }
}

async function versionOf(name: string): Promise<string> {
  const folder = name === 'backup-streams' ? '..' : `../node_modules/${name}`;
  const text = await readFile(new URL(`${folder}/package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="(.+)"$/m.exec(text)?.[1] ?? os.version();
}
