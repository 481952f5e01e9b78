// Where lines are written as bytes: a slab that is filled and handed on in pieces.

const slabBytes = 256 * 1024;
const noBytes = Buffer.alloc(0);
const noView = new DataView(noBytes.buffer, 0, 0);

const outputs = new WeakMap<object, LineBytes>();

/** Says of a stream that it hands on the very bytes that are taken from this output. */
export function offerOutput(stream: object, output: LineBytes): void {
  outputs.set(stream, output);
}

/**
 * Where a stream's chunks can be given back to, by a reader who knows that nobody else has them. New
 * memory for every byte, outside of its heap, makes V8 collect the whole heap again and again.
 */
export function outputOf(stream: object): LineBytes | undefined {
  return outputs.get(stream);
}

/**
 * Bytes being written. `bytes`, `view` and `end` are open to decoders, which write without a call per
 * byte; memory that was taken is not written again before all that was taken of it was given back.
 */
export class LineBytes {
  bytes: Buffer = noBytes;
  /** The same memory as `bytes`, for words. */
  view: DataView = noView;
  /** Where the next byte goes. */
  end = 0;
  #start = 0;
  // How many bytes of a slab are with readers. Weak, since most of them give nothing back; and numbers, since
  // what refers to its key is kept until V8 next collects the whole heap.
  readonly #lent = new WeakMap<ArrayBufferLike, number>();
  readonly #free: Buffer[] = [];

  /** Bytes written and not taken. */
  get length(): number {
    return this.end - this.#start;
  }

  /** Makes room for `byteCount` more bytes. What was not taken stays in one piece. */
  reserve(byteCount: number): void {
    if (this.bytes.length - this.end >= byteCount) return;
    const waiting = this.bytes.subarray(this.#start, this.end);
    // Doubled, so that what waits for long is not copied for each line.
    const needed = waiting.length * 2 + byteCount;
    const slab = needed <= slabBytes ? this.#free.pop() : undefined;
    if (this.#lent.get(this.bytes.buffer) === 0) this.#free.push(this.bytes);
    this.bytes = slab ?? Buffer.allocUnsafeSlow(Math.max(slabBytes, needed));
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
    } else if (taken.length > 0) {
      this.#lent.set(taken.buffer, (this.#lent.get(taken.buffer) ?? 0) + taken.length);
    }
    return taken;
  }

  /**
   * Lets memory be written again, once all that was taken of it is back.
   *
   * @param bytes - what {@link take} has given, once, and nobody reads any more; others are not touched
   */
  giveBack(bytes: Uint8Array): void {
    const { buffer, length } = bytes;
    const lent = this.#lent.get(buffer);
    if (lent === undefined) return;
    this.#lent.set(buffer, lent - length);
    if (lent === length && buffer !== this.bytes.buffer) this.#free.push(Buffer.from(buffer));
  }
}
