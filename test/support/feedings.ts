// The same bytes cut in different ways: what reads them must not notice.
import { SeededRandom } from '../../dev/random.js';

/** One way to cut bytes. */
export interface Feeding {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

/** Whole, byte by byte, and in random pieces, empty ones among them. */
export function feedingsOf(bytes: Uint8Array, seed = 1): readonly Feeding[] {
  return [
    { name: 'whole', chunks: [bytes] },
    { name: 'byte by byte', chunks: Array.from(bytes, (_, at) => bytes.slice(at, at + 1)) },
    { name: `random pieces (seed ${String(seed)})`, chunks: randomPieces(bytes, seed) },
  ];
}

function randomPieces(bytes: Uint8Array, seed: number): readonly Uint8Array[] {
  const random = new SeededRandom(seed);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + random.integer(0, 40);
    pieces.push(bytes.slice(at, end));
    at = end;
  }
  return pieces;
}
