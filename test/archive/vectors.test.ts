// C, M, S and some L rows of the list of bad input: every vector is reported with exactly its codes,
// from memory and from disk, and refused with the first of them by whoever reads it.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { changeSourceFrom, isBackupError } from '../../src/index.js';
import { detailsOf } from '../../src/stream/archive-port.js';
import { ARCHIVE_VECTORS, archiveVectorFiles } from '../support/archive-vector-files.js';
import { archiveVectorKeys, archiveVectors } from '../support/archive-vectors.js';
import type { ArchiveVector } from '../support/archive-vectors.js';
import { archiveBytes } from '../support/archives.js';
import { collect } from '../support/collect.js';

const files = archiveVectorFiles();

test('the vectors on disk are those that the script makes', async () => {
  assert.deepEqual((await readdir(ARCHIVE_VECTORS)).sort(), [...files.keys()].sort());
  for (const [name, bytes] of files) {
    assert.ok(bytes.equals(await readFile(path.join(ARCHIVE_VECTORS, name))), name);
  }
});

function keysOf({ options }: ArchiveVector): { trustedKeys?: string[] } {
  const { trustedKeys } = options;
  return trustedKeys ? { trustedKeys: trustedKeys.map((name) => archiveVectorKeys[name]!) } : {};
}

/** The code that reading everything fails with. */
async function codeOfReading(vector: ArchiveVector): Promise<string | undefined> {
  const { requireSignature, maxEntryBytes, maxEntries } = vector.options;
  try {
    await using archive = await openArchive(vector.bytes, {
      ...keysOf(vector),
      ...{ requireSignature, maxEntryBytes, maxEntries },
    });
    await collect(archive.lines());
    return undefined;
  } catch (error) {
    assert.ok(isBackupError(error), String(error));
    return error.code;
  }
}

// What only a look at all lines, or at what the caller expects, can tell.
const ofVerifyAlone =
  /^(ORDER_VIOLATED|TENANCY_MISMATCH)|^MANIFEST_INVALID-(M8-(range-wider|apps-other|position|longest)|M11-not)/;

describe('an archive vector', () => {
  for (const vector of archiveVectors()) {
    test(vector.name, async () => {
      const options = { ...vector.options, ...keysOf(vector) };
      const fromMemory = await verifyArchive(vector.bytes, options);
      const fromDisk = await verifyArchive(
        path.join(ARCHIVE_VECTORS, `${vector.name}.zip`),
        options,
      );
      assert.deepEqual(fromDisk, fromMemory);
      assert.deepEqual(
        fromMemory.problems.map(({ code }) => code),
        vector.codes.map((code) => `BACKUP_${code}`),
      );
      const { ok, intact, authentic } = fromMemory;
      const { codes } = vector;
      assert.deepEqual(
        { ok, intact, authentic },
        { ok: codes.length === 0, intact: vector.intact, authentic: vector.authentic },
      );
      const isSilent = codes.length === 0 || ofVerifyAlone.test(vector.name);
      const read = await codeOfReading(vector);
      if (isSilent) assert.equal(read, undefined);
      else assert.ok(codes.includes(read?.slice('BACKUP_'.length) ?? ''), String(read));
    });
  }

  test('tells nothing of its content in a problem', async () => {
    for (const vector of archiveVectors()) {
      const { problems } = await verifyArchive(vector.bytes, {
        ...vector.options,
        ...keysOf(vector),
      });
      assert.doesNotMatch(JSON.stringify(problems), /task-|bbbb|user-1|lnosj|client-a/);
    }
  });
});

describe('a warning', () => {
  const dayMs = 24 * 60 * 60 * 1_000;
  const madeAt = (ms: number): Promise<Buffer> =>
    archiveBytes({ events: changeSourceFrom([]), at: new Date(ms) });

  test('is given for an archive from the future, which is no problem', async () => {
    const vector = archiveVectors().find(({ name }) => name === 'good-M9-far-future');
    const soon = await madeAt(Date.now() + dayMs + 60 * 1_000);
    for (const bytes of [vector!.bytes, soon]) {
      const { ok, intact, warnings } = await verifyArchive(bytes);
      assert.deepEqual([ok, intact], [true, true]);
      assert.deepEqual(
        warnings.map(({ entry, member }) => ({ entry, member })),
        [{ entry: 'manifest.json', member: 'createdAt' }],
      );
    }
  });

  test('is not given for clocks that differ by less than a day, nor for old archives', async () => {
    for (const ms of [Date.now() + dayMs - 60 * 1_000, Date.now(), 0]) {
      assert.deepEqual((await verifyArchive(await madeAt(ms))).warnings, []);
    }
  });
});

describe('a problem', () => {
  const problemsOf = async (name: string): Promise<readonly object[]> => {
    const vector = archiveVectors().find((candidate) => candidate.name === name);
    return (await verifyArchive(vector!.bytes)).problems;
  };

  test('of a line has its number and place', async () => {
    const [first, second] = await problemsOf('LINE_INVALID-L16-two-lines');
    assert.equal((first as Record<string, unknown>)['lineNumber'], 1);
    const { lineNumber, member, byteOffset } = second as Record<string, unknown>;
    assert.deepEqual({ lineNumber, member }, { lineNumber: 3, member: 'table' });
    assert.equal(typeof byteOffset, 'number');
  });

  test('of the events has its segment', async () => {
    const [first] = await problemsOf('DIGEST_MISMATCH-M5-segment');
    const { entry, segment, lineNumber, byteOffset } = first as Record<string, unknown>;
    assert.deepEqual(
      { entry, segment, lineNumber, byteOffset },
      { entry: 'events.jsonl', segment: 0, lineNumber: 1, byteOffset: 0 },
    );
  });

  test('M7 of an archive of another user tells no row of it', async () => {
    const vector = archiveVectors().find(({ name }) => name === 'good-plain');
    const { problems } = await verifyArchive(vector!.bytes, { userId: 'user-2' });
    assert.deepEqual(
      problems.map((problem) => [problem.code, detailsOf(problem)]),
      [['BACKUP_TENANCY_MISMATCH', { found: 'archive', rowCount: 0 }]],
    );
  });

  test('L7 of a line is one beyond what the caller takes, whatever the manifest tells', async () => {
    const vector = archiveVectors().find(({ name }) => name === 'good-plain');
    const { problems } = await verifyArchive(vector!.bytes, { maxLineBytes: 100 });
    assert.deepEqual(
      problems.map((problem) => [problem.code, problem.lineNumber]),
      [['BACKUP_LIMIT_EXCEEDED', 1]],
    );
  });

  test('is counted beyond maxProblems, and not listed', async () => {
    const vector = archiveVectors().find(({ name }) => name === 'LINE_INVALID-L16-two-lines');
    const { problems, problemCount } = await verifyArchive(vector!.bytes, { maxProblems: 1 });
    assert.deepEqual([problems.length, problemCount], [1, 2]);
  });
});
