// What a line always spells alike, such as `,"table":"`: written and found four bytes at a time. In a
// loop over bytes that costs five times as much, and it is a quarter of a line.

/** The longest text of a {@link FixedText}, and how far {@link writeFixedText} may write. */
export const maxFixedTextBytes = 20;

/** A text of up to 20 ASCII characters, as words of four bytes in fields of their own. */
export class FixedText {
  /** Its bytes. */
  readonly length: number;
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
  readonly word4: number;
  /** Its last four bytes, which overlap the words; of a shorter text nothing. */
  readonly lastWord: number;

  constructor(text: string) {
    const words = new DataView(new ArrayBuffer(maxFixedTextBytes));
    for (let at = 0; at < text.length; at += 1) words.setUint8(at, text.charCodeAt(at));
    this.length = text.length;
    this.word0 = words.getInt32(0, true);
    this.word1 = words.getInt32(4, true);
    this.word2 = words.getInt32(8, true);
    this.word3 = words.getInt32(12, true);
    this.word4 = words.getInt32(16, true);
    this.lastWord = text.length < 4 ? 0 : words.getInt32(text.length - 4, true);
  }
}

/**
 * Writes a text, and perhaps zeros after it, up to {@link maxFixedTextBytes} bytes in all.
 *
 * @returns where the text ends
 */
export function writeFixedText(text: FixedText, out: DataView, at: number): number {
  out.setInt32(at, text.word0, true);
  out.setInt32(at + 4, text.word1, true);
  out.setInt32(at + 8, text.word2, true);
  if (text.length > 12) {
    out.setInt32(at + 12, text.word3, true);
    out.setInt32(at + 16, text.word4, true);
  }
  return at + text.length;
}

/**
 * Whether a text of at least four bytes lies at `at`.
 *
 * @param end - where what is looked at ends; nothing from there on is looked at
 */
export function isFixedTextAt(text: FixedText, bytes: DataView, at: number, end: number): boolean {
  const { length } = text;
  // From the end, where members that begin alike differ soonest.
  return (
    at + length <= end &&
    bytes.getInt32(at + length - 4, true) === text.lastWord &&
    bytes.getInt32(at, true) === text.word0 &&
    (length <= 8 || bytes.getInt32(at + 4, true) === text.word1) &&
    (length <= 12 || bytes.getInt32(at + 8, true) === text.word2) &&
    (length <= 16 || bytes.getInt32(at + 12, true) === text.word3)
  );
}
