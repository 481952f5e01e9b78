// COPY … FROM STDIN over pg's own submittable protocol: the counterpart of copy-query.

import type { PgConnection, PgSubmittable } from './client.js';
import { outOfCopy } from './sink-error.js';

/** What `pg` hands to a submittable, with what COPY needs to send. */
interface CopyConnection extends PgConnection {
  readonly stream: PgConnection['stream'] & {
    write(bytes: Uint8Array): boolean;
    readonly writableLength: number;
  };
  endCopyFrom(): void;
}

/** How many bytes may wait in the socket before the writer does. */
const waitingBytes = 1024 * 1024;

/** A COPY into the database, for `client.query()`. Its data are whole CopyData messages. */
export class CopyIn implements PgSubmittable {
  /** As in CopyQuery: the pool's own `query_timeout` would end a long COPY. */
  readonly query_timeout: number;
  /** Clears the timer that `pg` has set for this query. */
  callback?: () => void;
  /** Settles when the server takes data. */
  readonly ready: Promise<void>;
  readonly #text: string;
  readonly #completed: Promise<number>;
  #accept: () => void = () => undefined;
  #complete: (rowCount: number) => void = () => undefined;
  #rejectReady: (error: unknown) => void = () => undefined;
  #rejectCompleted: (error: unknown) => void = () => undefined;
  #rejectWrite: (error: unknown) => void = () => undefined;
  #connection: CopyConnection | undefined;
  #rowCount = NaN;
  #failure: { readonly error: unknown } | undefined;

  constructor(text: string, limitMs: number) {
    this.#text = text;
    this.query_timeout = limitMs;
    this.ready = new Promise((resolve, reject) => {
      this.#accept = resolve;
      this.#rejectReady = reject;
    });
    this.#completed = new Promise((resolve, reject) => {
      this.#complete = resolve;
      this.#rejectCompleted = reject;
    });
    // Whoever waits gets the error; nobody has to wait for both.
    this.ready.catch(() => undefined);
    this.#completed.catch(() => undefined);
  }

  /** The client's, once `ready` has settled. */
  get socket(): PgConnection['stream'] | undefined {
    return this.#connection?.stream;
  }

  /**
   * Sends whole CopyData messages.
   *
   * @returns a promise when the socket has enough for now; data written before it settles pile up
   */
  write(messages: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const { stream } = this.#connection as CopyConnection;
    if (stream.write(messages) || stream.writableLength < waitingBytes) return undefined;
    return new Promise((resolve, reject) => {
      this.#rejectWrite = reject;
      stream.once('drain', resolve);
    });
  }

  /** Says that this was all. @returns how many rows the server has taken */
  finish(): Promise<number> {
    (this.#connection as CopyConnection).endCopyFrom();
    return this.#completed;
  }

  submit(connection: PgConnection): void {
    this.#connection = connection as CopyConnection;
    connection.query(this.#text);
  }

  handleCopyInResponse(): void {
    this.#accept();
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const counted = /^COPY (\d+)$/.exec(message.text);
    this.#rowCount = counted === null ? NaN : Number(counted[1]);
  }

  handleReadyForQuery(): void {
    this.callback?.();
    if (Number.isNaN(this.#rowCount)) this.handleError(outOfCopy());
    else this.#complete(this.#rowCount);
  }

  handleError(error: unknown): void {
    this.callback?.();
    this.#failure ??= { error };
    this.#rejectReady(this.#failure.error);
    this.#rejectWrite(this.#failure.error);
    this.#rejectCompleted(this.#failure.error);
  }
}
