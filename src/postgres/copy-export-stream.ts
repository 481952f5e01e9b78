// The export stream behind pgExportStream: one COPY in, JSONL bytes out, nothing held but what waits
// for the reader.

import { Readable } from 'node:stream';
import { summaryOf } from '../format/summary.js';
import type { ExportSummary } from '../format/summary.js';
import { closedEarly } from '../stream/change-source.js';
import { ByteDigest, offerDigest } from '../stream/digest.js';
import { FlushGate } from '../stream/flush-gate.js';
import type { FlushPolicy, FlushProgress } from '../stream/flush-policy.js';
import { LineBytes, offerOutput } from '../stream/line-bytes.js';
import { Arrival } from './arrival.js';
import type { PgConnection, PgPool } from './client.js';
import { CopyFrames, TupleError } from './copy-frames.js';
import { CopyQuery } from './copy-query.js';
import type { CopyListener } from './copy-query.js';
import type { ExportRequest } from './export-options.js';
import { ExportSession } from './export-session.js';
import type { SessionListener } from './export-session.js';
import { TupleOrder } from './row-order.js';
import { selectLog, selectedCount } from './select-log.js';
import { SocketValve } from './socket-valve.js';
import { outOfProtocol } from './source-error.js';
import { TupleLine } from './tuple-line.js';

// Lines are handed on in pieces of this share of what may wait.
const piecesPerBatch = 4;

/** Lines that wait to be handed on. */
interface Piece {
  readonly bytes: Uint8Array;
  /** Lines in all, these included. */
  readonly lines: number;
  /** Whether a flush is made after them. */
  readonly isFlush: boolean;
}

// COPY data comes in through onData, is decoded at once, since pg reuses it, and cut into pieces;
// pieces are handed on in order, waiting for the flush hook between them. The socket is shut while
// the reader has enough or a hook is under way.
export class CopyExportStream extends Readable implements CopyListener, SessionListener {
  readonly #request: ExportRequest;
  readonly #session: ExportSession;
  readonly #gate: FlushGate;
  readonly #output = new LineBytes();
  readonly #lines: TupleLine;
  readonly #frames: CopyFrames;
  readonly #order = new TupleOrder();
  readonly #digest = new ByteDigest();
  readonly #arrival = new Arrival();
  readonly #pieces: Piece[] = [];
  readonly #pieceBytes: number;
  #copy: CopyQuery | undefined;
  #valve: SocketValve | undefined;
  #handedLines = 0;
  #isStarted = false;
  #isAwaited = false;
  #isFull = false;
  #isHookPending = false;
  #isCommitted = false;
  #isWhole = false;
  #summary: ExportSummary | undefined;

  constructor(
    pool: PgPool,
    request: ExportRequest,
    options: { readonly policy: FlushPolicy; readonly maxBatchBytes: number },
  ) {
    super({ highWaterMark: options.maxBatchBytes });
    offerDigest(this, this.#digest);
    offerOutput(this, this.#output);
    const { userId, log } = request;
    this.#request = request;
    this.#pieceBytes = Math.ceil(options.maxBatchBytes / piecesPerBatch);
    this.#session = new ExportSession(pool, request, this);
    this.#gate = new FlushGate(options.policy, () => {
      this.#cut(true);
      this.#handOn();
    });
    const extraMembers = log.extraColumns.map(([member]) => member);
    const createdAtColumn = log.columns.createdAt;
    this.#lines = new TupleLine({ userId, extraMembers, createdAtColumn }, this.#output);
    this.#frames = new CopyFrames(selectedCount + extraMembers.length, (tuple) => {
      this.#lines.write(tuple);
      this.#order.follow(tuple, this.#session.countRow());
      if (this.#gate.isDue(this.#lines.lineCount)) this.#cut(true);
      else if (this.#output.length >= this.#pieceBytes) this.#cut(false);
    });
  }

  get userId(): string {
    return this.#request.userId;
  }

  get progress(): FlushProgress {
    return { lines: this.#handedLines, bytes: this.#digest.byteCount };
  }

  ready(): Promise<void> {
    this.#isAwaited = true;
    this.#start();
    return this.#arrival.promise;
  }

  summary(): ExportSummary {
    if (!this.#isWhole || !this.readableEnded) {
      throw new TypeError('summary() is there once the stream has ended');
    }
    this.#summary ??= summaryOf(this.#lines.facts(), this.#digest.facts());
    return this.#summary;
  }

  override read(size?: number): unknown {
    const bytes: unknown = super.read(size);
    // Not _read(), which is not called above the bound nor after the last line.
    if (bytes !== null) this.#session.sign();
    return bytes;
  }

  override _read(): void {
    this.#isFull = false;
    this.#start();
    this.#regulate();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#gate.close();
    if (this.readableEnded) this.#session.finish();
    else this.#session.fail(error ?? closedEarly());
    callback(error);
  }

  onSubmit(connection: PgConnection): void {
    this.#session.watchSocket(connection.stream);
    this.#valve = new SocketValve(connection.stream);
  }

  onData(chunk: Uint8Array): void {
    if (this.destroyed) return;
    try {
      this.#frames.push(chunk);
    } catch (error) {
      this.#session.failFrom(
        error instanceof TupleError ? outOfProtocol(error.message, this.#session.place) : error,
      );
      return;
    }
    if (this.#arrival.isPending && this.#lines.lineCount > 0) {
      // Whoever waits for the first byte waits for no more lines than have come with it.
      this.#cut(false);
      this.#arrival.arrive();
    }
    if (this.#pieces.length > 0) this.#handOn();
  }

  onEnd(rowCount: number): void {
    if (this.destroyed) return;
    if (!this.#frames.hasTrailer || rowCount !== this.#lines.lineCount) {
      const reason = this.#frames.hasTrailer ? 'its count is not that of the rows' : 'no trailer';
      this.#session.fail(outOfProtocol(reason, this.#session.place));
      return;
    }
    // Only answers of the session's own are to come, however slow reader and hook are; and after
    // COMMIT the socket is the next borrower's.
    this.#valve?.open();
    this.#valve?.leave();
    this.#valve = undefined;
    this.#session
      .complete()
      .then(() => {
        if (this.destroyed) return; // in between
        this.#copy?.dismiss();
        this.#isCommitted = true;
        this.#cut(this.#gate.hasUnmarked(rowCount));
        this.#arrival.arrive();
        this.#handOn();
      })
      .catch((error: unknown) => {
        this.#session.failFrom(error); // no news where complete() has failed
      });
  }

  onError(error: unknown): void {
    this.#session.failFrom(error);
  }

  onFailure(error: unknown): void {
    this.#valve?.shut();
    this.#valve?.leave();
    if (this.readableEnded) return; // aborted by a listener of 'end'
    this.#copy?.dismiss();
    this.#pieces.length = 0;
    // Whoever awaits ready() and has no reader yet is told there, or once there is one: an event that
    // nobody listens to would end the process. Whoever reads is to hear of it, or not to miss it.
    if (this.#isAwaited && !this.#isRead) this.on('error', () => undefined);
    this.#arrival.fail(error);
    this.destroy(error as Error);
  }

  /** Whether somebody is there to read, if only in a pause. */
  get #isRead(): boolean {
    if (this.readableFlowing === true) return true;
    return this.listenerCount('data') > 0 || this.listenerCount('readable') > 0;
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#session
      .open()
      .then((client) => {
        if (this.destroyed) return;
        const select = selectLog(this.#request, (value) => client.escapeLiteral(value));
        const text = `COPY (${select}) TO STDOUT (FORMAT binary)`;
        this.#copy = new CopyQuery(text, this.#request.maxDurationMs, this);
        client.query(this.#copy);
        this.#session.expectServer();
      })
      .catch((error: unknown) => {
        this.#session.failFrom(error); // no news where open() has failed
      });
  }

  /** Makes a piece of what has been decoded since the last one. */
  #cut(isFlush: boolean): void {
    const lines = this.#lines.lineCount;
    if (isFlush) this.#gate.mark(lines);
    if (isFlush || this.#output.length > 0) {
      this.#pieces.push({ bytes: this.#output.take(), lines, isFlush });
    }
  }

  #handOn(): void {
    while (!this.#isHookPending && !this.destroyed) {
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      this.#handOnPiece(piece);
    }
    if (this.#isCommitted && !this.#isHookPending && !this.destroyed) this.#end();
    this.#regulate();
  }

  #handOnPiece({ bytes, lines, isFlush }: Piece): void {
    if (bytes.length > 0) {
      this.#digest.update(bytes);
      this.#handedLines = lines;
      // push() may call _read() before it returns false, and such a demand must not be lost: so the
      // flag is set first and whatever _read() has cleared stays cleared.
      this.#isFull = true;
      if (this.push(bytes)) this.#isFull = false;
    }
    if (isFlush) this.#callHook();
  }

  #callHook(): void {
    try {
      const pending = this.#gate.flushed(this.progress);
      if (pending === undefined) return;
      this.#isHookPending = true;
      pending.then(
        () => {
          this.#isHookPending = false;
          this.#handOn();
        },
        (error: unknown) => {
          this.#session.fail(error);
          this.destroy(error as Error);
        },
      );
    } catch (error) {
      this.#session.fail(error);
      this.destroy(error as Error);
    }
  }

  /** Lets the server go on or wait, and says who is waited for. */
  #regulate(): void {
    if (this.destroyed) return;
    // Between the last row and COMMIT the session waits for its own answers.
    if (this.#valve === undefined && !this.#isCommitted) return;
    if (this.#isHookPending || this.#isFull) this.#valve?.shut();
    else this.#valve?.open();
    if (this.#isHookPending) this.#session.expectNobody();
    else if (this.#isFull || this.#isCommitted) this.#session.expectConsumer();
    else this.#session.expectServer();
  }

  #end(): void {
    this.#isWhole = true;
    this.push(null);
  }
}
