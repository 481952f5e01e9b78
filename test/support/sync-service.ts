// The example service on a port of its own, with what it has logged, and logs in Postgres for it to export.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { knownTokens } from '../../examples/sync-service/authenticate.js';
import {
  createSyncService,
  type LogEntry,
  type SyncServiceOptions,
} from '../../examples/sync-service/server.js';
import { STRANGER, USER, fillLog } from './change-log.js';
import { type TestDatabase, withDatabase } from './database.js';
import { eventually } from './deadline.js';

/** What the service's clock says. */
const NOW = new Date('2026-04-14T10:00:00Z');

const TOKENS = { 'token-1': USER, 'token-2': STRANGER };

/** A service that is running. */
export interface Service {
  /** Where the page is, with a `/` at its end. */
  readonly origin: string;
  /** Of the export, for clients that send a header. */
  readonly url: string;
  readonly log: readonly LogEntry[];
  /** The one line of the log, once it is there. */
  readonly logged: () => Promise<LogEntry>;
}

/** A service for the length of `use`; `token-1` is {@link USER}'s, and `token-2` {@link STRANGER}'s. */
export async function withService(
  options: Partial<SyncServiceOptions> & Pick<SyncServiceOptions, 'pool'>,
  use: (service: Service) => Promise<void>,
): Promise<void> {
  const log: LogEntry[] = [];
  const server = createSyncService({
    authenticate: knownTokens(TOKENS),
    log: (entry) => log.push(entry),
    now: () => NOW,
    ...options,
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${String(port)}/`;
  try {
    await use({
      origin,
      url: `${origin}backup/export`,
      log,
      logged: async () => {
        await eventually(() => log.length > 0, 5_000, 'A line in the log');
        assert.equal(log.length, 1, 'one line');
        return log[0]!;
      },
    });
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

/** A pool that nobody may ask for anything. */
export const untouchable: SyncServiceOptions['pool'] = {
  connect: () => assert.fail('the database was asked'),
};

/** A database with a log of `rowCount` rows of {@link USER}, and a few of {@link STRANGER}. */
export function withLog(
  rowCount: number,
  use: (db: TestDatabase) => Promise<void>,
  dataBytes = 20,
): Promise<void> {
  return withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount, dataBytes });
    await fillLog(db, { userId: STRANGER, rowCount: 7 });
    await use(db);
  });
}

/** Far more than all buffers between Postgres and a client that does not read can hold. */
export const BIG_LOG = { rowCount: 3_000, dataBytes: 30_000 };

/** A database with {@link BIG_LOG}. */
export function withBigLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  return withLog(BIG_LOG.rowCount, use, BIG_LOG.dataBytes);
}

/** A port of this machine on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
