// The example's sync service in a process of its own, as a client of a real one finds it: told of its database,
// it listens, says where, and ends with the process that has started it.
import type { AddressInfo } from 'node:net';
import pg from 'pg';

import { knownTokens } from '../examples/sync-service/authenticate.js';
import { createSyncService } from '../examples/sync-service/server.js';

/** What the process is told: whose log it serves for the token `token`, and where that is. */
export interface HttpServiceTask {
  readonly databaseUrl: string;
  readonly userId: string;
}

/** What it says once it listens. */
export interface HttpServiceAddress {
  readonly port: number;
}

process.once('message', ({ databaseUrl, userId }: HttpServiceTask) => {
  const service = createSyncService({
    pool: new pg.Pool({ connectionString: databaseUrl }),
    authenticate: knownTokens({ token: userId }),
    log: () => undefined,
  });
  service.listen(0, '127.0.0.1', () => {
    const { port } = service.address() as AddressInfo;
    process.send?.({ port } satisfies HttpServiceAddress);
  });
});
process.once('disconnect', () => {
  process.exit();
});
