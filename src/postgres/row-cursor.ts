// pg-cursor, but rows are handed over one by one as they arrive, as the server's own text: no type
// parser of the host has a say, and whoever takes them can count bytes and pause the socket.

import Cursor from 'pg-cursor';
import type { EventEmitter } from 'node:events';
import type { PgConnection } from './client.js';
import { tupleOfTexts } from './change-row.js';
import { TupleError } from './copy-frames.js';
import { RowTap } from './row-tap.js';
import type { RowTapListener } from './row-tap.js';

/** What a {@link RowCursor} tells. */
export interface RowCursorListener extends RowTapListener {
  /** Called first, once: the query is on its way over this connection. */
  onSubmit(connection: PgConnection): void;
}

// What `pg` calls on a submittable, as pg-cursor implements it; its types leave these out.
interface CursorProtocol extends EventEmitter {
  submit(connection: PgConnection): void;
  read(rowCount: number, callback: (error: unknown) => void): void;
  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void;
  handlePortalSuspended(): void;
  handleCommandComplete(message: { readonly text: string }): void;
}

const PortalCursor = Cursor as unknown as new (text: string, values: unknown[]) => CursorProtocol;

/** A portal whose rows go to a listener; `read(n)` says when the next n have all arrived. */
export class RowCursor extends PortalCursor {
  /**
   * The pool's own `query_timeout` would end a long export, since a cursor never calls back: `pg`
   * lets a query bring its own, and clears the timer when it calls its callback.
   */
  readonly query_timeout: number;
  callback?: () => void;
  readonly #listener: RowCursorListener;
  #tap: RowTap | undefined;
  #standInCount = 0;
  #provenCount: number | undefined;

  constructor(
    query: { readonly text: string; readonly values: string[]; readonly limitMs: number },
    listener: RowCursorListener,
  ) {
    super(query.text, query.values);
    this.query_timeout = query.limitMs;
    this.#listener = listener;
  }

  /** Lets go of the socket, and clears the timer that `pg` has set for this query. */
  dismiss(): void {
    this.#tap?.close();
    this.callback?.();
  }

  /** Whether the server has said that the query is complete: an empty read is no proof. */
  get isProven(): boolean {
    return this.#provenCount !== undefined;
  }

  /** How many rows the last read had, as the server has said with it; NaN when it has not. */
  get provenCount(): number | undefined {
    return this.#provenCount;
  }

  override submit(connection: PgConnection): void {
    this.#listener.onSubmit(connection);
    this.#tap = new RowTap(connection.stream, this.#listener);
    super.submit(connection);
  }

  override handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    if (message.fields.length === 0) this.#standInCount += 1;
    else this.#listener.onRow(tupleOfTexts(message.fields));
  }

  override handlePortalSuspended(): void {
    this.#expectInStep();
    super.handlePortalSuspended();
  }

  override handleCommandComplete(message: { readonly text: string }): void {
    this.#expectInStep();
    this.#tap?.close();
    // The tag counts the rows of the last Execute (PostgreSQL manual, "Message Formats").
    const counted = /^SELECT(?: (\d+))?$/.exec(message.text);
    this.#provenCount = counted === null ? undefined : Number(counted[1] ?? NaN);
    super.handleCommandComplete(message);
  }

  /** Each row without fields must be one that the tap has put there: else rows are lost, or made up. */
  #expectInStep(): void {
    if (this.#tap?.standInCount === this.#standInCount) return;
    this.#listener.onTapFailure(new TupleError('another number of rows'));
  }
}
