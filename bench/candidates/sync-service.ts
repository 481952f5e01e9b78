// A download over HTTP from the example's sync service, which runs in the same process; the request is what
// is measured, its connection to the database included.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';

import { knownTokens } from '../../examples/sync-service/authenticate.js';
import { createSyncService } from '../../examples/sync-service/server.js';
import type { Job, Run } from '../job.js';

export async function syncService({ databaseUrl, userId }: Job): Promise<Run> {
  const service = createSyncService({
    pool: new pg.Pool({ connectionString: databaseUrl }),
    authenticate: knownTokens({ token: userId }),
    log: () => undefined,
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  const { port } = service.address() as AddressInfo;
  return async (sink) => {
    const url = `http://127.0.0.1:${port}/backup/export`;
    const request = get(url, { headers: { authorization: 'Bearer token' } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw new Error(`HTTP status ${String(response.statusCode)}`);
    await pipeline(response, sink);
    return {};
  };
}
