// Counts and digests bytes on their way out.

import { createHash } from 'node:crypto';

const digests = new WeakMap<object, ByteDigest>();

/** Says of a stream that this digest is of the very bytes that it hands on. */
export function offerDigest(stream: object, digest: ByteDigest): void {
  digests.set(stream, digest);
}

/**
 * Makes the digest of a stream's bytes the reader's to make: from now on the stream only counts them,
 * and tells as its own what the reader's digest comes to. SHA-256 is too dear to be made of the same
 * bytes twice.
 *
 * @returns a digest of no bytes yet, for all that the stream hands on; undefined for a stream that has
 * offered none
 */
export function takeOverDigest(stream: object): RunningSha256 | undefined {
  return digests.get(stream)?.takeOver();
}

/** SHA-256 of the bytes so far. */
export class RunningSha256 {
  readonly #hash = createHash('sha256');

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** As 64 lower-case hex digits, at any time. */
  hex(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** SHA-256 and length of the bytes that pass by. */
export class ByteDigest {
  #sha256 = new RunningSha256();
  #isTakenOver = false;
  #byteCount = 0;

  /** Bytes so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Takes note of bytes, in the order in which they are handed on. */
  update(bytes: Uint8Array): void {
    if (!this.#isTakenOver) this.#sha256.update(bytes);
    this.#byteCount += bytes.length;
  }

  /** See {@link takeOverDigest}. */
  takeOver(): RunningSha256 {
    this.#isTakenOver = true;
    this.#sha256 = new RunningSha256();
    return this.#sha256;
  }

  /** What the bytes were. Of a stream's, only once it was read to its end: the digest may be the reader's. */
  facts(): { readonly byteCount: number; readonly sha256: string } {
    return { byteCount: this.#byteCount, sha256: this.#sha256.hex() };
  }
}
