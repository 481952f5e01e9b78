// The admin tool with keys: what is signed, what is sealed, and who it is refused to.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';

import { sealArchive } from '../../src/archive/index.js';
import { failureCodeOf, resultOf, runTool, withFolder } from '../support/admin-tool.js';
import { USER, eventIdsInLog, fillLog } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { settlesWithin } from '../support/deadline.js';
import { withEmptyLog } from '../support/restored.js';

interface Setting {
  readonly db: TestDatabase;
  readonly inFolder: (name: string) => string;
}

function withLog(use: (setting: Setting) => Promise<void>): Promise<void> {
  return withFolder((inFolder) =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 300 });
      await use({ db, inFolder });
    }),
  );
}

/** Writes a pair of Ed25519 keys as PEM files, `name` and `name.pub`. */
async function writeKeyPair(file: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(`${file}.pub`, publicKey.export({ type: 'spki', format: 'pem' }));
}

/** Writes an age identity as `age-keygen` does, and its recipient beside it. */
async function writeIdentity(file: string): Promise<string> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  await writeFile(file, `# created: today\n# public key: ${recipient}\n${identity}\n`);
  await writeFile(`${file}.pub`, `# ours\n\n${recipient}\n`);
  return recipient;
}

function codesOf(run: Parameters<typeof resultOf>[0]): readonly unknown[] {
  const { ok, problems } = resultOf(run) as { ok: boolean; problems: readonly { code: string }[] };
  return [run.exitCode, ok, ...problems.map(({ code }) => code)];
}

describe('a signed archive', () => {
  test('is authentic by its key, and by no other; one that is not signed by none', () =>
    withLog(async ({ db, inFolder }) => {
      await writeKeyPair(inFolder('ours'));
      await writeKeyPair(inFolder('theirs'));
      const sign = ['--sign', inFolder('ours')];
      for (const [name, more] of Object.entries({ signed: sign, unsigned: [] })) {
        const exported = await runTool(['export', USER, inFolder(name), ...more], { database: db });
        assert.equal(exported.exitCode, 0, exported.stderr);
      }
      const verify = async (name: string, key: string) =>
        codesOf(
          await runTool(['verify', inFolder(name), '--trusted-key', inFolder(key), '--json']),
        );
      assert.deepEqual(await verify('signed', 'ours.pub'), [0, true]);
      assert.deepEqual(await verify('signed', 'theirs.pub'), [1, false, 'BACKUP_KEY_UNTRUSTED']);
      assert.deepEqual(await verify('unsigned', 'ours.pub'), [
        1,
        false,
        'BACKUP_SIGNATURE_MISSING',
      ]);

      const theirs = ['--trusted-key', inFolder('theirs.pub'), '--json'];
      const shown = await runTool(['show', inFolder('signed'), ...theirs]);
      assert.deepEqual(failureCodeOf(shown), [1, 'BACKUP_KEY_UNTRUSTED']);
      const restore = ['restore', USER, inFolder('signed'), '--write', ...theirs];
      const restored = await runTool(restore, { database: db });
      assert.deepEqual(failureCodeOf(restored), [1, 'BACKUP_KEY_UNTRUSTED']);
    }));

  test('needs a private key to be made and a public one to be checked', () =>
    withLog(async ({ db, inFolder }) => {
      await writeKeyPair(inFolder('key'));
      const file = inFolder('user.mana');
      const args = ['export', USER, file, '--sign', inFolder('key.pub'), '--json'];
      assert.deepEqual(failureCodeOf(await runTool(args, { database: db })), [2, 'USAGE']);
      assert.deepEqual((await readdir(path.dirname(file))).sort(), ['key', 'key.pub']);
      const check = ['verify', inFolder('key'), '--trusted-key', inFolder('key'), '--json'];
      assert.deepEqual(failureCodeOf(await runTool(check)), [2, 'USAGE']);
    }));

  test('that is damaged, or somebody else’s, or not the one expected, is told so', () =>
    withLog(async ({ db, inFolder }) => {
      const [file, damaged] = [inFolder('user.mana'), inFolder('damaged.mana')];
      assert.equal((await runTool(['export', USER, file], { database: db })).exitCode, 0);
      const bytes = await readFile(file);
      bytes[Math.floor(bytes.length / 3)]! ^= 0xff;
      await writeFile(damaged, bytes);
      const [exitCode, ok, ...codes] = codesOf(await runTool(['verify', damaged, '--json']));
      assert.deepEqual([exitCode, ok, codes.length > 0], [1, false, true]);
      const verify = async (...more: readonly string[]) =>
        codesOf(await runTool(['verify', file, '--json', ...more]));
      assert.deepEqual(await verify(), [0, true]);
      assert.deepEqual(await verify('--user', 'ben'), [1, false, 'BACKUP_TENANCY_MISMATCH']);
      assert.deepEqual(await verify('--expect-archive-id', '0'.repeat(32)), [
        1,
        false,
        'BACKUP_MANIFEST_INVALID',
      ]);
      const restored = await runTool(['restore', USER, damaged, '--write', '--json'], {
        database: db,
      });
      const [code, name] = failureCodeOf(restored);
      assert.equal(code, 1);
      assert.ok(codes.includes(name));
    }));
});

describe('a sealed archive', () => {
  test('comes back through its identity, and through nothing else', () =>
    withLog(({ db, inFolder }) =>
      withEmptyLog(async (other) => {
        const recipient = await writeIdentity(inFolder('ours'));
        await writeIdentity(inFolder('theirs'));
        const file = inFolder('user.age');
        const seal = ['export', USER, file, '--json', '-R', inFolder('ours.pub')];
        const elsewhere = await runTool(seal, { database: db });
        assert.deepEqual([elsewhere.exitCode, resultOf(elsewhere)['verified']], [0, 'bytes']);
        const again = [...seal, '-r', recipient, '-i', inFolder('ours'), '--force'];
        const here = await runTool(again, { database: db });
        assert.deepEqual([here.exitCode, resultOf(here)['verified']], [0, 'whole']);
        assert.ok(
          (await readFile(file)).subarray(0, 21).equals(Buffer.from('age-encryption.org/v1')),
        );

        for (const command of [['verify'], ['show'], ['restore', USER]]) {
          const closed = await runTool([...command, file, '--json'], { database: other });
          assert.deepEqual(failureCodeOf(closed), [1, 'FILE_SEALED']);
          const args = [...command, file, '--json', '-i', inFolder('theirs')];
          const wrong = await runTool(args, { database: other });
          assert.deepEqual(failureCodeOf(wrong), [1, 'BACKUP_SEAL_UNREADABLE']);
        }
        const opened = await runTool(['verify', file, '--json', '-i', inFolder('ours')]);
        assert.deepEqual(codesOf(opened), [0, true]);
        const restore = ['restore', USER, file, '--write', '-i', inFolder('ours')];
        assert.equal((await runTool(restore, { database: other })).exitCode, 0);
        assert.deepEqual(await eventIdsInLog(other), await eventIdsInLog(db));
      }),
    ));

  test('comes back through its passphrase, which is printed nowhere', () =>
    withLog(async ({ db, inFolder }) => {
      const [file, secret] = [inFolder('user.age'), inFolder('passphrase')];
      await writeFile(secret, 'correct horse\nthis line is none of it\n');
      const through = ['--json', '--passphrase-file', secret];
      const sealed = await runTool(['export', USER, file, ...through], { database: db });
      assert.deepEqual([sealed.exitCode, resultOf(sealed)['verified']], [0, 'whole']);

      // One that takes less time to try.
      const quick = createWriteStream(inFolder('quick.age'));
      await sealArchive(file, quick, { passphrase: 'correct horse', workFactor: 1 });
      await writeFile(secret, 'wrong horse\n');
      const wrong = await runTool(['verify', inFolder('quick.age'), ...through]);
      assert.deepEqual(failureCodeOf(wrong), [1, 'BACKUP_SEAL_UNREADABLE']);
      assert.doesNotMatch(sealed.stdout + sealed.stderr + wrong.stderr, /horse/);
    }));

  test('for a recipient that is none is refused at once, and leaves nothing', () =>
    withLog(async ({ db, inFolder }) => {
      const args = ['export', USER, inFolder('user.age'), '-r', 'age1nobody', '--json'];
      const refused = await settlesWithin(runTool(args, { database: db }), 10_000, 'The export');
      assert.deepEqual(failureCodeOf(refused), [2, 'USAGE']);
      assert.deepEqual(await readdir(path.dirname(inFolder('x'))), []);
    }));
});
