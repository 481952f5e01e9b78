// The little of `pg` that this library uses, as structural types: a `pg.Pool` fits.

import type { EventEmitter } from 'node:events';

/** What gives clients: a `pg.Pool`. */
export interface PgPool {
  /** Whether it has been ended, or is about to be, and gives no more clients. */
  readonly ending?: boolean;
  connect(): Promise<PgClient>;
}

/** A leased client: a `pg.PoolClient`. */
export interface PgClient extends EventEmitter {
  query(text: string, values?: unknown[]): Promise<PgResult>;
  query<Submitted extends PgSubmittable>(submittable: Submitted): Submitted;
  /** Gives the client back; with an error it is destroyed instead. */
  release(error?: Error | boolean): void;
  escapeLiteral(text: string): string;
  /** `I` outside a transaction, `T` inside, `E` inside a failed one; null before the first query. */
  getTransactionStatus(): string | null;
}

/** What a query gave. */
export interface PgResult {
  readonly rows: unknown[];
}

/** What may be handed to `client.query` instead of a text: `pg` calls its handlers. */
export interface PgSubmittable {
  submit(connection: PgConnection): void;
}

/** The connection that `pg` hands to a submittable. */
export interface PgConnection {
  readonly stream: EventEmitter & {
    pause(): unknown;
    resume(): unknown;
    destroy(): unknown;
  };
  query(text: string): void;
}

/** What migrations need: a `pg.Client`, a `pg.PoolClient` or a `pg.Pool`. */
export interface PgQueryable {
  query(text: string, values?: unknown[]): Promise<PgResult>;
}

/**
 * Checks that something is a pool. A client has a `connect` too: it is told by what only clients have.
 *
 * @throws TypeError at the call, before any I/O
 */
export function poolOption(pool: unknown): void {
  const { connect, escapeLiteral, getTransactionStatus } = (pool ?? {}) as Record<string, unknown>;
  if (typeof connect !== 'function') throw new TypeError('pool must be a pg.Pool');
  if (typeof escapeLiteral === 'function' || typeof getTransactionStatus === 'function') {
    throw new TypeError('pool must be a pg.Pool, which a client is leased from: this is a client');
  }
}
