// COPY … TO STDOUT over pg's own submittable protocol: no package between driver and decoder.

import type { PgConnection, PgSubmittable } from './client.js';

/** What a {@link CopyQuery} tells, in this order: onSubmit, onData…, then onEnd or onError. */
export interface CopyListener {
  /** The query is on its way over this connection. */
  onSubmit(connection: PgConnection): void;
  /** A piece of the data, which `pg` reuses when the call returns. */
  onData(chunk: Uint8Array): void;
  /** The server has completed the command and waits for the next: its count of rows, or NaN. */
  onEnd(rowCount: number): void;
  /** The server or the connection failed. May come more than once. */
  onError(error: unknown): void;
}

/** A COPY for `client.query()`. */
export class CopyQuery implements PgSubmittable {
  /**
   * The pool's own `query_timeout` would end a long export: `pg` lets a query bring its own, and
   * clears the timer when it calls its callback.
   */
  readonly query_timeout: number;
  callback?: () => void;
  readonly #text: string;
  readonly #listener: CopyListener;
  #rowCount = NaN;

  constructor(text: string, limitMs: number, listener: CopyListener) {
    this.#text = text;
    this.query_timeout = limitMs;
    this.#listener = listener;
  }

  /** Clears the timer that `pg` has set for this query. */
  dismiss(): void {
    this.callback?.();
  }

  submit(connection: PgConnection): void {
    this.#listener.onSubmit(connection);
    connection.query(this.#text);
  }

  handleCopyData(message: { readonly chunk: Uint8Array }): void {
    this.#listener.onData(message.chunk);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const counted = /^COPY (\d+)$/.exec(message.text);
    this.#rowCount = counted === null ? NaN : Number(counted[1]);
  }

  handleReadyForQuery(): void {
    this.#listener.onEnd(this.#rowCount);
  }

  handleError(error: unknown): void {
    this.#listener.onError(error);
  }
}
