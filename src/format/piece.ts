// What a line always spells alike, such as `,"table":"`: written and found four bytes at a time. In a
// loop over bytes that costs five times as much, and it is a quarter of a line.

/** The longest text of a {@link Piece}, and how far {@link writePiece} may write. */
export const maxPieceBytes = 20;

/** A text of up to 20 ASCII characters, as words of four bytes in fields of their own. */
export class Piece {
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
    const words = new DataView(new ArrayBuffer(maxPieceBytes));
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
 * Writes a piece, and perhaps zeros after it, up to {@link maxPieceBytes} bytes in all.
 *
 * @returns where the piece ends
 */
export function writePiece(piece: Piece, out: DataView, at: number): number {
  out.setInt32(at, piece.word0, true);
  out.setInt32(at + 4, piece.word1, true);
  out.setInt32(at + 8, piece.word2, true);
  if (piece.length > 12) {
    out.setInt32(at + 12, piece.word3, true);
    out.setInt32(at + 16, piece.word4, true);
  }
  return at + piece.length;
}

/**
 * Whether a piece of at least four bytes lies at `at`.
 *
 * @param end - where the text ends; nothing from there on is looked at
 */
export function isPieceAt(piece: Piece, bytes: DataView, at: number, end: number): boolean {
  const { length } = piece;
  // From the end, where members that begin alike differ soonest.
  return (
    at + length <= end &&
    bytes.getInt32(at + length - 4, true) === piece.lastWord &&
    bytes.getInt32(at, true) === piece.word0 &&
    (length <= 8 || bytes.getInt32(at + 4, true) === piece.word1) &&
    (length <= 12 || bytes.getInt32(at + 8, true) === piece.word2) &&
    (length <= 16 || bytes.getInt32(at + 12, true) === piece.word3)
  );
}
