// A pool that tells of each answer of the database, and notes what is done with a client that was given back.
import type pg from 'pg';

import type { PgClient, PgPool } from '../../src/postgres/client.js';

/** A `pg.Pool` whose clients are watched while they are leased. */
export class WatchedPool implements PgPool {
  /** How often clients were leased and given back, and asked something after that. */
  readonly counts = { leases: 0, releases: 0, lateQueries: 0 };
  /** The statements, in order; one that is submitted as an object is left out. */
  readonly texts: string[] = [];
  readonly #pool: pg.Pool;
  readonly #onAnswer: (index: number) => void;

  /** @param onAnswer - called when the answer to the statement at `index` has come, before anybody else hears of it */
  constructor(pool: pg.Pool, onAnswer: (index: number) => void = () => undefined) {
    this.#pool = pool;
    this.#onAnswer = onAnswer;
  }

  async connect(): Promise<PgClient> {
    const client = await this.#pool.connect();
    this.counts.leases += 1;
    Reflect.deleteProperty(client, 'query'); // watched by an earlier lease
    const release = client.release.bind(client);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    let isBack = false;
    client.release = (error) => {
      this.counts.releases += 1;
      isBack = true;
      release(error);
    };
    const watched = (...args: unknown[]): unknown => {
      if (isBack) this.counts.lateQueries += 1;
      const answer = query(...args);
      if (typeof args[0] !== 'string') return answer;
      const index = this.texts.push(args[0]) - 1;
      void (answer as Promise<unknown>).then(
        () => {
          this.#onAnswer(index);
        },
        () => undefined,
      );
      return answer;
    };
    client.query = watched as typeof client.query;
    return client;
  }
}

/** Calls `act` after so many turns of the queue in which promises settle. */
export async function afterTurns(turnCount: number, act: () => void): Promise<void> {
  for (let turn = 0; turn < turnCount; turn += 1) await Promise.resolve();
  act();
}
