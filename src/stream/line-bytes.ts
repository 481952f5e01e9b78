// Where lines are written as bytes: a slab that is filled and handed on in pieces.

const slabBytes = 256 * 1024;
const noBytes = Buffer.alloc(0);
const noView = new DataView(noBytes.buffer, 0, 0);

/**
 * Bytes being written. `bytes`, `view` and `end` are open to decoders, which write without a call per
 * byte; memory that was taken is never written again.
 */
export class LineBytes {
  bytes = noBytes;
  /** The same memory as `bytes`, for words. */
  view = noView;
  /** Where the next byte goes. */
  end = 0;
  #start = 0;

  /** Bytes written and not taken. */
  get length(): number {
    return this.end - this.#start;
  }

  /** Makes room for `byteCount` more bytes. What was not taken stays in one piece. */
  reserve(byteCount: number): void {
    if (this.bytes.length - this.end >= byteCount) return;
    const waiting = this.bytes.subarray(this.#start, this.end);
    // Doubled, so that what waits for long is not copied for each line.
    this.bytes = Buffer.allocUnsafeSlow(Math.max(slabBytes, waiting.length * 2 + byteCount));
    this.bytes.set(waiting);
    this.view = new DataView(this.bytes.buffer);
    this.#start = 0;
    this.end = waiting.length;
  }

  /** Gives away what was written since the last time. */
  take(): Uint8Array {
    const taken = this.bytes.subarray(this.#start, this.end);
    this.#start = this.end;
    // A fat line's slab is the reader's alone from here on, who may be done with it at once.
    if (this.bytes.length > slabBytes) {
      this.bytes = noBytes;
      this.view = noView;
      this.#start = this.end = 0;
    }
    return taken;
  }
}
