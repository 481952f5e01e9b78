// The destination of an archive: waits for it, within limits, and says when it has failed.

import type { Writable } from 'node:stream';
import { BackupError } from '../errors.js';

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

/** Writes into a Writable with back-pressure; ends it, or destroys it, and is then done with it. */
export class ByteSink {
  readonly #destination: Writable;
  readonly #options: ByteSinkOptions;
  #byteCount = 0;
  #failure: { readonly error: unknown } | undefined;
  #isFinished = false;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(destination: Writable, options: ByteSinkOptions) {
    this.#destination = destination;
    this.#options = options;
    destination.on('error', this.#onError);
    destination.on('close', this.#onClose);
    destination.on('drain', this.#onDrain);
    destination.on('finish', this.#onFinish);
    options.signal?.addEventListener('abort', this.#onAbort);
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
    this.#throwFailure();
    this.#byteCount += bytes.length;
    if (!this.#destination.write(bytes)) {
      await this.#waiting(() => !this.#destination.writableNeedDrain);
    }
  }

  /** Ends the destination; settles when it has taken everything. */
  async end(): Promise<void> {
    this.#throwFailure();
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
        this.#timer = setTimeout(this.#onStall, this.#options.stallTimeoutMs);
      });
      clearTimeout(this.#timer);
    }
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    clearTimeout(this.#timer);
    this.#release();
    this.#options.onFailure(error);
    this.#wake?.();
  }

  // The error listener stays: what a destination says after its end would else end the process.
  #release(): void {
    this.#destination.off('close', this.#onClose);
    this.#destination.off('drain', this.#onDrain);
    this.#destination.off('finish', this.#onFinish);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
  }

  readonly #onDrain = (): void => {
    this.#wake?.();
  };

  readonly #onFinish = (): void => {
    this.#isFinished = true;
    this.#wake?.();
  };

  readonly #onError = (cause: unknown): void => {
    const message = 'the destination of the archive failed: what it holds is no archive';
    this.#fail(new BackupError('BACKUP_SINK_FAILED', message, this.#place, cause));
  };

  readonly #onClose = (): void => {
    if (this.#isFinished) return;
    const message = 'the destination of the archive was closed before its end';
    const cause = { name: 'Error', code: 'ERR_STREAM_PREMATURE_CLOSE' };
    this.#fail(new BackupError('BACKUP_SINK_FAILED', message, this.#place, cause));
  };

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
