// Sealing: what comes back is what went in, and nothing else passes for it.
import assert from 'node:assert/strict';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import {
  sealArchive,
  unsealArchive,
  verifyArchive,
  writeArchive,
} from '../../src/archive/index.js';
import type { SealArchiveOptions, UnsealArchiveOptions } from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { changeRows } from '../support/change-rows.js';
import { chunked, failAfter, stallAfter } from '../support/collect.js';
import { failsWith, failureOf } from '../support/failures.js';

class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  isFinished = false;

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    callback();
  }

  override _final(callback: () => void): void {
    this.isFinished = true;
    callback();
  }
}

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const stranger = await generateX25519Identity();
// Not compressible, so that the sealed file has several chunks of age.
const zip = Buffer.concat(
  Array.from({ length: 5000 }, (_, n) => Buffer.from(Math.sin(n).toString(36).repeat(4))),
);

async function sealed(options: SealArchiveOptions, bytes: Uint8Array = zip): Promise<Buffer> {
  const sink = new Sink();
  await sealArchive(Readable.from(chunked(bytes, 10_000)), sink, options);
  return sink.bytes;
}

async function unsealed(bytes: Uint8Array, options: UnsealArchiveOptions): Promise<Buffer> {
  const sink = new Sink();
  await unsealArchive(bytes, sink, options);
  return sink.bytes;
}

describe('a sealed archive', () => {
  test('comes back with one of the identities that it was sealed for', async () => {
    const other = await identityToRecipient(stranger);
    const bytes = await sealed({ recipients: [recipient, other] });
    assert.ok(zip.equals(await unsealed(bytes, { identities: [identity] })));
    assert.ok(zip.equals(await unsealed(bytes, { identities: [stranger] })));
  });

  test('comes back with its passphrase', async () => {
    const bytes = await sealed({ passphrase: 'a long one', workFactor: 10 });
    assert.ok(zip.equals(await unsealed(bytes, { passphrase: 'a long one' })));
  });

  test('is an age file that others read', async () => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const bytes = await decrypter.decrypt(await sealed({ recipients: [recipient] }));
    assert.ok(zip.equals(bytes));
  });

  test('is made while the archive is written, and verifies when unsealed', async () => {
    const pipe = new PassThrough();
    const sink = new Sink();
    await Promise.all([
      writeArchive(pipe, { userId: 'user-1', events: changeSourceFrom(changeRows(700)) }),
      sealArchive(pipe, sink, { recipients: [recipient] }),
    ]);
    const { ok, manifest } = await verifyArchive(
      await unsealed(sink.bytes, { identities: [identity] }),
    );
    assert.deepEqual([ok, manifest?.eventCount], [true, 700]);
  });

  test('S10 does not open for anybody else', async () => {
    const bytes = await sealed({ recipients: [recipient] });
    await failsWith(unsealed(bytes, { identities: [stranger] }), 'BACKUP_SEAL_UNREADABLE');
    const locked = await sealed({ passphrase: 'a long one', workFactor: 5 });
    await failsWith(unsealed(locked, { passphrase: 'another' }), 'BACKUP_SEAL_UNREADABLE');
  });

  test('S9 is refused when it asks for more work than the caller allows', async () => {
    const bytes = await sealed({ passphrase: 'a long one', workFactor: 12 });
    const opening = unsealed(bytes, { passphrase: 'a long one', maxWorkFactor: 11 });
    const { details } = await failsWith(opening, 'BACKUP_LIMIT_EXCEEDED');
    assert.deepEqual(details, { limit: 'maxWorkFactor', limitValue: 11 });
  });

  test('S8 that was cut or altered anywhere is an error, and the destination is destroyed', async () => {
    const bytes = await sealed({ recipients: [recipient] });
    const header = bytes.length - zip.length;
    const chunkAt = (n: number): number => header - 16 * 4 + n * (64 * 1024 + 16);
    const swapped = Buffer.concat([
      bytes.subarray(0, chunkAt(0)),
      bytes.subarray(chunkAt(1), chunkAt(2)),
      bytes.subarray(chunkAt(0), chunkAt(1)),
      bytes.subarray(chunkAt(2)),
    ]);
    const bad = [
      Buffer.concat([bytes, Buffer.of(0)]),
      swapped,
      ...[0, 1, 30, header, 40_000, chunkAt(1), chunkAt(2), bytes.length - 1].map((length) =>
        bytes.subarray(0, length),
      ),
      ...[3, 40, header - 20, 5000, 70_000, bytes.length - 1].map((at) => {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        return flipped;
      }),
    ];
    for (const file of bad) {
      const sink = new Sink();
      const opening = unsealArchive(file, sink, { identities: [identity] });
      await failsWith(opening, 'BACKUP_SEAL_UNREADABLE');
      assert.deepEqual([sink.destroyed, sink.isFinished], [true, false]);
    }
  });
});

describe('sealing', () => {
  test('fails with what the input fails with, and destroys the destination', async () => {
    const broken = new Error('broken');
    const sink = new Sink();
    const input = failAfter(chunked(zip, 5000), 4, broken);
    assert.equal(await failureOf(sealArchive(input, sink, { recipients: [recipient] })), broken);
    assert.deepEqual([sink.destroyed, sink.isFinished], [true, false]);
  });

  test('is aborted while its input hangs', async () => {
    const sink = new Sink();
    const options = { recipients: [recipient], signal: AbortSignal.timeout(50) };
    const input = stallAfter(chunked(zip, 5000), 4);
    const error = await failureOf(sealArchive(input, sink, options), 2000);
    assert.equal((error as Error).name, 'TimeoutError');
    assert.equal(sink.destroyed, true);
  });

  test('fails when the destination does', async () => {
    const sink = new Writable({
      write: (_chunk, _encoding, callback) => {
        callback(new Error('full'));
      },
    });
    await failsWith(sealArchive(zip, sink, { recipients: [recipient] }), 'BACKUP_SINK_FAILED');
  });

  test('refuses options that are none before it touches anything', async () => {
    const bad: object[] = [
      {},
      { passphrase: '' },
      { passphrase: 'a', recipients: [recipient] },
      { recipients: [] },
      { recipients: ['age1'] },
      { passphrase: 'a', workFactor: 21 },
      { passphrase: 'a', secret: 'b' },
    ];
    for (const options of bad) {
      const sink = new Sink();
      const error = await failureOf(sealArchive(zip, sink, options));
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      assert.equal(sink.destroyed, false);
    }
    const error = await failureOf(unsealArchive(zip, new Sink(), { identities: ['age'] }));
    assert.ok(error instanceof TypeError);
  });
});
