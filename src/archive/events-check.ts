// Holds the bytes of events.jsonl against the manifest while they pass: segment by segment, so that
// damage is located, and in whole.

import { crc32 } from 'node:zlib';
import { BackupError } from '../errors.js';
import type { Manifest, SegmentDigest } from '../format/manifest.js';
import { RunningSha256 } from '../stream/digest.js';
import { manifestWrong } from './archive-invalid.js';
import { crc32Hex } from './segment-tally.js';

const entry = 'events.jsonl';

/** Finds what the bytes are not; tells it as soon as it is known. */
export class EventsCheck {
  readonly #manifest: Manifest;
  readonly #report: (problem: BackupError) => void;
  readonly #sha256 = new RunningSha256();
  #byteCount = 0;
  #lineCount = 0;
  #isDamaged = false;
  #segment = 0;
  #segmentCrc32 = 0;
  #segmentLeft: number;
  #lastByte = 0x0a;
  #segmentStart = { lineNumber: 1, byteOffset: 0 };

  /** @param report - called for each problem; may throw to stop the reading */
  constructor(manifest: Manifest, report: (problem: BackupError) => void) {
    this.#manifest = manifest;
    this.#report = report;
    this.#segmentLeft = manifest.segments?.[0]?.byteCount ?? Infinity;
  }

  /** Takes note of the next bytes. */
  add(chunk: Buffer): void {
    this.#byteCount += chunk.length;
    let rest = chunk;
    while (rest.length >= this.#segmentLeft) {
      this.#addToSegment(rest.subarray(0, this.#segmentLeft));
      rest = rest.subarray(this.#segmentLeft);
      this.#endSegment();
    }
    this.#addToSegment(rest);
    this.#segmentLeft -= rest.length;
  }

  /** Takes note of the end. */
  finish(): void {
    const { byteCount, eventCount, eventsSha256, segments } = this.#manifest;
    const told = byteCount ?? segments?.reduce((sum, segment) => sum + segment.byteCount, 0);
    const found = this.#byteCount;
    if (told !== undefined && found !== told) {
      const member = byteCount === undefined ? 'segments' : 'byteCount';
      this.#report(mismatch(member, `${entry} has ${found} bytes instead of ${told}`));
    }
    if (this.#sha256.hex() !== eventsSha256) {
      this.#report(mismatch('eventsSha256', `${entry} is not what its manifest was made for`));
    }
    if (this.#lineCount !== eventCount) this.#report(miscounted(eventCount, this.#lineCount));
  }

  #addToSegment(bytes: Buffer): void {
    this.#sha256.update(bytes);
    if (this.#segmentLeft !== Infinity) this.#segmentCrc32 = crc32(bytes, this.#segmentCrc32);
    this.#lastByte = bytes.at(-1) ?? this.#lastByte;
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
      this.#lineCount += 1;
    }
  }

  // Once a segment is damaged, no digest that goes on from there tells anything of those after it.
  #isOther({ crc32, prefixSha256 }: SegmentDigest): boolean {
    if (crc32 !== undefined && crc32Hex(this.#segmentCrc32) !== crc32) return true;
    return !this.#isDamaged && prefixSha256 !== undefined && this.#sha256.hex() !== prefixSha256;
  }

  #endSegment(): void {
    const { segments = [] } = this.#manifest;
    const told = segments[this.#segment];
    const segment = this.#segment;
    const { lineNumber, byteOffset } = this.#segmentStart;
    const lineCount = this.#lineCount + 1 - lineNumber;
    if (this.#lastByte !== 0x0a) {
      this.#report(manifestWrong(`segment ${segment} does not end where a line does`, 'segments'));
    }
    if (told !== undefined && this.#isOther(told)) {
      this.#isDamaged = true;
      const place = { segment, lineNumber, byteOffset };
      const message = `${entry} is damaged between byte ${byteOffset} and ${byteOffset + told.byteCount}`;
      this.#report(mismatch('segments', message, place));
    } else if (told !== undefined && lineCount !== told.lineCount) {
      this.#report(miscounted(told.lineCount, lineCount, segment));
    }
    this.#segment += 1;
    this.#segmentCrc32 = 0;
    this.#segmentLeft = segments[this.#segment]?.byteCount ?? Infinity;
    this.#segmentStart = {
      lineNumber: this.#lineCount + 1,
      byteOffset: byteOffset + (told?.byteCount ?? 0),
    };
  }
}

function mismatch(
  member: 'eventsSha256' | 'byteCount' | 'segments',
  message: string,
  place: object = {},
): BackupError<'BACKUP_DIGEST_MISMATCH'> {
  return new BackupError('BACKUP_DIGEST_MISMATCH', message, { entry, member, ...place });
}

function miscounted(expected: number, found: number, segment?: number): BackupError {
  const of = segment === undefined ? entry : `segment ${segment} of ${entry}`;
  const message = `${of} has ${found} lines instead of ${expected}`;
  const place = segment === undefined ? {} : { segment };
  return new BackupError('BACKUP_COUNT_MISMATCH', message, { expected, found, ...place });
}
