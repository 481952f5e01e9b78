// What a sweep tries, and what must be true of every case, however the input was bent: an error is a typed
// one, and whatever is accepted is what it says.
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';

import type pg from 'pg';

import type { SeededRandom } from '../../dev/random.js';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { encodeManifest, parseManifest } from '../../src/format/manifest.js';
import type { Manifest } from '../../src/format/manifest.js';
import { decodeExportLine, encodeExportLine, isBackupError } from '../../src/index.js';
import { collectBytes } from '../support/collect.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { isPlainlyValid } from '../support/plain-line.js';
import { lineVectors } from '../support/vectors.js';
import { buildZip } from '../support/zip-parts.js';
import { mutated } from './mutate.js';
import type { Material } from './mutate.js';
import { tryRestore } from './restores.js';
import { type Tenants, createTenants, tryTenants } from './tenants.js';

/** Something that takes input from anywhere. */
export interface Target {
  readonly name: string;
  /** How many cases a whole sweep tries. */
  readonly fullCount: number;
  /** What a case may take, in milliseconds. Default 250. */
  readonly slowMs?: number;
  /**
   * Tries one case.
   *
   * @param caseNumber - from 0
   * @returns `accepted`, or the code of the error
   * @throws AssertionError when what must be true is not
   */
  try(random: SeededRandom, caseNumber: number): string | Promise<string>;
  /** Gives back what its cases have needed. */
  close?(): Promise<void>;
}

/** A valid archive and what is in it. */
interface Original {
  readonly zip: Buffer;
  readonly manifest: Buffer;
  readonly content: Content;
}

interface Content {
  readonly manifest: Manifest;
  readonly events: Buffer;
}

const GOLDEN = new URL('../vectors/golden-archives/', import.meta.url);

/** All targets, with their seeds loaded. */
export async function loadTargets(): Promise<readonly Target[]> {
  const originals: Original[] = [];
  for (const name of readdirSync(GOLDEN).filter((file) => file.endsWith('.zip'))) {
    const zip = readFileSync(new URL(name, GOLDEN));
    const content = await contentOf(zip);
    originals.push({ zip, content, manifest: Buffer.from(encodeManifest(content.manifest)) });
  }
  return [
    lines(),
    manifests(originals),
    entries(originals),
    archives(originals),
    flips(originals),
    restores(),
    tenants(),
  ];
}

const LINE_WORDS = [
  '\\u0000',
  '\\ud800',
  'null',
  '{}',
  '[]',
  '1e400',
  '-0',
  '":',
  ',"',
  '__proto__',
  'ü',
  '"createdAt":',
];

function lines(): Target {
  const seeds = lineVectors.map(({ line }) => Buffer.from(line));
  const material = materialOf(
    seeds.filter(({ length }) => length < 2_000),
    LINE_WORDS,
  );
  return {
    name: 'lines',
    fullCount: 10_000_000,
    try(random) {
      const bytes = mutated(random, material);
      // Readers of bytes ask that first, of many lines at once.
      if (!isUtf8(bytes)) return 'not UTF-8';
      const text = bytes.toString();
      const outcome = outcomeOf(() => {
        const encoded = encodeExportLine(decodeExportLine(text));
        assert.equal(encodeExportLine(decodeExportLine(encoded)), encoded);
      });
      assert.equal(outcome === undefined, isPlainlyValid(text) ?? outcome === undefined);
      return nameOf(outcome);
    },
  };
}

const MANIFEST_WORDS = [
  '"formatVersion":',
  '"archiveId":""',
  '"__proto__":',
  'null',
  '{}',
  '[]',
  '1',
  '-1',
  '1e9',
  ',',
  '\\u0000',
];

function manifests(originals: readonly Original[]): Target {
  const material = materialOf(
    originals.map(({ manifest }) => manifest),
    MANIFEST_WORDS,
  );
  return {
    name: 'manifests',
    fullCount: 2_000_000,
    try(random) {
      const bytes = mutated(random, material);
      const outcome = outcomeOf(() => {
        const manifest = parseManifest(bytes);
        JSON.parse(bytes.toString());
        const again = parseManifest(Buffer.from(encodeManifest(manifest)));
        assert.ok(isDeepStrictEqual(again, manifest));
      });
      return nameOf(outcome);
    },
  };
}

/** Zips that are in order, with an entry that is not: what a CRC cannot find. */
function entries(originals: readonly Original[]): Target {
  const ofManifests = materialOf(
    originals.map(({ manifest }) => manifest),
    MANIFEST_WORDS,
  );
  const ofEvents = materialOf(
    originals.map(({ content }) => content.events),
    LINE_WORDS,
  );
  return {
    name: 'entries',
    fullCount: 100_000,
    try(random, caseNumber) {
      const { manifest, content } = originals[caseNumber % originals.length] as Original;
      const isManifest = random.chance(0.5);
      const parts = [
        { name: 'events.jsonl', content: isManifest ? content.events : mutated(random, ofEvents) },
        { name: 'manifest.json', content: isManifest ? mutated(random, ofManifests) : manifest },
      ];
      return verdictOn(buildZip(parts), ({ events }) =>
        originals.some((original) => original.content.events.equals(events)),
      );
    },
  };
}

const ZIP_WORDS = [
  'PK\u0001\u0002',
  'PK\u0003\u0004',
  'PK\u0005\u0006',
  'PK\u0006\u0006',
  'PK\u0006\u0007',
  'manifest.json',
];

function archives(originals: readonly Original[]): Target {
  const material = materialOf(
    originals.map(({ zip }) => zip),
    ZIP_WORDS,
  );
  return {
    name: 'archives',
    fullCount: 2_000_000,
    try: (random) => verdictOn(mutated(random, material), oneOf(originals)),
  };
}

/** Two bits at a time: every single one is flipped in test/archive/flips. */
function flips(originals: readonly Original[]): Target {
  return {
    name: 'flips',
    fullCount: 200_000,
    try(random, caseNumber) {
      const { zip } = originals[caseNumber % originals.length] as Original;
      const bytes = Buffer.from(zip);
      for (let flip = 0; flip < 2; flip += 1) {
        const at = random.integer(0, bytes.length - 1);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.integer(0, 7)), at);
      }
      return verdictOn(bytes, oneOf(originals));
    },
  };
}

/** Logs and lines at random, some 15 lines to a case. */
function restores(): Target {
  let database: TestDatabase | undefined;
  let pool: pg.Pool | undefined;
  return {
    name: 'restores',
    fullCount: 10_000,
    // Two restores, up to twelve commits, and what else the machine does.
    slowMs: 20_000,
    async try(random) {
      if (database === undefined) {
        database = await createTestDatabase();
        await database.createChangeLog();
      }
      pool ??= database.pool();
      return tryRestore(database, pool, random);
    },
    close: async () => database?.dispose(),
  };
}

/** A hundred exports to a case. */
function tenants(): Target {
  let log: Promise<Tenants> | undefined;
  return {
    name: 'tenants',
    fullCount: 1_000,
    slowMs: 20_000,
    async try(random) {
      log ??= createTenants();
      return tryTenants(await log, random);
    },
    close: async () => (await log)?.[Symbol.asyncDispose](),
  };
}

function oneOf(originals: readonly Original[]): (found: Content) => boolean {
  return (found) => originals.some(({ content }) => isDeepStrictEqual(found, content));
}

/** Whatever verifies, and whatever can be read to its end, must be what was written. */
async function verdictOn(zip: Buffer, wasWritten: (found: Content) => boolean): Promise<string> {
  const { ok, problems } = await verifyArchive(zip);
  const [first] = problems;
  assert.equal(ok, first === undefined);
  const read = await contentOf(zip).catch((error: unknown) => {
    assert.ok(isBackupError(error), String(error));
    return undefined;
  });
  if (ok) assert.ok(read, 'it verifies, and cannot be read');
  if (read) assert.ok(wasWritten(read), 'it is taken for whole, and is not what was written');
  return first === undefined ? 'accepted' : first.code;
}

async function contentOf(zip: Buffer): Promise<Content> {
  await using archive = await openArchive(zip);
  return { manifest: archive.manifest, events: await collectBytes(archive.bytes()) };
}

function materialOf(seeds: readonly Buffer[], words: readonly string[]): Material {
  const [firstSeed, ...otherSeeds] = seeds;
  const [firstWord, ...otherWords] = words.map((word) => Buffer.from(word));
  assert.ok(firstSeed !== undefined && firstWord !== undefined);
  return { seeds: [firstSeed, ...otherSeeds], words: [firstWord, ...otherWords] };
}

/** What a call throws, which must be typed; undefined when it throws nothing. */
function outcomeOf(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    if (!isBackupError(error)) throw error;
    return error;
  }
}

function nameOf(error: unknown): string {
  return isBackupError(error) ? error.code : 'accepted';
}
