// An open archive: what it is read from, what fails, and what stays behind.
import assert from 'node:assert/strict';
import { createWriteStream, readdirSync, readlinkSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { archiveLimitsOf } from '../../src/archive/archive-limits.js';
import type { FileBytes } from '../../src/archive/file-bytes.js';
import { openArchive, verifyArchive, writeArchive } from '../../src/archive/index.js';
import { verifyFile, verifyRequestOf } from '../../src/archive/verify.js';
import { BackupError, changeSourceFrom, isBackupError, parseJsonl } from '../../src/index.js';
import type { Archive, VerifiedLinesOptions } from '../../src/stream/archive-port.js';
import { ARCHIVE_VECTORS as vectors } from '../support/archive-vector-files.js';
import { archiveVectors } from '../support/archive-vectors.js';
import { changeRows } from '../support/change-rows.js';
import { collect, collectBytes } from '../support/collect.js';
import { failsWith, failureOf } from '../support/failures.js';
import { buildZip } from '../support/zip-parts.js';

/** The files below a folder that this process has open. */
function openFiles(folder: string): readonly string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // that of the listing itself
      }
    })
    .filter((file) => file.startsWith(folder));
}

describe('an open archive', () => {
  let folder: string;
  let file: string;
  const at = (name: string): string => path.join(folder, name);

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    file = at('user.mana');
    await writeArchive(createWriteStream(file), {
      userId: 'user-1',
      events: changeSourceFrom(changeRows(4000)),
      compressionLevel: 0,
    });
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  test('is read more than once, at once too, as bytes and as lines', async () => {
    await using archive = await openArchive(file);
    const [bytes, again, lines] = await Promise.all([
      collectBytes(archive.bytes()),
      collectBytes(archive.bytes()),
      collect(archive.lines()),
    ]);
    assert.ok(bytes.equals(again));
    assert.deepEqual(lines, await collect(parseJsonl([bytes])));
    assert.equal(lines.length, archive.manifest.eventCount);
  });

  test('is verified and read in one pass: the lines of lines(), the report of verify()', async () => {
    await using archive = await openArchive(file);
    const options = { userId: 'user-1' };
    const lines = archive.verifiedLines(options);
    const found: [number, string][] = [];
    let next = await lines.next();
    for (; next.done !== true; next = await lines.next()) {
      while (next.value.next()) {
        found.push([next.value.lineNumber, next.value.line.text('eventId')]);
      }
    }
    const expected = (await collect(archive.lines())).map(({ eventId }, at) => [at + 1, eventId]);
    assert.deepEqual(found, expected);
    assert.deepEqual(next.value, await archive.verify(options));
    assert.ok(next.value.ok);
  });

  test('is verified to its end, whoever takes only some of its lines', async () => {
    for (const name of [file, path.join(vectors, 'LINE_INVALID-L16-two-lines.zip')]) {
      await using archive = await openArchive(name);
      const lines = archive.verifiedLines();
      let next = await lines.next();
      for (; next.done !== true; next = await lines.next()) next.value.next();
      assert.deepEqual(next.value, await archive.verify());
    }
  });

  test('hands on valid lines alone, and the report has the others', async () => {
    const numbersOf = async (
      archive: Archive,
      options?: VerifiedLinesOptions,
    ): Promise<{ readonly handed: number[]; readonly refused: (number | undefined)[] }> => {
      const handed: number[] = [];
      const lines = archive.verifiedLines(options);
      let next = await lines.next();
      for (; next.done !== true; next = await lines.next()) {
        while (next.value.next()) handed.push(next.value.lineNumber);
      }
      return { handed, refused: next.value.problems.map(({ lineNumber }) => lineNumber) };
    };
    await using invalid = await openArchive(path.join(vectors, 'LINE_INVALID-L16-no-app.zip'));
    const { handed, refused } = await numbersOf(invalid);
    assert.equal(handed.length + 1, invalid.manifest.eventCount);
    assert.equal(refused.length, 1);
    assert.ok(!handed.includes(refused[0] ?? 0));

    const deep = at('deep.mana');
    const rows = changeRows(3).map((row, index) => ({ ...row, data: index === 1 ? [[1]] : [1] }));
    await writeArchive(createWriteStream(deep), {
      userId: 'user-1',
      events: changeSourceFrom(rows),
    });
    await using archive = await openArchive(deep);
    assert.deepEqual(await numbersOf(archive), { handed: [1, 2, 3], refused: [] });
    assert.deepEqual(await numbersOf(archive, { maxDepth: 1 }), { handed: [1, 3], refused: [2] });
    assert.throws(() => archive.verifiedLines({ maxDepth: 0 }), RangeError);
    assert.throws(() => archive.verifiedLines({ depth: 1 } as object), TypeError);
  });

  test('leaves no descriptor behind, whatever happens', async () => {
    for (let round = 0; round < 20; round += 1) {
      await using archive = await openArchive(file);
      for await (const line of archive.lines()) if (line.eventId !== '') break;
      await verifyArchive(file);
    }
    await writeFile(at('bad.mana'), 'no zip, but long enough to be looked into');
    for (let round = 0; round < 20; round += 1) {
      await failsWith(openArchive(at('bad.mana')), 'BACKUP_ARCHIVE_INVALID');
    }
    assert.deepEqual(openFiles(folder), []);
  });

  test('F44 is the file that was opened, also when another took its name', async () => {
    const moved = at('moved.mana');
    await writeFile(moved, await readFile(file));
    await using archive = await openArchive(moved);
    await writeFile(at('other.mana'), 'other');
    await rename(at('other.mana'), moved);
    assert.equal((await collect(archive.lines())).length, 4000);
  });

  test('F44 that is cut while it is open is an error', async () => {
    const cut = at('cut.mana');
    await writeFile(cut, await readFile(file));
    await using archive = await openArchive(cut);
    await truncate(cut, 100_000);
    await failsWith(collect(archive.bytes()), 'BACKUP_ARCHIVE_INVALID');
    const { ok } = await archive.verify();
    assert.equal(ok, false);
  });

  test('F44 of which a byte changes while it is open is an error', async () => {
    const changed = at('changed.mana');
    const bytes = await readFile(file);
    await writeFile(changed, bytes);
    await using archive = await openArchive(changed);
    bytes[200_000] = (bytes[200_000] ?? 0) ^ 1;
    await writeFile(changed, bytes);
    const error = await failureOf(collect(archive.bytes()));
    assert.ok(isBackupError(error), String(error));
  });

  test('that is closed while it is read fails whoever reads, and is no damage', async () => {
    const readers: Readonly<Record<string, (archive: Archive) => AsyncIterator<unknown>>> = {
      bytes: (archive) => archive.bytes()[Symbol.asyncIterator](),
      lines: (archive) => archive.lines()[Symbol.asyncIterator](),
      verifiedLines: (archive) => archive.verifiedLines(),
    };
    for (const [name, readerOf] of Object.entries(readers)) {
      const archive = await openArchive(file);
      const reader = readerOf(archive);
      assert.notEqual((await reader.next()).done, true, name);
      await archive[Symbol.asyncDispose]();
      const readOn = async (): Promise<void> => {
        while ((await reader.next()).done !== true);
      };
      const error = await failsWith(readOn(), 'BACKUP_SOURCE_FAILED');
      assert.equal(error.cause?.code, 'EBADF', name);
    }
    assert.deepEqual(openFiles(folder), []);
  });

  test('with a line of a version above or below those that it tells is an error', async () => {
    await using good = await openArchive(
      archiveVectors().find(({ name }) => name === 'good-plain')!.bytes,
    );
    const { schemaVersionMin, schemaVersionMax } = good.manifest;
    assert.deepEqual([schemaVersionMin, schemaVersionMax], [1, 2]);
    const content = await collectBytes(good.bytes());
    for (const [member, version] of [
      ['schemaVersionMin', 2],
      ['schemaVersionMax', 1],
    ] as const) {
      const manifest = JSON.stringify({ ...good.manifest, [member]: version });
      const zip = buildZip([
        { name: 'events.jsonl', content },
        { name: 'manifest.json', content: Buffer.from(manifest) },
      ]);
      await using archive = await openArchive(zip);
      const { details } = await failsWith(collect(archive.lines()), 'BACKUP_MANIFEST_INVALID');
      assert.equal(details.member, member);
    }
  });

  test('is refused where there is none, or none that can be read', async () => {
    for (const reading of [openArchive, verifyArchive]) {
      const { cause } = await failsWith(reading(at('none.mana')), 'BACKUP_SOURCE_FAILED');
      assert.equal(cause?.code, 'ENOENT');
      await failsWith(reading(folder), 'BACKUP_SOURCE_FAILED');
      assert.ok((await failureOf(reading(7 as unknown as string))) instanceof TypeError);
      assert.ok((await failureOf(reading(file, { maxRate: 1 } as object))) instanceof TypeError);
    }
  });

  test('is refused with advice where the file is another of this library’s', async () => {
    const others = [
      [`age-encryption.org/v1\n-> X25519 ${'x'.repeat(64)}`, /unsealArchive/],
      [`{"eventId":"${'x'.repeat(64)}`, /parseJsonl/],
    ] as const;
    for (const [text, advice] of others) {
      const { details } = await failsWith(openArchive(Buffer.from(text)), 'BACKUP_ARCHIVE_INVALID');
      assert.match(details.reason, advice);
    }
  });

  test('stops at an abort with its reason', async () => {
    await using archive = await openArchive(file);
    const reason = { why: 'enough' };
    const signal = AbortSignal.abort(reason);
    assert.equal(await failureOf(collect(archive.lines({ signal }))), reason);
    assert.equal(await failureOf(archive.verify({ signal })), reason);
  });

  test('takes no line beyond the limit of the caller', async () => {
    await using archive = await openArchive(file);
    const reading = collect(archive.lines({ maxLineBytes: 50 }));
    const { details } = await failsWith(reading, 'BACKUP_LIMIT_EXCEEDED');
    assert.equal(details.limit, 'maxLineBytes');
  });

  test('takes one rule for that limit, whoever reads', async () => {
    await using archive = await openArchive(file);
    const longest = 512 * 1024 * 1024;
    for (const maxLineBytes of [0, longest + 1]) {
      assert.throws(() => archive.lines({ maxLineBytes }), RangeError);
      assert.throws(() => archive.verifiedLines({ maxLineBytes }), RangeError);
      assert.ok((await failureOf(archive.verify({ maxLineBytes }))) instanceof RangeError);
    }
    const { eventCount } = archive.manifest;
    assert.equal((await collect(archive.lines({ maxLineBytes: longest }))).length, eventCount);
  });
});

test('a read that fails, whichever it is, is told and not taken for damage', async () => {
  const { bytes } = archiveVectors()[0]!;
  for (let failing = 0; ; failing += 1) {
    let reads = 0;
    const file: FileBytes = {
      byteCount: bytes.length,
      read: (offset, length) => {
        if (reads === failing) {
          const details = { stage: 'read', rowCount: 0 } as const;
          return Promise.reject(new BackupError('BACKUP_SOURCE_FAILED', 'on purpose', details));
        }
        reads += 1;
        return Promise.resolve(bytes.subarray(offset, offset + length));
      },
      close: () => Promise.resolve(),
    };
    const verifying = verifyFile(file, archiveLimitsOf({}), verifyRequestOf({}));
    const outcome = await verifying.catch((error: unknown) => error);
    if (isBackupError(outcome)) assert.equal(outcome.code, 'BACKUP_SOURCE_FAILED');
    else {
      assert.equal((outcome as { ok: boolean }).ok, true);
      assert.ok(failing > 8);
      break;
    }
  }
});

test('C14 a bomb costs no more than what its header tells', async () => {
  const bomb = archiveVectors().find(({ name }) => name.startsWith('LIMIT_EXCEEDED-C14'))!;
  const { details } = await failsWith(
    openArchive(bomb.bytes).then(async (archive) => collect(archive.bytes())),
    'BACKUP_LIMIT_EXCEEDED',
  );
  assert.equal(details.entry, 'events.jsonl');
  assert.equal(details.limit, 'declaredBytes');
});
