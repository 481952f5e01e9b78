// Where measured exports go: bytes are counted and dropped.
import { Writable } from 'node:stream';

import type { Reader } from './job.js';

/** Counts bytes, as fast or as slowly as its reader wants them. */
export class CountingSink extends Writable {
  /** Bytes so far. */
  bytes = 0;
  /** Resolves when the reader has had enough before the end; for a fast one never. */
  readonly enough: Promise<void>;
  readonly #reader: Reader;
  #haveEnough: () => void = () => undefined;
  #firstByteAt: number | undefined;

  constructor(reader: Reader) {
    super();
    this.#reader = reader;
    this.enough = new Promise((resolve) => {
      this.#haveEnough = resolve;
    });
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    const now = performance.now();
    if (this.#firstByteAt === undefined) {
      this.#firstByteAt = now;
      this.#onFirstByte();
    }
    this.bytes += chunk.length;
    if (this.#reader.kind === 'slow') {
      const dueAt = this.#firstByteAt + (this.bytes / this.#reader.bytesPerSecond) * 1_000;
      setTimeout(callback, dueAt - now);
    } else callback();
  }

  #onFirstByte(): void {
    if (this.#reader.kind === 'first-byte') this.#haveEnough();
    else if (this.#reader.kind === 'slow')
      setTimeout(this.#haveEnough, this.#reader.seconds * 1_000);
  }
}
