// A Postgres server as seen from outside: where it is, and connection strings for its roles and databases.
import pg from 'pg';

/** Who connects to what; each part has the superuser's default. */
export interface PostgresUrlOptions {
  readonly user?: string;
  readonly password?: string;
  /** Default: the database of {@link PostgresConnection.superuserUrl}. */
  readonly database?: string;
}

/** A server that can be connected to; not necessarily one that this process started. */
export interface PostgresConnection {
  readonly host: string;
  readonly port: number;
  /** Connection string of the role that may create roles and databases. */
  readonly superuserUrl: string;
  /** A connection string for this server. */
  url(options?: PostgresUrlOptions): string;
  /** Stops the server if this process started it. May be called more than once. */
  stop(): Promise<void>;
}

/** A server described by its connection string alone; `stop()` does nothing. */
export function connectionAt(superuserUrl: string): PostgresConnection {
  const { hostname, port } = new URL(superuserUrl);
  return {
    host: hostname,
    port: port === '' ? 5432 : Number(port),
    superuserUrl,
    url: (options = {}) => changeUrl(superuserUrl, options),
    stop: () => Promise.resolve(),
  };
}

/** The same server's connection string with another role or database. */
export function changeUrl(base: string, { user, password, database }: PostgresUrlOptions): string {
  const url = new URL(base);
  if (user !== undefined) {
    url.username = encodeURIComponent(user);
    url.password = '';
  }
  if (password !== undefined) url.password = encodeURIComponent(password);
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/**
 * Checks that the role of a connection string can set up what the caller needs.
 *
 * @throws Error when it can create no roles and databases, or is no superuser though one is needed
 */
export async function assertMayCreate(databaseUrl: string, needsSuperuser: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ role: string; superuser: boolean; creator: boolean }>(
      `SELECT rolname AS role, rolsuper AS superuser, rolcreaterole AND rolcreatedb AS creator
       FROM pg_roles WHERE rolname = current_user`,
    );
    const [found] = rows;
    if (found?.superuser === true || (found?.creator === true && !needsSuperuser)) return;
    const need = needsSuperuser ? 'be a superuser' : 'be able to create roles and databases';
    throw new Error(
      `The role "${found?.role ?? '?'}" of DATABASE_URL must ${need}. ` +
        'Connect as another role, or unset DATABASE_URL to use a throw-away server.',
    );
  } finally {
    await client.end();
  }
}
