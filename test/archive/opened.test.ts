// What was demanded when an archive was opened holds for all that is done with it, whatever becomes of its file.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { openArchive } from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { archiveBytes } from '../support/archives.js';
import { changeRows } from '../support/change-rows.js';
import { failsWith } from '../support/failures.js';
import { countRows, restore, withEmptyLog } from '../support/restored.js';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');

/** Stored, so that archives of as many rows have as many bytes. */
function archiveOf(signingKey?: KeyObject, appId = 'todo'): Promise<Buffer> {
  return archiveBytes({
    events: changeSourceFrom(changeRows(3).map((row) => ({ ...row, appId }))),
    at: new Date('2026-11-26T10:00:00Z'),
    compressionLevel: 0,
    signingKey,
  });
}

/** An archive with other rows; its manifest is deflated, and so not always of the same length. */
async function anotherOf(byteCount: number): Promise<Buffer> {
  for (const letter of 'abcdefghijklmnpqrstuvwxyz') {
    const bytes = await archiveOf(privateKey, `t${letter}do`);
    if (bytes.length === byteCount) return bytes;
  }
  assert.fail('no archive of this length');
}

describe('an archive that was opened with trusted keys', () => {
  let folder: string;
  let file: string;
  const options = { trustedKeys: [publicKey] };

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    file = path.join(folder, 'user.mana');
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  test('is authentic for verify(), which may ask for other keys', async () => {
    await using archive = await openArchive(await archiveOf(privateKey), options);
    const { ok, authentic } = await archive.verify();
    assert.deepEqual([ok, authentic], [true, true]);
    const other = await archive.verify({
      trustedKeys: [generateKeyPairSync('ed25519').publicKey],
    });
    assert.deepEqual(
      other.problems.map(({ code }) => code),
      ['BACKUP_KEY_UNTRUSTED'],
    );
  });

  for (const demands of [{}, { requireSignature: false }]) {
    const how = 'requireSignature' in demands ? ', whatever is demanded now' : '';
    test(`is no other one after its file was written over, by the same key${how}`, async () => {
      const first = await archiveOf(privateKey);
      const second = await anotherOf(first.length);
      await writeFile(file, first);
      await using archive = await openArchive(file, options);
      await writeFile(file, second);
      const { ok, problems } = await archive.verify(demands);
      assert.equal(ok, false);
      assert.deepEqual(
        problems.map(({ code, entry }) => [code, entry]),
        [['BACKUP_MANIFEST_INVALID', 'manifest.json']],
      );
      await withEmptyLog(async (db, pool) => {
        await failsWith(restore(pool, archive, demands), 'BACKUP_MANIFEST_INVALID');
        assert.equal(await countRows(db), 0);
      });
    });
  }

  test('is not whole after its file was cut', async () => {
    await writeFile(file, await archiveOf(privateKey));
    await using archive = await openArchive(file, options);
    await writeFile(file, 'nothing');
    assert.equal((await archive.verify()).ok, false);
  });
});

test('a restore fails with the details that its code has', () =>
  withEmptyLog(async (_db, pool) => {
    await using unsigned = await openArchive(await archiveOf());
    const missing = await failsWith(
      restore(pool, unsigned, { trustedKeys: [publicKey] }),
      'BACKUP_SIGNATURE_MISSING',
    );
    assert.deepEqual(missing.details, { requiredBy: 'caller' });
    await using signed = await openArchive(await archiveOf(privateKey));
    const { publicKey: another } = generateKeyPairSync('ed25519');
    const untrusted = await failsWith(
      restore(pool, signed, { trustedKeys: [another] }),
      'BACKUP_KEY_UNTRUSTED',
    );
    assert.equal(untrusted.details.keyId, signed.manifest.signingKeyId);
  }));
