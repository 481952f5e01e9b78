// The pool of one run: one client is all that a command needs.
import pg from 'pg';

import { ToolError } from './failure.js';

/**
 * Runs `use` with a pool and ends it afterwards.
 *
 * @throws ToolError USAGE unless DATABASE_URL names a Postgres
 */
export async function withPool<T>(
  env: Readonly<Record<string, string | undefined>>,
  use: (pool: pg.Pool) => Promise<T>,
): Promise<T> {
  const { DATABASE_URL: url = '' } = env;
  if (!/^postgres(?:ql)?:$/.test(URL.canParse(url) ? new URL(url).protocol : '')) {
    // Not an option: a command line, and so a password in it, is shown to every user of the machine.
    const message = 'set DATABASE_URL, such as postgres://role:password@host/database';
    throw new ToolError('USAGE', message);
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    connectionTimeoutMillis: 10_000,
    application_name: 'admin-tool',
  });
  // An idle client that loses its connection must not end the process; the next query tells.
  pool.on('error', () => undefined);
  try {
    return await use(pool);
  } finally {
    await pool.end();
  }
}
