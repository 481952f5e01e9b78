// The decoder of the byte lane put together as the lane does it, without a socket. It is given everything in one
// buffer that is used again and again, as pg does, and whatever it gives away is watched.
import assert from 'node:assert/strict';

import type { ExportSummary } from '../../src/index.js';
import { CopyFrames } from '../../src/postgres/copy-frames.js';
import { LineBytes } from '../../src/postgres/line-bytes.js';
import { TupleLine } from '../../src/postgres/tuple-line.js';

/** Options of {@link CopyDecoder}. */
export interface CopyDecoderOptions {
  /** Default: 'user-1'. */
  readonly userId?: string;
  /** Names of the columns after the eleven. Default: none. */
  readonly extraMembers?: readonly string[];
  /** How many bytes may wait before they are taken out. Default: 1, so that each line is taken alone. */
  readonly takeBytes?: number;
}

const BASE_COLUMNS = 11;

/** Chunks of COPY data in, lines out. */
export class CopyDecoder {
  /** Where the decoder writes. */
  readonly output = new LineBytes();
  /** Where chunks go, for tests that count what {@link push} itself would add to. */
  readonly frames: CopyFrames;
  readonly #lines: TupleLine;
  readonly #taken: Uint8Array[] = [];
  readonly #copies: Buffer[] = [];
  #reused = Buffer.alloc(0);

  constructor(options: CopyDecoderOptions = {}) {
    const { userId = 'user-1', extraMembers = [], takeBytes = 1 } = options;
    this.#lines = new TupleLine(
      { userId, extraMembers, createdAtColumn: 'created_at' },
      this.output,
    );
    this.frames = new CopyFrames(BASE_COLUMNS + extraMembers.length, (tuple) => {
      this.#lines.write(tuple);
      if (this.output.length >= takeBytes) this.#take();
    });
  }

  get hasTrailer(): boolean {
    return this.frames.hasTrailer;
  }

  get lineCount(): number {
    return this.#lines.lineCount;
  }

  /** What the lines were, with the apps as a list. */
  get facts(): Omit<ExportSummary, 'byteCount' | 'sha256'> {
    const { apps, ...facts } = this.#lines.facts();
    this.#reused.fill(0xee);
    return { ...facts, apps: [...apps] };
  }

  /** Decodes a chunk out of a buffer that the next chunk is put into, as pg does. */
  push(chunk: Uint8Array): void {
    // Not at the buffer's start, and not aligned: a view may lie anywhere.
    if (this.#reused.length < chunk.length + 3) this.#reused = Buffer.alloc(chunk.length * 2 + 3);
    this.#reused.set(chunk, 3);
    this.frames.push(this.#reused.subarray(3, 3 + chunk.length));
  }

  /** All lines so far, after a look whether pieces that were taken have changed since. */
  bytes(): Buffer {
    this.#take();
    this.#reused.fill(0xee);
    for (const [index, copy] of this.#copies.entries()) {
      assert.ok(copy.equals(this.#taken[index]!), `piece ${index} changed after it was taken`);
    }
    return Buffer.concat(this.#copies);
  }

  /** As {@link bytes}, decoded; what is no UTF-8 is an error. */
  text(): string {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.bytes());
  }

  #take(): void {
    const taken = this.output.take();
    this.#taken.push(taken);
    this.#copies.push(Buffer.from(taken));
  }
}

/** The lines of a whole COPY, which must have its trailer. */
export function decodeCopy(chunks: Iterable<Uint8Array>, options?: CopyDecoderOptions): string {
  const decoder = new CopyDecoder(options);
  for (const chunk of chunks) decoder.push(chunk);
  assert.ok(decoder.hasTrailer, 'no trailer');
  return decoder.text();
}
