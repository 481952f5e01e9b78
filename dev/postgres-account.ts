// The account that a throw-away Postgres runs under. Postgres refuses to run as root, so a root
// process lends the server an unprivileged account; everybody else runs it as themselves.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An operating-system account that can run Postgres. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

// `nobody` is in every base image, so no account has to be added to the machine.
const CANDIDATES = ['postgres', 'nobody'];

/**
 * The account to lend to Postgres: `undefined` where this process can run it as itself.
 *
 * @throws Error when this process is root and the machine has no unprivileged account to lend
 */
export async function accountForPostgres(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    const account = await lookUp(name);
    if (account !== undefined) return account;
  }
  throw new Error(
    `Postgres does not run as root, and this machine has none of the accounts ${CANDIDATES.join(', ')} to lend to it. ` +
      'Add one ("useradd --system postgres"), run as another user, or point DATABASE_URL at a server.',
  );
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [user, group] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    const uid = Number(user.stdout);
    return uid === 0 ? undefined : { name, uid, gid: Number(group.stdout) };
  } catch {
    return undefined; // `id` fails for an unknown name
  }
}

/**
 * The topmost directory on the way to `target` (itself included) that `account` may not enter, if any.
 * Reads mode bits only; access lists are not looked at.
 */
export async function firstClosedDirectory(
  target: string,
  account: Account,
): Promise<string | undefined> {
  const { root } = path.parse(path.resolve(target));
  let directory = root;
  for (const step of ['', ...path.relative(root, target).split(path.sep)]) {
    directory = path.join(directory, step);
    if (!isEnterable(await stat(directory), account)) return directory;
  }
  return undefined;
}

function isEnterable(
  owner: { readonly mode: number; readonly uid: number; readonly gid: number },
  account: Account,
): boolean {
  if (owner.uid === account.uid) return (owner.mode & 0o100) !== 0;
  if (owner.gid === account.gid) return (owner.mode & 0o010) !== 0;
  return (owner.mode & 0o001) !== 0;
}
