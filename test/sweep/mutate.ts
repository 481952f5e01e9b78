// Bends bytes at random: the same random numbers give the same bytes.
import type { SeededRandom } from '../../dev/random.js';

const TELLING_BYTES = [
  0x00, 0x0a, 0x20, 0x22, 0x2c, 0x30, 0x3a, 0x5c, 0x7b, 0x7d, 0x80, 0xff,
] as const;
const TELLING_NUMBERS = [0, 1, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff] as const;

/** What bytes are bent with. */
export interface Material {
  /** Whole inputs that are in order; another one of them lends pieces. */
  readonly seeds: readonly [Buffer, ...Buffer[]];
  /** Pieces that mean something in the format. */
  readonly words: readonly [Buffer, ...Buffer[]];
}

/** One of the seeds, bent in one to three places. */
export function mutated(random: SeededRandom, material: Material): Buffer {
  let bytes: Buffer = Buffer.from(random.pick(material.seeds));
  for (let left = random.integer(1, 3); left > 0; left -= 1) {
    bytes = random.pick(BENDS)(random, bytes, material);
  }
  return bytes;
}

type Bend = (random: SeededRandom, bytes: Buffer, material: Material) => Buffer;

const BENDS: readonly [Bend, ...Bend[]] = [
  function flipBit(random, bytes) {
    const at = placeIn(random, bytes);
    if (at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.integer(0, 7)), at);
    return bytes;
  },
  function setByte(random, bytes) {
    const at = placeIn(random, bytes);
    if (at < bytes.length) bytes.writeUInt8(random.pick(TELLING_BYTES), at);
    return bytes;
  },
  function setNumber(random, bytes) {
    const at = placeIn(random, bytes);
    const value = random.chance(0.5)
      ? random.pick(TELLING_NUMBERS)
      : bytes.length + random.integer(-2, 2);
    if (at + 4 <= bytes.length) bytes.writeUInt32LE(Math.max(0, value), at);
    return bytes;
  },
  function cutOut(random, bytes) {
    const at = placeIn(random, bytes);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.integer(1, 16))]);
  },
  function cutOff(random, bytes) {
    return Buffer.from(bytes.subarray(0, placeIn(random, bytes)));
  },
  function double(random, bytes) {
    const from = placeIn(random, bytes);
    const piece = bytes.subarray(from, from + random.integer(1, 64));
    return inserted(bytes, placeIn(random, bytes), piece);
  },
  function insertWord(random, bytes, { words }) {
    return inserted(bytes, placeIn(random, bytes), random.pick(words));
  },
  function lend(random, bytes, { seeds }) {
    const other = random.pick(seeds);
    const from = placeIn(random, other);
    const piece = other.subarray(from, from + random.integer(1, 64));
    const at = placeIn(random, bytes);
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)]);
  },
];

/** From 0 up to the end, included. */
function placeIn(random: SeededRandom, bytes: Buffer): number {
  return random.integer(0, bytes.length);
}

function inserted(bytes: Buffer, at: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}
