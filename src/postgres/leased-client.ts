// A client of the host's pool for as long as an export or a restore needs one, and what ends either of
// them from outside: the signal, the limits, the client's own death. It comes back clean, or is destroyed.

import { listenForAbort } from '../stream/abort-listening.js';
import type { PgClient, PgConnection, PgPool } from './client.js';
import type { LogScope } from './export-options.js';
import { giveBack, leaseClient } from './lease.js';
import type { SourcePlace } from './source-error.js';
import { StallWatch } from './stall-watch.js';
import type { Expectation } from './stall-watch.js';

/** A limit that has passed. */
export interface PassedLimit {
  readonly limit: Expectation['limit'] | 'maxDurationMs';
  readonly limitMs: number;
}

/** What may end an export or a restore at any time; nothing of it is called once that is over. */
export interface LeaseListener {
  /** The signal was aborted. */
  onAbort(reason: unknown): void;
  /** Somebody was silent for too long, or all of it took too long. */
  onLimit(passed: PassedLimit): void;
  /** The leased client has failed, whatever it was doing. */
  onClientError(error: unknown): void;
}

/** A lease: nothing at first, then a client, and at the end nothing again. */
export class LeasedClient {
  readonly #pool: PgPool;
  readonly #scope: LogScope;
  readonly #listener: LeaseListener;
  readonly #watch: StallWatch;
  readonly #onClientError: (error: unknown) => void;
  #client: PgClient | undefined;
  #socket: PgConnection['stream'] | undefined;
  #onData: (() => void) | undefined;
  #durationTimer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  #isOver = false;

  constructor(pool: PgPool, scope: LogScope, listener: LeaseListener) {
    this.#pool = pool;
    this.#scope = scope;
    this.#listener = listener;
    this.#onClientError = (error) => {
      listener.onClientError(error);
    };
    this.#watch = new StallWatch((expectation) => {
      listener.onLimit(expectation);
    });
  }

  /** Whether it has been ended or destroyed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The client, while it is leased. */
  get client(): PgClient | undefined {
    return this.#client;
  }

  /** From now on signal and `maxDurationMs` hold. An abort before is told at once. */
  arm(): void {
    if (this.#isOver) return;
    const { signal, maxDurationMs: limitMs } = this.#scope;
    if (signal?.aborted === true) {
      this.#listener.onAbort(signal.reason);
      return;
    }
    this.#stopListening = listenForAbort(signal, () => {
      this.#listener.onAbort(signal?.reason);
    });
    this.#durationTimer = setTimeout(() => {
      this.#listener.onLimit({ limit: 'maxDurationMs', limitMs });
    }, limitMs);
  }

  /**
   * Leases a client.
   *
   * @returns undefined when it came too late: it is back in the pool
   * @throws what `leaseClient` throws
   */
  async open(place: SourcePlace): Promise<PgClient | undefined> {
    this.expect({ limit: 'connectTimeoutMs', limitMs: this.#scope.connectTimeoutMs });
    const client = await leaseClient(this.#pool, { place, isOver: () => this.#isOver });
    if (client === undefined || this.#isOver) {
      giveBack(client, false); // over since leaseClient has looked
      return undefined;
    }
    this.#client = client;
    client.on('error', this.#onClientError);
    return client;
  }

  /** Somebody is waited for from now on, instead of whoever was before. */
  expect(expectation: Expectation): void {
    if (!this.#isOver) this.#watch.expect(expectation);
  }

  /** Nobody is waited for. */
  expectNobody(): void {
    this.#watch.stop();
  }

  /** A sign of life of whoever is waited for. */
  sign(): void {
    this.#watch.sign();
  }

  /** The client's socket, which only its connection tells. `onData` is called whenever bytes arrive. */
  holdSocket(socket: PgConnection['stream'] | undefined, onData?: () => void): void {
    this.#socket = socket;
    this.#onData = onData;
    if (onData !== undefined) socket?.on('data', onData);
  }

  /**
   * Gives the client back clean; signal and limits go on until {@link end}.
   *
   * @throws what a listener of the pool's throws. The client may be lost to the pool then, and is to be
   * destroyed; only otherwise are client and socket the next borrower's
   */
  release(): void {
    this.#watch.stop();
    this.#leaveSocket();
    this.#client?.removeListener('error', this.#onClientError);
    this.#client?.release();
    this.#client = undefined;
    this.#socket = undefined;
  }

  /** Signal and limits have no say any more. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.stop();
    clearTimeout(this.#durationTimer);
    this.#stopListening?.();
    this.#leaveSocket();
  }

  /** Ends, and destroys the client if it is still leased: the server drops what it was doing. */
  destroy(): void {
    this.end();
    // First, since a destroyed socket may not be paused any more: one that was just resumed would hand
    // out what it has buffered all the same.
    this.#socket?.pause();
    // Released as broken, the client is destroyed: its socket closes whatever it was doing, and the
    // server drops the work. Our error listener stays for what the dying client may still say.
    giveBack(this.#client, true);
    // With no query under way `pg` says goodbye and waits for an answer, which a paused or dead
    // connection never gives, and the pool waits with it.
    this.#socket?.destroy();
  }

  #leaveSocket(): void {
    if (this.#onData !== undefined) this.#socket?.removeListener('data', this.#onData);
  }
}
