// Entries into a zip, one after the other, through a ByteSink.

import { crc32, deflateRawSync } from 'node:zlib';
import type { ByteSink } from './byte-sink.js';
import { deflateBlocks } from './deflate-blocks.js';
import type { CompressionLevel } from './deflate-blocks.js';
import { centralDirectory, dataDescriptor, localHeader } from './zip-records.js';
import type { EntryName, EntryRecord } from './zip-records.js';

/** Writes a zip of entries. Whatever fails leaves it without a directory. */
export class ZipWriter {
  readonly #sink: ByteSink;
  readonly #entries: EntryRecord[] = [];

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /**
   * Adds an entry of which the length is not known before: its CRC and sizes follow its content.
   *
   * @param options - `isZip64`: announces sizes beyond 4 GiB in its header
   */
  async addStream(
    name: EntryName,
    chunks: AsyncIterable<Uint8Array>,
    options: { readonly level: CompressionLevel; readonly isZip64: boolean },
  ): Promise<void> {
    const offset = this.#sink.byteCount;
    const form = {
      name,
      isStored: false,
      hasDescriptor: true,
      isZip64Announced: options.isZip64,
    };
    const nothing = { crc32: 0, compressedBytes: 0, byteCount: 0 };
    await this.#sink.write(localHeader({ ...form, ...nothing }));
    const start = this.#sink.byteCount;
    const content = { crc32: 0, byteCount: 0 };
    await deflateBlocks(measured(chunks, content), {
      level: options.level,
      write: (deflated) => this.#sink.write(deflated),
    });
    const entry = { ...form, ...content, compressedBytes: this.#sink.byteCount - start };
    await this.#sink.write(dataDescriptor(entry));
    this.#entries.push({ ...entry, offset });
  }

  /** Adds a small entry. */
  async add(
    name: EntryName,
    bytes: Uint8Array,
    { isStored = false }: { readonly isStored?: boolean } = {},
  ): Promise<void> {
    const offset = this.#sink.byteCount;
    const packed = isStored ? bytes : deflateRawSync(bytes);
    const entry = {
      name,
      isStored,
      hasDescriptor: false,
      isZip64Announced: false,
      crc32: crc32(bytes),
      compressedBytes: packed.length,
      byteCount: bytes.length,
    };
    await this.#sink.write(Buffer.concat([localHeader(entry), packed]));
    this.#entries.push({ ...entry, offset });
  }

  /** Writes the directory and ends the destination. */
  async end(): Promise<void> {
    await this.#sink.write(centralDirectory(this.#entries, this.#sink.byteCount));
    await this.#sink.end();
  }
}

async function* measured(
  chunks: AsyncIterable<Uint8Array>,
  into: { crc32: number; byteCount: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    into.crc32 = crc32(chunk, into.crc32);
    into.byteCount += chunk.length;
    yield chunk;
  }
}
