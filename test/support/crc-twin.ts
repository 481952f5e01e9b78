// Other content with the same length and the same CRC-32: what a CRC cannot see.
import { crc32 } from 'node:zlib';

/**
 * Flips the lowest bits of some bytes so that the CRC stays: CRC-32 is linear over its bits, so 33
 * free ones are enough for the equations of 32 to have another solution.
 *
 * @param from - where 40 bytes begin of which the lowest bit may change
 */
export function crcTwin(content: Buffer, from: number): Buffer {
  const flipped = (bits: readonly number[]): Buffer => {
    const twin = Buffer.from(content);
    for (const bit of bits) twin[from + bit] = (twin[from + bit] ?? 0) ^ 1;
    return twin;
  };
  const effectOf = (bit: number): number => (crc32(content) ^ crc32(flipped([bit]))) >>> 0;
  // Gaussian elimination over GF(2): each row remembers which bits were flipped to get it.
  const rows: { effect: number; bits: number[] }[] = [];
  for (let bit = 0; bit < 40; bit += 1) {
    let effect = effectOf(bit);
    let bits = [bit];
    for (const row of rows) {
      if ((effect ^ row.effect) >>> 0 < effect) {
        effect = (effect ^ row.effect) >>> 0;
        bits = [
          ...bits.filter((b) => !row.bits.includes(b)),
          ...row.bits.filter((b) => !bits.includes(b)),
        ];
      }
    }
    if (effect === 0) return flipped(bits);
    rows.push({ effect, bits });
    rows.sort((a, b) => b.effect - a.effect);
  }
  throw new Error('no twin among 40 bits');
}
