// The destination of an archive: waits for it, within limits, and says when it has failed.

import { WriteStream } from 'node:fs';
import { finished } from 'node:stream';
import type { Writable } from 'node:stream';
import { systemCodeOf } from '../error-cause.js';
import { BackupError } from '../errors.js';
import { signalOption, timeOption } from '../options.js';
import { listenForAbort } from '../stream/abort-listening.js';
import { afterSilence } from '../stream/silence-timer.js';

/** What callers say of a destination. */
export interface DestinationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly sinkStallTimeoutMs?: number | undefined;
}

/**
 * Checks a destination and what the caller says of it, before either is touched.
 *
 * @throws TypeError or RangeError
 */
export function checkDestination(
  destination: Writable,
  { signal, sinkStallTimeoutMs = 120_000 }: DestinationOptions,
): Pick<ByteSinkOptions, 'signal' | 'stallTimeoutMs'> {
  if (typeof destination?.write !== 'function' || !destination.writable) {
    throw new TypeError('the destination must be a Writable that is neither ended nor destroyed');
  }
  return {
    signal: signalOption(signal),
    stallTimeoutMs: timeOption('sinkStallTimeoutMs', sinkStallTimeoutMs),
  };
}

/** Options of a {@link ByteSink}. */
export interface ByteSinkOptions {
  /** How long the destination may take nothing, in milliseconds. */
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Lines taken in so far, for errors. */
  readonly lineCount: () => number;
  /** Called once, at once, when nothing more can be written: so that a source that hangs is freed. */
  readonly onFailure: (error: unknown) => void;
}

// Handed on at once. A destination tells that it has taken a piece, and not how much of one: with larger
// pieces a slow reader could not be told from one that has stopped. A file has no such reader, and each of
// its pieces would wait for a thread that deflates.
function pieceBytesFor(destination: Writable): number {
  return destination instanceof WriteStream ? Infinity : 64 * 1024;
}

/** Writes into a Writable with back-pressure; ends it, or destroys it, and is then done with it. */
export class ByteSink {
  readonly #destination: Writable;
  readonly #options: ByteSinkOptions;
  readonly #pieceBytes: number;
  readonly #unwatch: () => void;
  readonly #unlisten: () => void;
  #byteCount = 0;
  #failure: { readonly error: unknown } | undefined;
  #hasDrained = false;
  #isEnding = false;
  #hasTakenAll = true;
  #isFinished = false;
  #wake: (() => void) | undefined;
  #stopTimer: (() => void) | undefined;

  constructor(destination: Writable, options: ByteSinkOptions) {
    this.#destination = destination;
    this.#options = options;
    this.#pieceBytes = pieceBytesFor(destination);
    // It stays: what a destination says after its end would else end the process.
    destination.on('error', () => undefined);
    destination.on('drain', this.#onDrain);
    destination.on('finish', this.#onFinish);
    // Waits for the close, which flushing a file belongs to, where the stream will tell of one.
    this.#unwatch = finished(destination, { readable: false }, this.#onFinished);
    this.#unlisten = listenForAbort(options.signal, this.#onAbort);
    if (options.signal?.aborted === true) this.#onAbort();
  }

  /** Bytes written so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Why nothing more can be written. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Hands bytes on; settles when there is room for more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.#pieceBytes) {
      this.#throwIfGone();
      const piece = bytes.subarray(at, at + this.#pieceBytes);
      this.#byteCount += piece.length;
      this.#hasDrained = false;
      const hasRoom = this.#destination.write(piece, this.#onTaken);
      // What was ended or destroyed takes bytes without a word.
      this.#throwIfGone();
      // Not asked of writableNeedDrain, which responses of HTTP/2 do not have.
      if (!hasRoom) await this.#waiting(() => this.#hasDrained);
    }
  }

  /**
   * Ends the destination; settles when it has taken everything, and has been closed where it closes
   * by itself: a flush to the disk may fail as late as that.
   */
  async end(): Promise<void> {
    this.#throwIfGone();
    this.#isEnding = true;
    this.#destination.end();
    await this.#waiting(() => this.#isFinished);
    this.#release();
  }

  /** Destroys the destination, so that nobody takes what it holds for an archive. */
  fail(error: unknown): void {
    this.#fail(error);
    if (!this.#destination.destroyed) this.#destination.destroy(error as Error);
  }

  async #waiting(isDone: () => boolean): Promise<void> {
    while (!isDone() && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stopTimer = afterSilence(this.#options.stallTimeoutMs, this.#onStall);
      });
      this.#stopTimer?.();
    }
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#stopTimer?.();
    this.#release();
    this.#options.onFailure(error);
    this.#wake?.();
  }

  #throwIfGone(): void {
    const { destroyed, errored, writableEnded } = this.#destination;
    if (destroyed) this.#fail(errored == null ? this.#closedEarly() : this.#failed(errored));
    else if (writableEnded) this.#fail(this.#endedEarly());
    this.#throwFailure();
  }

  #release(): void {
    this.#unwatch();
    this.#destination.off('drain', this.#onDrain);
    this.#destination.off('finish', this.#onFinish);
    this.#unlisten();
  }

  // The stall limit begins anew: of a long buffer this tells sooner than its drain.
  readonly #onTaken = (): void => {
    this.#wake?.();
  };

  readonly #onDrain = (): void => {
    this.#hasDrained = true;
    this.#wake?.();
  };

  // A response of HTTP/2 that its client has reset says that it has finished, like any other. Asked
  // at once, since standard output starts afresh when it is closed.
  readonly #onFinish = (): void => {
    const { writableFinished } = this.#destination as Partial<Writable>;
    this.#hasTakenAll = writableFinished !== false;
  };

  readonly #onFinished = (cause?: NodeJS.ErrnoException | null): void => {
    if (cause != null) {
      const isClosed = cause.code === 'ERR_STREAM_PREMATURE_CLOSE';
      this.#fail(isClosed ? this.#closedEarly() : this.#failed(cause));
    } else if (!this.#isEnding) {
      this.#fail(this.#endedEarly());
    } else if (!this.#hasTakenAll) {
      this.#fail(this.#closedEarly());
    } else {
      this.#isFinished = true;
      this.#wake?.();
    }
  };

  #failed(cause: unknown): BackupError {
    const code = systemCodeOf(cause);
    const what = `the destination of the archive failed${code === undefined ? '' : ` with ${code}`}`;
    const message = `${what}: what it holds is no archive`;
    return new BackupError('BACKUP_SINK_FAILED', message, this.#place, cause);
  }

  #closedEarly(): BackupError {
    const message = 'the destination of the archive was closed before its end';
    const cause = { name: 'Error', code: 'ERR_STREAM_PREMATURE_CLOSE' };
    return new BackupError('BACKUP_SINK_FAILED', message, this.#place, cause);
  }

  #endedEarly(): BackupError {
    const message =
      'the destination of the archive was ended by somebody else: leave end() to who writes it';
    const cause = { name: 'Error', code: 'ERR_STREAM_WRITE_AFTER_END' };
    return new BackupError('BACKUP_SINK_FAILED', message, this.#place, cause);
  }

  readonly #onStall = (): void => {
    const limitMs = this.#options.stallTimeoutMs;
    const message = `the destination took nothing for ${limitMs} ms (sinkStallTimeoutMs)`;
    this.fail(
      new BackupError('BACKUP_SINK_STALLED', message, {
        limit: 'sinkStallTimeoutMs',
        limitMs,
        rowCount: this.#options.lineCount(),
      }),
    );
  };

  readonly #onAbort = (): void => {
    this.fail(this.#options.signal?.reason);
  };

  get #place(): { readonly stage: 'write'; readonly lineCount: number } {
    return { stage: 'write', lineCount: this.#options.lineCount() };
  }
}
