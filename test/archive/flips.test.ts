// F45, F46: every bit of four golden archives flipped, and every prefix of them: reported, or proven
// harmless. The harmless bits are listed in flips.json beside the archives.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { collectBytes } from '../support/collect.js';

const GOLDEN = fileURLToPath(new URL('../vectors/golden-archives/', import.meta.url));
const golden = readdirSync(GOLDEN).filter((name) => name.endsWith('.zip'));
const expected = JSON.parse(readFileSync(path.join(GOLDEN, 'flips.json'), 'utf8')) as Record<
  string,
  unknown
>;

interface Place {
  readonly at: number;
  readonly length: number;
  readonly what: string;
}

/** The fields that no reader of the content looks at, and where deflate has more than one way. */
function idleFields(zip: Buffer): Place[] {
  const places: Place[] = [];
  const end = zip.length - 22;
  let at = zip.readUInt32LE(end + 16);
  while (at < end) {
    places.push({ at: at + 4, length: 2, what: 'version made by' });
    places.push({ at: at + 6, length: 2, what: 'version needed' });
    places.push({ at: at + 12, length: 4, what: 'time' });
    places.push({ at: at + 36, length: 2, what: 'internal attributes' });
    places.push({ at: at + 38, length: 4, what: 'external attributes' });
    const local = zip.readUInt32LE(at + 42);
    places.push({ at: local + 4, length: 2, what: 'version needed' });
    places.push({ at: local + 10, length: 4, what: 'time' });
    const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const length = zip.readUInt32LE(at + 20);
    places.push({ at: data + length - 1, length: 1, what: 'padding of deflate' });
    // Two places of the window that hold the same text, and a distance that is one bit apart.
    places.push({ at: data, length: length - 1, what: 'another spelling of deflate' });
    const lengths = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    at += 46 + lengths.reduce((sum, bytes) => sum + bytes, 0);
  }
  return places;
}

async function contentOf(zip: Buffer): Promise<unknown> {
  await using archive = await openArchive(zip);
  return [archive.manifest, (await collectBytes(archive.bytes())).toString()];
}

describe('of the golden archive', () => {
  for (const name of golden) {
    const zip = readFileSync(path.join(GOLDEN, name));

    test(`${name} every flipped bit is reported or harmless`, async () => {
      const content = await contentOf(zip);
      const idle = idleFields(zip);
      const harmless: Record<string, number> = {};
      let reported = 0;
      for (let bit = 0; bit < zip.length * 8; bit += 1) {
        const at = bit >> 3;
        const flipped = Buffer.from(zip);
        flipped[at] = (zip[at] ?? 0) ^ (1 << (bit & 7));
        const { ok, problems } = await verifyArchive(flipped);
        if (!ok) {
          assert.ok(problems.length > 0);
          reported += 1;
          continue;
        }
        assert.deepEqual(await contentOf(flipped), content, `bit ${bit}`);
        const place = idle.find((field) => at >= field.at && at < field.at + field.length);
        assert.ok(place, `bit ${bit} of ${name} does no harm, and nobody knows why`);
        harmless[place.what] = (harmless[place.what] ?? 0) + 1;
      }
      const result = { bits: zip.length * 8, reported, harmless, prefixes: zip.length };
      assert.deepEqual(result, expected[name], JSON.stringify(result));
    });

    test(`${name} every prefix is reported`, async () => {
      for (let length = 0; length < zip.length; length += 1) {
        const { ok, intact } = await verifyArchive(zip.subarray(0, length));
        assert.deepEqual({ ok, intact }, { ok: false, intact: false }, `${length} bytes`);
      }
    });
  }
});
