// Counts and digests bytes on their way out.

import { createHash } from 'node:crypto';

const digesting = new WeakSet<object>();

/** Says of a stream that the digest in its summary is of the very bytes that it hands on. */
export function vouchForDigest(stream: object): void {
  digesting.add(stream);
}

/** Whether a stream's own digest is as good as one made of the bytes that came out of it. */
export function hasVouchedDigest(stream: object): boolean {
  return digesting.has(stream);
}

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
