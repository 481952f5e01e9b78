// `npm run check:pooler`: exports and restores of two users through PgBouncer in transaction mode, over a Postgres
// that it starts itself. Notes in results.json what it counted; ends with 1 where anything was not as it has to be.
import { fileURLToPath } from 'node:url';
import pg from 'pg';

import { writeFormatted } from '../../bench/write-formatted.js';
import { startPostgres } from '../../dev/postgres-server.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { SERVER_CONNECTIONS, poolerVersion, startPooler } from './pgbouncer.js';
import { prepare, scenarios } from './scenarios.js';

const RESULTS = fileURLToPath(new URL('results.json', import.meta.url));

async function postgresVersion(db: TestDatabase): Promise<string> {
  const { rows } = await db.admin.query<{ server_version: string }>('SHOW server_version');
  return rows[0]?.server_version ?? 'unknown';
}

const pgbouncer = await poolerVersion();
const server = await startPostgres();
const db = await createTestDatabase({ server });
const pooler = await startPooler(db.url('app'));
const pool = new pg.Pool({ connectionString: pooler.url, max: 6 });
pool.on('error', () => undefined); // a client that was left
try {
  const found: Record<string, unknown> = {};
  const texts = await prepare(db);
  for (const { name, run } of scenarios) {
    found[name] = await run({ db, pooler, pool, texts });
    console.log(name, found[name]);
  }
  const results = {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    postgres: await postgresVersion(db),
    pgbouncer,
    serverConnections: SERVER_CONNECTIONS,
    found,
  };
  await writeFormatted(RESULTS, JSON.stringify(results));
} finally {
  await pool.end();
  await pooler.stop();
  await db.drop();
  await server.stop();
}
