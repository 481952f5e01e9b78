// Databases that tests have left, emptied for the next test: making one, the first session in it and dropping
// it take a fifth of a second, emptying one a tenth of that.
import pg from 'pg';

import type { TestServer } from './server.js';

const shelf: string[] = [];
const printsWhenNew = new Map<string, string>();

/** An empty database on the shared server, if a test has left one: the caller's until it is put back. */
export function takeDatabase(): string | undefined {
  return shelf.pop();
}

/** Takes note of what a new database is like. */
export async function noteNewDatabase(server: TestServer, name: string): Promise<void> {
  printsWhenNew.set(name, await inDatabase(server, name, printOf));
}

/**
 * Empties a database that nobody uses any more.
 *
 * @returns whether it is like new and on the shelf; if not, it has to be dropped
 */
export async function shelveDatabase(server: TestServer, name: string): Promise<boolean> {
  const printWhenNew = printsWhenNew.get(name);
  const isLikeNew = await inDatabase(server, name, async (client) => {
    await client.query(EMPTYING_SQL);
    return (await printOf(client)) === printWhenNew;
  });
  if (isLikeNew) shelf.push(name);
  return isLikeNew;
}

async function inDatabase<T>(
  server: TestServer,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: server.url({ database }) });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function printOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ print: string }>(PRINT_SQL);
  return rows[0]?.print ?? '';
}

// Whatever of the test's is not in a schema stays, and then the print is another one.
const EMPTYING_SQL = `
  DO $$
  DECLARE
    schema_name text;
    owner text := (SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'public');
    rights text := (SELECT CASE WHEN has_schema_privilege('public', 'public', 'CREATE') THEN 'ALL' ELSE 'USAGE' END);
  BEGIN
    FOR schema_name IN
      SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
    LOOP
      EXECUTE format('DROP SCHEMA %I CASCADE', schema_name);
    END LOOP;
    EXECUTE format('CREATE SCHEMA public AUTHORIZATION %s; GRANT %s ON SCHEMA public TO PUBLIC', owner, rights);
  END $$`;

// Everything in the catalogs that a test could have made or changed, but for object ids of the schema public.
const PRINT_SQL = `
  SELECT concat_ws(' ',
    (SELECT concat_ws(' ', datacl, datconnlimit, datallowconn, pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()),
    (SELECT concat_ws(' ', nspowner::regrole, nspacl) FROM pg_namespace WHERE nspname = 'public'),
    (SELECT count(*) FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase WHERE datname = current_database()),
    (SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace),
    (SELECT concat_ws(' ', count(*), sum(xmin::text::int8)) FROM pg_class),
    (SELECT concat_ws(' ', count(*), sum(xmin::text::int8)) FROM pg_proc),
    (SELECT concat_ws(' ', count(*), sum(xmin::text::int8)) FROM pg_type),
    (SELECT concat_ws(' ', count(*), sum(xmin::text::int8)) FROM pg_operator),
    (SELECT concat_ws(' ', count(*), sum(xmin::text::int8)) FROM pg_cast),
    (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_collation), (SELECT count(*) FROM pg_extension),
    (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_policy),
    (SELECT count(*) FROM pg_rewrite), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_constraint),
    (SELECT count(*) FROM pg_language), (SELECT count(*) FROM pg_foreign_data_wrapper), (SELECT count(*) FROM pg_foreign_server),
    (SELECT count(*) FROM pg_ts_config), (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_largeobject_metadata),
    (SELECT count(*) FROM pg_am), (SELECT count(*) FROM pg_opclass), (SELECT count(*) FROM pg_init_privs WHERE classoid <> 'pg_namespace'::regclass)
  ) AS print`;
