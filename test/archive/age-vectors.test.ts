// S7: the published vectors of the age format (C2SP CCTV), each a file with what must become of it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { inflateSync } from 'node:zlib';

import { unsealArchive } from '../../src/archive/index.js';
import type { UnsealArchiveOptions } from '../../src/archive/index.js';
import { isBackupError } from '../../src/index.js';
import { chunked } from '../support/collect.js';

const vectors = (await import('cctv-age')) as unknown as Readonly<Record<string, Uint8Array>>;

/** A vector's own header, by its keys, and the age file behind it. */
interface Vector {
  readonly values: (key: string) => readonly string[];
  readonly file: Uint8Array;
}

function vectorOf(bytes: Uint8Array): Vector {
  const whole = Buffer.from(bytes);
  const headerEnd = whole.indexOf('\n\n');
  const lines = whole.toString('utf8', 0, headerEnd).split('\n');
  const pairs = lines.map((line) => line.split(/: (.*)/s).slice(0, 2));
  const values = (key: string): readonly string[] =>
    pairs.flatMap(([name, value]) => (name === key ? [value ?? ''] : []));
  const file = whole.subarray(headerEnd + 2);
  return { values, file: values('compressed')[0] === 'zlib' ? inflateSync(file) : file };
}

interface Outcome {
  readonly code: string | undefined;
  readonly sha256: string;
  readonly isEnded: boolean;
}

async function unsealed(
  input: Uint8Array | AsyncIterable<Uint8Array>,
  options: UnsealArchiveOptions,
): Promise<Outcome> {
  const hash = createHash('sha256');
  let isEnded = false;
  const destination = new Writable({
    write: (chunk: Uint8Array, _encoding, callback) => {
      hash.update(chunk);
      callback();
    },
    final: (callback) => {
      isEnded = true;
      callback();
    },
  });
  destination.on('error', () => undefined);
  let code: string | undefined;
  try {
    await unsealArchive(input, destination, options);
  } catch (error) {
    if (!isBackupError(error)) throw error;
    code = error.code;
  }
  return { code, sha256: hash.digest('hex'), isEnded };
}

/** With one secret at a time: a file says what it needs, and a caller has either kind. */
function secretsOf({ values }: Vector): readonly UnsealArchiveOptions[] {
  const passphrases = values('passphrase').map((passphrase) => ({ passphrase }));
  const identities = values('identity');
  if (identities.length > 0) return [...passphrases, { identities }];
  // Some files are none at all, and name no secret.
  return passphrases.length > 0 ? passphrases : [{ passphrase: 'any' }];
}

// Of these a reader may hand on one chunk more before it sees the failure. Ours holds it back.
const heldBack = new Set([
  'stream_no_final_full',
  'stream_no_final_two_chunks_full',
  'stream_trailing_garbage_long',
  'stream_trailing_garbage_short',
  'stream_two_final_chunks',
  'stream_two_final_chunks_full',
  'stream_two_final_chunks_second',
]);

const emptySha256 = createHash('sha256').digest('hex');

describe('S7: the vectors of the age format', () => {
  test('are all there', () => {
    assert.equal(Object.keys(vectors).length, 143);
  });

  for (const [name, bytes] of Object.entries(vectors)) {
    const vector = vectorOf(bytes);
    const [expected] = vector.values('expect');
    // Archives are sealed in the binary form; armor is for what is sent as text.
    const isArmored = vector.values('armored')[0] === 'yes';
    const isGood = expected === 'success' && !isArmored;

    test(`${name}: ${isArmored ? 'armored, which is not read' : String(expected)}`, async () => {
      const outcomes: Outcome[] = [];
      for (const secrets of secretsOf(vector)) {
        outcomes.push(await unsealed(vector.file, secrets));
        const pieces = (async function* () {
          yield* await Promise.resolve(chunked(vector.file, 4_093));
        })();
        outcomes.push(await unsealed(pieces, secrets));
      }
      assert.ok(outcomes.length > 0);
      if (isGood) {
        const best = outcomes.find(({ isEnded }) => isEnded);
        assert.deepEqual(best, {
          code: undefined,
          sha256: vector.values('payload')[0],
          isEnded: true,
        });
      }
      for (const { code, sha256, isEnded } of outcomes) {
        if (isEnded) {
          assert.ok(isGood, 'a file that is none was read to its end');
          continue;
        }
        // Where the file asks for more work than the caller allows, that is what is said.
        assert.match(String(code), /^BACKUP_(SEAL_UNREADABLE|LIMIT_EXCEEDED)$/);
        const [payload = emptySha256] = isGood || isArmored ? [] : vector.values('payload');
        if (heldBack.has(name)) assert.notEqual(sha256, payload);
        else assert.equal(sha256, payload);
      }
    });
  }
});
