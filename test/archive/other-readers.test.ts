// What others make of these files, with the tools that are on this machine; the rest is listed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  openArchive,
  sealArchive,
  unsealArchive,
  verifyArchive,
  writeArchive,
} from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { changeRows } from '../support/change-rows.js';
import { collectBytes } from '../support/collect.js';

const signingKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 1)]),
  format: 'der',
  type: 'pkcs8',
});
const publicPem = createPublicKey(signingKey).export({ format: 'pem', type: 'spki' });

describe('an archive', () => {
  let folder: string;
  let file: string;
  let events: Buffer;
  const at = (name: string): string => path.join(folder, name);

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    file = at('user.mana');
    const rows = changeRows(5000);
    await writeArchive(createWriteStream(file), {
      userId: 'user-1',
      events: changeSourceFrom(rows),
      signingKey,
    });
    await using archive = await openArchive(file, { trustedKeys: [publicPem.toString()] });
    events = await collectBytes(archive.bytes());
  });

  after(async () => {
    await rm(folder, { recursive: true });
  });

  /** Runs a program in the folder; undefined where it is not installed. */
  function run(
    program: string,
    ...args: string[]
  ): { readonly status: number | null; readonly stdout: Buffer } | undefined {
    const { error, status, stdout } = spawnSync(program, args, { cwd: folder, maxBuffer: 2 ** 28 });
    return error === undefined ? { status, stdout } : undefined;
  }

  const python = `
import sys, zipfile
zip = zipfile.ZipFile(sys.argv[1])
assert zip.testzip() is None
sys.stdout.buffer.write(zip.read('events.jsonl'))`;
  const readers: Readonly<Record<string, () => ReturnType<typeof run>>> = {
    'unzip -p': () => run('unzip', '-p', file, 'events.jsonl'),
    'python3 zipfile': () => run('python3', '-c', python, file),
    'bsdtar -xO': () => run('bsdtar', '-xOf', file, 'events.jsonl'),
    'bsdtar from a pipe': () =>
      run('sh', '-c', `bsdtar --version >&2 && cat "$0" | bsdtar -xOf - events.jsonl`, file),
    '7z e -so': () => run('7z', 'e', '-so', file, 'events.jsonl'),
  };

  test('is read to the same bytes by other readers of zip', (t) => {
    const absent: string[] = [];
    for (const [name, read] of Object.entries(readers)) {
      const result = read();
      if (result === undefined || result.status === 127) {
        absent.push(name);
        continue;
      }
      assert.equal(result.status, 0, name);
      assert.ok(events.equals(result.stdout), `${name} reads the same bytes`);
    }
    const tested = run('unzip', '-tq', file);
    assert.ok(tested === undefined || tested.status === 0, 'unzip -t');
    t.diagnostic(`not on this machine: ${absent.join(', ') || 'none'}`);
  });

  test('is read again after others have unpacked and packed it', async (t) => {
    await using original = await openArchive(file);
    await mkdir(at('unpacked'), { recursive: true });
    const absent: string[] = [];
    if (run('unzip', '-qo', file, '-d', 'unpacked')?.status !== 0) absent.push('unzip');
    const names = 'events.jsonl manifest.json manifest.sig';
    const pythonZip = `import zipfile
with zipfile.ZipFile('../python.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for name in '${names}'.split(): z.write(name)`;
    const packers: Readonly<Record<string, string>> = {
      'zip.zip': `zip -q ../zip.zip ${names}`,
      'stored.zip': `zip -q0 ../stored.zip ${names}`,
      'piped.zip': `zip -q - ${names} | cat > ../piped.zip`,
      'bsdtar.zip': `bsdtar --format=zip -cf ../bsdtar.zip ${names}`,
      '7z.zip': `7z a -tzip ../7z.zip ${names}`,
      'python.zip': `python3 -c "${pythonZip}"`,
    };
    for (const [name, command] of Object.entries(packers)) {
      const result = run(
        'sh',
        '-c',
        `cd unpacked && command -v ${command.split(' ')[0] ?? ''} && ${command}`,
      );
      if (result?.status !== 0) {
        absent.push(name);
        continue;
      }
      const report = await verifyArchive(at(name), { trustedKeys: [publicPem.toString()] });
      assert.deepEqual([report.problems, report.authentic], [[], true], name);
      assert.deepEqual(report.manifest, original.manifest);
    }
    t.diagnostic(`not on this machine: ${absent.join(', ') || 'none'}`);
  });

  test('has a signature that openssl can check', async (t) => {
    if (run('openssl', 'version') === undefined || run('unzip', '-v') === undefined) {
      t.diagnostic('not on this machine: openssl or unzip');
      return;
    }
    const manifest = run('unzip', '-p', file, 'manifest.json')?.stdout ?? Buffer.alloc(0);
    const signature = run('unzip', '-p', file, 'manifest.sig')?.stdout ?? Buffer.alloc(0);
    await writeFile(at('key.pem'), publicPem);
    await writeFile(
      at('signed'),
      Buffer.concat([Buffer.from('backup-streams/manifest/v1\n'), manifest]),
    );
    await writeFile(at('manifest.sig'), signature);
    const verify = [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-inkey',
      'key.pem',
      '-rawin',
      '-in',
      'signed',
      '-sigfile',
      'manifest.sig',
    ];
    const good = run('openssl', ...verify);
    assert.deepEqual(
      [good?.status, good?.stdout.toString()],
      [0, 'Signature Verified Successfully\n'],
    );
    await writeFile(at('signed'), manifest);
    assert.notEqual(run('openssl', ...verify)?.status, 0);
  });

  test('is sealed for the age command, and unsealed from it', async (t) => {
    const made = run('age-keygen');
    if (made === undefined || run('age', '--version') === undefined) {
      t.diagnostic('not on this machine: age');
      return;
    }
    const keyFile = made.stdout.toString();
    const [identity = ''] = /AGE-SECRET-KEY-1\w+/.exec(keyFile) ?? [];
    const [recipient = ''] = /age1\w+/.exec(keyFile) ?? [];
    await writeFile(at('key.txt'), keyFile);
    await sealArchive(file, createWriteStream(at('ours.age')), { recipients: [recipient] });
    const opened = run('age', '-d', '-i', 'key.txt', 'ours.age');
    assert.ok(opened?.stdout.equals(await readFile(file)));
    assert.equal(run('age', '-r', recipient, '-o', 'theirs.age', file)?.status, 0);
    await unsealArchive(at('theirs.age'), createWriteStream(at('back.mana')), {
      identities: [identity],
    });
    assert.ok((await readFile(at('back.mana'))).equals(await readFile(file)));
  });
});
