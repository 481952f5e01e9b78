// What the manifest says of the events' bytes, counted while they pass: segments and their digests,
// lines, and the longest of them.

import { crc32 } from 'node:zlib';
import type { SegmentDigest } from '../format/manifest.js';
import type { RunningSha256 } from '../stream/digest.js';

const baseSegmentBytes = 8 * 1024 * 1024;
const segmentsPerSize = 512;

/**
 * Where a segment ends: at the first line end from this many bytes on. Every 512 segments the size
 * doubles, so that the manifest of any log stays small.
 *
 * @param index - the segment's, from 0
 */
function segmentTarget(index: number): number {
  return baseSegmentBytes * 2 ** Math.floor(index / segmentsPerSize);
}

/** A CRC-32 as manifests write it: 8 lower-case hex digits. */
export function crc32Hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** What the bytes were. */
export interface TalliedBytes {
  readonly sha256: string;
  readonly segments: readonly SegmentDigest[];
}

/** Gathers what `manifest.json` says of the bytes of `events.jsonl`. */
export class SegmentTally {
  readonly #sha256: RunningSha256;
  readonly #segments: SegmentDigest[] = [];
  #crc32 = 0;
  #byteCount = 0;
  #segmentBytes = 0;
  #segmentLines = 0;
  #lineCount = 0;
  #lineBytes = 0;
  #maxLineBytes = 0;

  /** @param sha256 - of no bytes yet; the tally's to update */
  constructor(sha256: RunningSha256) {
    this.#sha256 = sha256;
  }

  /** Lines so far. */
  get lineCount(): number {
    return this.#lineCount + this.#segmentLines;
  }

  /** Bytes so far. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Bytes of the longest line so far, its line feed not counted. */
  get maxLineBytes(): number {
    return this.#maxLineBytes;
  }

  /** Whether the bytes so far are whole lines. */
  get isAtLineEnd(): boolean {
    return this.#lineBytes === 0;
  }

  /** Takes note of bytes, cut anywhere. */
  add(chunk: Buffer): void {
    this.#byteCount += chunk.length;
    let segmentStart = 0;
    let lineStart = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, lineStart)) {
      this.#lineBytes += end - lineStart;
      if (this.#lineBytes > this.#maxLineBytes) this.#maxLineBytes = this.#lineBytes;
      this.#lineBytes = 0;
      this.#segmentLines += 1;
      lineStart = end + 1;
      const inSegment = this.#segmentBytes + lineStart - segmentStart;
      if (inSegment >= segmentTarget(this.#segments.length)) {
        this.#addToSegment(chunk.subarray(segmentStart, lineStart));
        this.#endSegment();
        segmentStart = lineStart;
      }
    }
    this.#lineBytes += chunk.length - lineStart;
    this.#addToSegment(chunk.subarray(segmentStart));
  }

  /** What the bytes were; once, after the last of them. */
  finish(): TalliedBytes {
    if (this.#segmentBytes > 0) this.#endSegment();
    return { sha256: this.#sha256.hex(), segments: this.#segments };
  }

  #addToSegment(bytes: Buffer): void {
    this.#sha256.update(bytes);
    this.#crc32 = crc32(bytes, this.#crc32);
    this.#segmentBytes += bytes.length;
  }

  #endSegment(): void {
    this.#lineCount += this.#segmentLines;
    this.#segments.push({
      lineCount: this.#segmentLines,
      byteCount: this.#segmentBytes,
      crc32: crc32Hex(this.#crc32),
      prefixSha256: this.#sha256.hex(),
    });
    this.#crc32 = 0;
    this.#segmentBytes = 0;
    this.#segmentLines = 0;
  }
}
