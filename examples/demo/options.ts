// What the demo was asked for on the command line.
import { parseArgs } from 'node:util';

/** Something the person at the keyboard can do something about: its message is all they are shown. */
export class DemoError extends Error {}

/** The command line, checked. */
export interface DemoOptions {
  /** An existing database; without it a throw-away one is made and filled. */
  readonly databaseUrl: string | undefined;
  readonly userId: string;
  /** Rows of the made-up log, all users together. */
  readonly rowCount: number;
  readonly outDir: string;
  readonly rowSecurity: 'require' | 'explicit-filter-only';
}

export const usage = `Exports one user's change log over HTTP and checks what has arrived.

  npm run demo                        with a Postgres of its own and a made-up log
  npm run demo -- --rows 1000000      the same with more rows
  npm run demo -- --database-url postgres://role:password@host/database --user anna
                                      with your own sync_changes, which is only read

  --database-url <url>     an existing database with a table sync_changes
  --user <id>              whose log (default: user-1; has to be given with --database-url)
  --rows <count>           rows of the made-up log, all users together (default: 20000)
  --out <folder>           where the file goes (default: backups)
  --explicit-filter-only   do without row-level security: for a table that has none, or for a role
                           that it does not hold
  --help`;

/**
 * Reads the command line.
 *
 * @throws DemoError for what it does not understand
 */
export function readOptions(args: readonly string[]): DemoOptions | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const { 'database-url': databaseUrl, user, rows } = values;
  if (databaseUrl !== undefined) {
    if (!/^postgres(?:ql)?:$/.test(protocolOf(databaseUrl))) {
      throw new DemoError(
        '--database-url takes a URL such as postgres://role:password@host/database.',
      );
    }
    if (user === undefined) throw new DemoError('Say whose log to export: --user <id>.');
    if (rows !== undefined) throw new DemoError('--rows is for the made-up log, not for your own.');
  }
  if (user === '') throw new DemoError('--user takes a user id.');
  return {
    databaseUrl,
    userId: user ?? 'user-1',
    rowCount: rowCountOf(rows ?? '20000'),
    outDir: values.out,
    rowSecurity: values['explicit-filter-only'] ? 'explicit-filter-only' : 'require',
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        'database-url': { type: 'string' },
        user: { type: 'string' },
        rows: { type: 'string' },
        out: { type: 'string', default: 'backups' },
        'explicit-filter-only': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    const [first = ''] = (error instanceof Error ? error.message : '').split('. ');
    throw new DemoError(`${first}. "npm run demo -- --help" tells what there is.`);
  }
}

function protocolOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : '';
}

function rowCountOf(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 100 && count <= 10_000_000) return count;
  throw new DemoError('--rows takes a whole number from 100 to 10000000.');
}
