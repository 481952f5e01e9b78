// The Postgres that all tests of a run share: the one that test/run.ts started, or, for a test file that is
// run on its own, one that is started at first use and goes away with the process.
import { type PostgresConnection, connectionAt } from '../../dev/postgres-connection.js';
import { connectOrStart } from '../../dev/postgres-server.js';

/** Environment variables through which test/run.ts tells the test files about its server. */
export const SERVER_VARIABLES = {
  url: 'TEST_DATABASE_URL',
  pid: 'TEST_POSTGRES_PID',
} as const;

/** A server for tests. */
export interface TestServer extends PostgresConnection {
  /** Process id of the postmaster; left out for a server that is not ours to send signals to. */
  readonly pid?: number;
}

let shared: Promise<TestServer> | undefined;

/** The shared server; the same one at every call in this process. */
export function sharedServer(): Promise<TestServer> {
  shared ??= findServer();
  return shared;
}

async function findServer(): Promise<TestServer> {
  const url = process.env[SERVER_VARIABLES.url];
  const pid = process.env[SERVER_VARIABLES.pid];
  if (url === undefined || url === '') return connectOrStart({ needsSuperuser: true });
  return { ...connectionAt(url), ...(pid !== undefined && { pid: Number(pid) }) };
}
