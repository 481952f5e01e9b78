// The object lane: rows of the log as an async iterable, by batches over pg-cursor.

import { integerOption, maxTimerMs } from '../options.js';
import { changeSourceFromBatches, closedEarly } from '../stream/change-source.js';
import type { BatchPuller, ChangeSource } from '../stream/change-source.js';
import type { ChangeRow } from '../format/change-row.js';
import { ChangeRowReader } from './change-row.js';
import type { PgConnection, PgPool } from './client.js';
import { Arrival } from './arrival.js';
import { poolOption } from './client.js';
import { exportRequestOf } from './export-options.js';
import type { ExportRequest, PgExportOptions } from './export-options.js';
import { ExportSession } from './export-session.js';
import type { SessionListener } from './export-session.js';
import { TupleError } from './copy-frames.js';
import type { Tuple } from './copy-frames.js';
import { RowCursor } from './row-cursor.js';
import type { RowCursorListener } from './row-cursor.js';
import { RowOrder } from './row-order.js';
import { selectLog } from './select-log.js';
import { SocketValve } from './socket-valve.js';
import { outOfProtocol } from './source-error.js';

/** Options of {@link pgChangeSource}. */
export interface PgChangeSourceOptions extends PgExportOptions {
  /** Rows fetched together: an integer from 1. Default 500. */
  readonly batchSize?: number | undefined;
  /**
   * About how many bytes of rows make a batch full, however few rows these are. Default 4 MiB. One
   * batch is read ahead; a single row may be larger than this.
   */
  readonly maxBatchBytes?: number | undefined;
}

/** A {@link ChangeSource} over Postgres. */
export interface PgChangeSource extends ChangeSource {
  /**
   * Settles when the first rows, or the proof that there are none, have arrived: a client is leased,
   * the checks have passed. Starts the export if nothing has yet. A host awaits it before it writes
   * headers, while it can still answer 503.
   *
   * @throws BackupError as reading does
   */
  ready(): Promise<void>;
}

/**
 * Reads a user's change log out of Postgres: one leased client, one `REPEATABLE READ READ ONLY`
 * transaction, rows ordered by `(created_at, id)`. Nothing is queried before `ready()` or the first
 * read.
 *
 * Tenancy is checked three times: the filter on the user, row-level security with
 * `app.current_user_id` set for the transaction, and the user of every row. The end (`done`) means
 * that the server completed the query, the settings still held, and the transaction was committed;
 * the client is then back in the pool. After any other ending the client is destroyed. Signal and
 * limits hold until `done`: what a pipeline still holds then is the pipeline's own, which takes a signal
 * too.
 *
 * @param pool - a `pg.Pool`; the source leases one client from it
 * @throws TypeError or RangeError at once for invalid options; when read: BackupError
 * `BACKUP_SOURCE_FAILED`, `BACKUP_SOURCE_STALLED`, `BACKUP_SINK_STALLED`, `BACKUP_TENANCY_UNSAFE`,
 * `BACKUP_TENANCY_MISMATCH`, `BACKUP_ROW_UNMAPPABLE` for a row that is no `ChangeRow`,
 * `BACKUP_ORDER_VIOLATED` for one that is not after the row before it, such as an event that a log
 * without a unique key holds twice; `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 * import { pipeline } from 'node:stream/promises';
 * import pg from 'pg';
 * import { JsonlSerializer } from 'backup-streams';
 * import { pgChangeSource } from 'backup-streams/postgres';
 *
 * async function exportUser(pool: pg.Pool, userId: string): Promise<void> {
 *   const source = pgChangeSource(pool, { userId });
 *   await pipeline(source.batches(), new JsonlSerializer(), createWriteStream('export.jsonl.part'));
 *   await rename('export.jsonl.part', 'export.jsonl');
 * }
 * ```
 */
export function pgChangeSource(pool: PgPool, options: PgChangeSourceOptions): PgChangeSource {
  poolOption(pool);
  const request = exportRequestOf(options, ['batchSize', 'maxBatchBytes']);
  const { batchSize = 500, maxBatchBytes = 4 * 1024 * 1024 } = options;
  const reader = new LogReader(pool, request, {
    batchSize: integerOption('batchSize', batchSize, { min: 1, max: maxTimerMs }),
    maxBatchBytes: integerOption('maxBatchBytes', maxBatchBytes, { min: 1 }),
  });
  return Object.assign(changeSourceFromBatches(reader), { ready: () => reader.ready() });
}

interface BatchLimits {
  readonly batchSize: number;
  readonly maxBatchBytes: number;
}

interface Waiter {
  resolve(batch: readonly ChangeRow[] | undefined): void;
  reject(error: unknown): void;
}

// Rows come in through onRow, are cut into batches, and wait in #batches for next(). One batch is
// read ahead: more are asked for as soon as none waits.
class LogReader implements BatchPuller, RowCursorListener, SessionListener {
  readonly #request: ExportRequest;
  readonly #limits: BatchLimits;
  readonly #session: ExportSession;
  readonly #reader: ChangeRowReader;
  readonly #order = new RowOrder();
  readonly #arrival = new Arrival();
  readonly #batches: (readonly ChangeRow[])[] = [];
  #rows: ChangeRow[] = [];
  #rowBytes = 0;
  #rowsOfRead = 0;
  #cursor: RowCursor | undefined;
  #valve: SocketValve | undefined;
  #isOpening = false;
  #isReading = false;
  #isEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #waiter: Waiter | undefined;

  constructor(pool: PgPool, request: ExportRequest, limits: BatchLimits) {
    this.#request = request;
    this.#limits = limits;
    this.#reader = new ChangeRowReader(request);
    this.#session = new ExportSession(pool, request, this);
  }

  ready(): Promise<void> {
    this.#open();
    return this.#arrival.promise;
  }

  next(): Promise<readonly ChangeRow[] | undefined> {
    this.#open();
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const batch = this.#batches.shift();
    if (batch === undefined && !this.#isEnded) return this.#nextArrival();
    if (batch === undefined) this.#session.finish();
    else {
      this.#session.expectConsumer();
      this.#readOn();
    }
    return Promise.resolve(batch);
  }

  onTake(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#session.sign();
  }

  close(): Promise<void> {
    this.#session.fail(closedEarly()); // no news after the end
    return Promise.resolve();
  }

  onSubmit(connection: PgConnection): void {
    this.#session.watchSocket(connection.stream);
    this.#valve = new SocketValve(connection.stream);
  }

  onRow(row: Tuple): void {
    if (this.#failure !== undefined) return;
    this.#rowsOfRead += 1;
    try {
      const rowNumber = this.#session.countRow();
      const read = this.#reader.read(row, rowNumber);
      this.#order.follow({ createdAt: read.createdAt, eventId: read.id }, rowNumber);
      this.#rows.push(read);
    } catch (error) {
      this.#session.failFrom(error);
      return;
    }
    this.#rowBytes += (row.ends[row.ends.length - 1] as number) - (row.ends[0] as number);
    if (this.#rowBytes < this.#limits.maxBatchBytes) return;
    this.#cut();
    if (this.#batches.length > 0) this.#valve?.shut();
  }

  onTapFailure(error: unknown): void {
    this.#session.failFrom(
      error instanceof TupleError ? outOfProtocol(error.message, this.#session.place) : error,
    );
  }

  onFailure(error: unknown): void {
    this.#failure = { error };
    this.#valve?.shut();
    this.#valve?.leave();
    this.#batches.length = 0;
    this.#rows = [];
    this.#cursor?.dismiss();
    this.#waiter?.reject(error);
    this.#arrival.fail(error);
  }

  #open(): void {
    if (this.#isOpening) return;
    this.#isOpening = true;
    this.#session
      .open()
      .then((client) => {
        if (this.#failure !== undefined) return;
        const values: string[] = [];
        const text = selectLog(this.#request, (value) => `$${values.push(value)}`);
        this.#cursor = new RowCursor({ text, values, limitMs: this.#request.maxDurationMs }, this);
        this.#cursor.on('error', (error) => {
          this.#session.failFrom(error);
        });
        client.query(this.#cursor);
        this.#session.expectServer();
        this.#readOn();
      })
      .catch((error: unknown) => {
        this.#session.failFrom(error); // no news where open() has failed
      });
  }

  #nextArrival(): Promise<readonly ChangeRow[] | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      // Before there is a cursor the session itself watches over its steps.
      if (this.#cursor !== undefined) this.#session.expectServer();
      this.#readOn();
    });
  }

  /** Asks for more rows, unless some wait for the consumer or are on their way. */
  #readOn(): void {
    if (this.#cursor === undefined || this.#batches.length > 0) return;
    this.#valve?.open();
    if (this.#isReading || this.#cursor.isProven) return;
    this.#isReading = true;
    this.#rowsOfRead = 0;
    this.#cursor.read(this.#limits.batchSize, (error) => {
      this.#onRead(error);
    });
  }

  #onRead(error: unknown): void {
    this.#isReading = false;
    if (this.#failure !== undefined || this.#cursor === undefined) return;
    if (error) {
      this.#session.failFrom(error);
    } else if (this.#cursor.isProven && this.#cursor.provenCount !== this.#rowsOfRead) {
      this.#session.fail(outOfProtocol('another number of rows came', this.#session.place));
    } else if (this.#cursor.isProven) {
      this.#cut();
      this.#complete();
    } else if (this.#rowsOfRead !== this.#limits.batchSize) {
      // After an error that was answered elsewhere a read comes back empty, as at a clean end.
      this.#session.fail(outOfProtocol('a read came back short', this.#session.place));
    } else {
      this.#cut();
      this.#readOn();
    }
  }

  /** Makes a batch of the rows so far and hands it to whoever waits. */
  #cut(): void {
    if (this.#rows.length === 0) return;
    const batch = this.#rows;
    this.#rows = [];
    this.#rowBytes = 0;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter === undefined) this.#batches.push(batch);
    else waiter.resolve(batch);
    if (waiter !== undefined || this.#arrival.isPending) this.#session.expectConsumer();
    this.#arrival.arrive();
  }

  #complete(): void {
    // Only answers of the session's own are to come, however many rows still wait for the consumer; and
    // after COMMIT the socket is the next borrower's.
    this.#valve?.open();
    this.#valve?.leave();
    this.#valve = undefined;
    this.#session
      .complete()
      .then(() => {
        if (this.#failure !== undefined) return; // in between
        this.#isEnded = true;
        this.#cursor?.dismiss();
        if (this.#waiter === undefined) this.#session.expectConsumer();
        else this.#session.finish();
        this.#waiter?.resolve(undefined);
        this.#arrival.arrive();
      })
      .catch((error: unknown) => {
        this.#session.failFrom(error); // no news where complete() has failed
      });
  }
}
