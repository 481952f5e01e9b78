// Counts and digests bytes on their way out.

import { createHash } from 'node:crypto';

/** SHA-256 and length of the bytes that pass by. */
export class ByteDigest {
  readonly #hash = createHash('sha256');
  #byteCount = 0;

  /** Bytes so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Takes note of bytes, in the order in which they are handed on. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#byteCount += bytes.length;
  }

  /** The digest of all bytes, once: 64 lower-case hex digits. */
  sha256Hex(): string {
    return this.#hash.digest('hex');
  }
}
