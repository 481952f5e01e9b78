// A client out of the host's pool and back into it, whatever the host has made of the pool.

import type { PgClient, PgPool } from './client.js';
import { clientUnusable } from './source-error.js';
import type { SourcePlace } from './source-error.js';

/** Who leases. */
export interface Lessee {
  /** Where the export or restore is, for errors. */
  readonly place: SourcePlace;
  /** Asked when a client comes: whether it is not wanted any more. */
  isOver(): boolean;
}

/**
 * Leases a client that is in no transaction.
 *
 * @returns undefined when it came too late: it is back in the pool
 * @throws BackupError `BACKUP_SOURCE_FAILED` for a pool that was ended and for what is no client of
 * `pg`; what the pool throws
 */
export async function leaseClient(pool: PgPool, lessee: Lessee): Promise<PgClient | undefined> {
  for (;;) {
    if (pool.ending === true) throw clientUnusable('the pool has been ended', lessee.place);
    const client = await pool.connect();
    if (lessee.isOver()) {
      // As good as new for the next one.
      giveBack(client, false);
      return undefined;
    }
    const problem = clientProblem(client);
    if (problem !== undefined) {
      giveBack(client, false);
      throw clientUnusable(problem, lessee.place);
    }
    const status = client.getTransactionStatus();
    if (status === 'I' || status === null) return client;
    // Somebody gave it back inside a transaction, with settings that are not ours.
    giveBack(client, true);
  }
}

/**
 * Gives a client back of which nothing more is expected. A listener of the pool's may throw, and so may
 * what is no client at all: what the caller is about to tell is why it gives the client back.
 */
export function giveBack(client: PgClient | undefined, isBroken: boolean): void {
  try {
    if (isBroken) client?.release(true);
    else client?.release();
  } catch {
    // see above
  }
}

const clientMembers = [
  'query',
  'release',
  'escapeLiteral',
  'getTransactionStatus',
  'on',
  'removeListener',
] as const;

/** Why what a pool gave is no client to work with; undefined when it is one. */
function clientProblem(client: unknown): string | undefined {
  if (typeof client !== 'object' || client === null) return 'the pool gave no client';
  if ('native' in client) {
    return 'the pool gives clients of pg-native, which is not supported: take pg.Pool';
  }
  const missing = clientMembers.find(
    (member) => typeof (client as Record<string, unknown>)[member] !== 'function',
  );
  if (missing === undefined) return undefined;
  return `the pool gave a client without ${missing}(): take a pg.Pool of pg 8.21 or later`;
}
