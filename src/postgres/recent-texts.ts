// Bytes to texts, where the same ones come again and again: names of apps, tables, clients.

// Longer ones, such as ids and times, are hardly ever the same.
const maxKeptBytes = 24;
const slotCount = 256;

interface Kept {
  readonly bytes: Buffer;
  readonly text: string;
}

/** Gives the text of UTF-8 bytes; one that came lately is not made anew. */
export class RecentTexts {
  // One place for each look of a text: a text that looks alike takes it over.
  readonly #slots: (Kept | undefined)[] = new Array<undefined>(slotCount).fill(undefined);

  /** The text of the bytes from `start` to `end`. */
  textOf(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > maxKeptBytes || length === 0) return bytes.toString(undefined, start, end);
    const first = bytes[start] as number;
    const last = bytes[end - 1] as number;
    const slot = (length * 37 + first * 7 + last * 53) % slotCount;
    const kept = this.#slots[slot];
    if (kept !== undefined && isAt(bytes, start, kept.bytes, length)) return kept.text;
    const text = bytes.toString('utf8', start, end);
    // Copied: the bytes are of a chunk that is not to be held on to.
    this.#slots[slot] = { bytes: Buffer.from(bytes.subarray(start, end)), text };
    return text;
  }
}

function isAt(bytes: Buffer, start: number, expected: Buffer, length: number): boolean {
  if (expected.length !== length) return false;
  for (let index = 0; index < length; index += 1) {
    if (bytes[start + index] !== expected[index]) return false;
  }
  return true;
}
