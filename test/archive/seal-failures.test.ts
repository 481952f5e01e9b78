// What fails while sealing or unsealing: it is told once, ends both streams, and ends no process.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import type { Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { sealArchive, unsealArchive, writeArchive } from '../../src/archive/index.js';
import type { SealInput } from '../../src/archive/index.js';
import { StoppableBytes } from '../../src/archive/stoppable-bytes.js';
import { changeSourceFrom } from '../../src/index.js';
import { changeRows } from '../support/change-rows.js';
import { chunked, collectBytes, stallAfter } from '../support/collect.js';
import { assertQuotesNoRow, failsWith, failureOf } from '../support/failures.js';

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
// The last letters are the checksum.
const misspelt = `${recipient.slice(0, -1)}${recipient.endsWith('q') ? 'p' : 'q'}`;
const misspeltIdentity = `${identity.slice(0, -1)}${identity.endsWith('Q') ? 'P' : 'Q'}`;

const directions: Readonly<
  Record<string, (input: SealInput, destination: Writable) => Promise<void>>
> = {
  sealArchive: (input, destination) => sealArchive(input, destination, { recipients: [recipient] }),
  unsealArchive: (input, destination) =>
    unsealArchive(input, destination, { identities: [identity] }),
};

const silent = (): Readable => new Readable({ read: () => undefined });

async function sealed(bytes: Uint8Array, recipients = [recipient]): Promise<Buffer> {
  const through = new PassThrough();
  const [file] = await Promise.all([
    collectBytes(through),
    sealArchive(bytes, through, { recipients }),
  ]);
  return file;
}

for (const [name, run] of Object.entries(directions)) {
  describe(name, () => {
    test('hears a destination that fails at once, and closes the input', async () => {
      const destination = new PassThrough();
      const input = silent();
      const running = run(input, destination);
      destination.destroy(new Error('full'));
      await failsWith(running, 'BACKUP_SINK_FAILED');
      assert.equal(input.destroyed, true);
    });

    test('hears an input that fails at once, and destroys the destination', async () => {
      const destination = new PassThrough();
      const input = silent();
      const broken = new Error('broken');
      const running = run(input, destination);
      input.destroy(broken);
      assert.equal(await failureOf(running), broken);
      assert.equal(destination.destroyed, true);
    });

    test('fails for files that cannot be opened', async () => {
      const nowhere = '/nonexistent/a.mana';
      const input = silent();
      await failsWith(run(input, createWriteStream(nowhere)), 'BACKUP_SINK_FAILED');
      assert.equal(input.destroyed, true);
      const error = await failureOf(run(createReadStream(nowhere), new PassThrough()));
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT');
    });

    test('of a path that cannot be read is BACKUP_SOURCE_FAILED, without the path', async () => {
      const cases = [
        ['/nonexistent/canary.mana', 'ENOENT'],
        [tmpdir(), 'EISDIR'],
        ['canary\0', 'ERR_INVALID_ARG_VALUE'],
      ] as const;
      for (const [file, code] of cases) {
        const destination = new PassThrough();
        const error = await failsWith(run(file, destination), 'BACKUP_SOURCE_FAILED');
        assert.deepEqual(error.details, { stage: 'read', rowCount: 0 });
        assert.equal(error.cause?.code, code);
        assert.ok(error.message.includes(code));
        assert.equal(destination.destroyed, true);
      }
    });

    test('closes an input that is no stream', async () => {
      let isClosed = false;
      const input: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => undefined),
          return: () => {
            isClosed = true;
            return Promise.resolve({ done: true, value: undefined });
          },
        }),
      };
      const destination = new PassThrough();
      const running = run(input, destination);
      destination.destroy();
      await failsWith(running, 'BACKUP_SINK_FAILED');
      assert.equal(isClosed, true);
    });

    test('does not tell that such an input fails to be closed: it tells why it was', async () => {
      let returnCount = 0;
      const input: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => undefined),
          return: () => {
            returnCount += 1;
            return Promise.reject(new Error('cannot be closed'));
          },
        }),
      };
      const destination = new PassThrough();
      const running = run(input, destination);
      await turn();
      destination.destroy(new Error('full'));
      await failsWith(running, 'BACKUP_SINK_FAILED');
      await turn();
      assert.equal(returnCount, 1);
    });

    test('of what are no bytes is refused before anything is touched', async () => {
      for (const input of [7, null, {}] as unknown as SealInput[]) {
        const destination = new PassThrough();
        assert.ok((await failureOf(run(input, destination))) instanceof TypeError);
        assert.equal(destination.destroyed, false);
      }
    });

    test('of texts instead of bytes is a TypeError, closes them and ends the destination', async () => {
      let isClosed = false;
      async function* texts() {
        try {
          yield await Promise.resolve('canary');
          yield 'canary';
        } finally {
          isClosed = true;
        }
      }
      const destination = new PassThrough();
      const error = await failureOf(run(texts() as unknown as SealInput, destination));
      assert.ok(error instanceof TypeError);
      assertQuotesNoRow(error);
      assert.deepEqual([isClosed, destination.destroyed], [true, true]);
    });

    test('takes no piece any more that comes after it was stopped', async () => {
      let give: (piece: IteratorResult<Uint8Array>) => void = () => undefined;
      let reads = 0;
      const input: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          next: () => {
            reads += 1;
            return new Promise((resolve) => {
              give = resolve;
            });
          },
        }),
      };
      const controller = new AbortController();
      const destination = new PassThrough();
      const running =
        name === 'sealArchive'
          ? sealArchive(input, destination, {
              recipients: [recipient],
              signal: controller.signal,
            })
          : unsealArchive(input, destination, {
              identities: [identity],
              signal: controller.signal,
            });
      while (reads === 0) await turn();
      controller.abort('enough');
      assert.equal(await failureOf(running), 'enough');
      give({ value: Buffer.from('PK'), done: false });
      await turn();
      assert.deepEqual([reads, destination.destroyed], [1, true]);
    });
  });
}

test('where age-encryption is not installed, says so, and leaves neither stream open', async () => {
  const source = new URL('../../src/archive/index.ts', import.meta.url).href;
  const hooks = `
    export function resolve(name, context, next) {
      if (name !== 'age-encryption') return next(name, context);
      throw Object.assign(new Error('absent'), { code: 'ERR_MODULE_NOT_FOUND' });
    }`;
  const script = `
    import { register } from 'node:module';
    import { PassThrough } from 'node:stream';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));
    const { sealArchive, unsealArchive } = await import(${JSON.stringify(source)});
    for (const run of [sealArchive, unsealArchive]) {
      const streams = [new PassThrough(), new PassThrough()];
      const error = await run(...streams, { passphrase: 'canary' }).catch((error) => error);
      const told = [error instanceof TypeError, error.message.includes('npm install age-encryption')];
      console.log(JSON.stringify([...told, ...streams.map(({ destroyed }) => destroyed)]));
    }`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.equal(stdout, '[true,true,true,true]\n'.repeat(2));
});

test('a reader that cancels what is sealed closes the input, and is the reason why', async () => {
  const input = silent();
  const bytes = new StoppableBytes(input, { check: () => assert.fail('a piece came') });
  const reason = new Error('the reader has enough');
  const closed = once(input, 'close').catch((error: unknown) => error);
  await bytes.stream.cancel(reason);
  assert.equal(await closed, reason);
  assert.equal(bytes.failure?.error, reason);
});

describe('sealing while the archive is written', () => {
  const hanging = () => changeSourceFrom(stallAfter(changeRows(600), 550));

  test('ends the writing when the destination of the seal fails', async () => {
    const zip = new PassThrough();
    const destination = createWriteStream('/nonexistent/a.mana.age');
    const writing = writeArchive(zip, { userId: 'user-1', events: hanging() });
    const sealing = sealArchive(zip, destination, { recipients: [recipient] });
    const [written] = await Promise.all([
      failsWith(writing, 'BACKUP_SINK_FAILED', 2000),
      failsWith(sealing, 'BACKUP_SINK_FAILED', 2000),
    ]);
    assert.equal(written.cause?.code, 'BACKUP_SINK_FAILED');
  });

  test('ends the writing and the destination when a recipient is misspelt', async () => {
    const zip = new PassThrough();
    const destination = new PassThrough();
    const writing = writeArchive(zip, { userId: 'user-1', events: hanging() });
    const sealing = sealArchive(zip, destination, { recipients: [recipient, misspelt] });
    const [, error] = await Promise.all([
      failsWith(writing, 'BACKUP_SINK_FAILED', 2000),
      failureOf(sealing, 2000),
    ]);
    assert.ok(error instanceof TypeError);
    assert.equal(destination.destroyed, true);
  });

  test('fails with what the writing fails with', async () => {
    const zip = new PassThrough();
    const destination = new PassThrough();
    const broken = new Error('broken');
    async function* rows() {
      yield* await Promise.resolve(changeRows(600));
      throw broken;
    }
    const writing = writeArchive(zip, { userId: 'user-1', events: changeSourceFrom(rows()) });
    const sealing = sealArchive(zip, destination, { recipients: [recipient] });
    const errors = await Promise.all([failureOf(writing, 2000), failureOf(sealing, 2000)]);
    assert.deepEqual(errors, [broken, broken]);
    assert.equal(destination.destroyed, true);
  });
});

describe('an input without a byte is no archive, and is not sealed', () => {
  const readBefore = async (): Promise<Readable> => {
    const stream = Readable.from([Buffer.from('PK')]);
    await collectBytes(stream);
    return stream;
  };
  const leftBefore = async (): Promise<AsyncIterable<Uint8Array>> => {
    const pieces = (async function* () {
      yield await Promise.resolve(Buffer.from('PK'));
    })();
    await collectBytes(pieces);
    return pieces;
  };
  const inputs: Readonly<Record<string, () => SealInput | Promise<SealInput>>> = {
    'a stream that was read before': readBefore,
    'a generator that is through': leftBefore,
    'no bytes': () => Buffer.alloc(0),
    'an empty file': () => '/dev/null',
    'pieces without a byte': () => Readable.from([Buffer.alloc(0), Buffer.alloc(0)]),
  };
  for (const [name, inputOf] of Object.entries(inputs)) {
    test(name, async () => {
      const destination = new PassThrough();
      const running = sealArchive(await inputOf(), destination, { recipients: [recipient] });
      await failsWith(running, 'BACKUP_ARCHIVE_INVALID');
      assert.equal(destination.destroyed, true);
    });
  }
});

test('a misspelt identity is a TypeError, and both streams are destroyed', async () => {
  const input = silent();
  const destination = new PassThrough();
  const running = unsealArchive(input, destination, { identities: [misspeltIdentity] });
  assert.ok((await failureOf(running)) instanceof TypeError);
  assert.deepEqual([input.destroyed, destination.destroyed], [true, true]);
});

test('whatever an abort gives as its reason is what sealing fails with', async () => {
  for (const reason of [null, 'enough', 0]) {
    const controller = new AbortController();
    const options = { identities: [identity], signal: controller.signal };
    const running = unsealArchive(silent(), new PassThrough(), options);
    controller.abort(reason);
    assert.equal(await failureOf(running), reason);
  }
});

test('options that would do nothing are a TypeError, and touch nothing', async () => {
  const input = silent();
  const destination = new PassThrough();
  const bad = [
    sealArchive(input, destination, { recipients: [recipient], workFactor: 20 }),
    sealArchive(input, destination, { recipients: [recipient.toUpperCase()] }),
    sealArchive(input, destination, { recipients: [identity] }),
    unsealArchive(input, destination, { identities: [identity], maxWorkFactor: 20 }),
    unsealArchive(input, destination, { identities: [recipient] }),
    sealArchive(input, destination, { passphrase: 7 as unknown as string }),
    sealArchive(input, destination, { recipients: recipient as unknown as string[] }),
    unsealArchive(input, destination, { identities: [7 as unknown as string] }),
  ];
  for (const running of bad) assert.ok((await failureOf(running)) instanceof TypeError);
  assert.deepEqual([input.destroyed, destination.destroyed], [false, false]);
});

describe('the header of a sealed file', () => {
  const unsealing = (input: SealInput): Promise<void> =>
    unsealArchive(input, new PassThrough().resume(), { identities: [identity] });
  const version = 'age-encryption.org/v1\n';
  const stanza =
    '-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n' +
    'EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n';
  const end = `--- gxhoSa5BciRDt8lOpYNcx4EYtKpS0CJ06F3ZwN82VaM\n`;

  /** Bytes without an end, counted. */
  function endless(start: string, piece: Buffer): { input: Readable; given: () => number } {
    let given = 0;
    function* pieces(): Generator<Buffer> {
      yield Buffer.from(start);
      for (;;) {
        given += piece.length;
        yield piece;
      }
    }
    return { input: Readable.from(pieces(), { objectMode: false }), given: () => given };
  }

  test('S9 is read up to 64 KiB, in whatever pieces it comes', async () => {
    for (const size of [1000, 1_000_000]) {
      const { input, given } = endless(`${version}-> X25519 `, Buffer.alloc(size, 'A'));
      const error = await failsWith(unsealing(input), 'BACKUP_LIMIT_EXCEEDED');
      assert.deepEqual(error.details, { limit: 'maxHeaderBytes', limitValue: 65_536 });
      assert.ok(given() <= 65_536 + 3 * size + 65_536, `${given()} bytes were read`);
    }
    const whole = Buffer.concat([Buffer.from(`${version}-> X25519 `), Buffer.alloc(3e6, 'A')]);
    await failsWith(unsealing(whole), 'BACKUP_LIMIT_EXCEEDED');
  });

  test('S9 has at most 256 stanzas', async () => {
    const of = (count: number): Buffer => Buffer.from(version + stanza.repeat(count) + end);
    const error = await failsWith(unsealing(of(257)), 'BACKUP_LIMIT_EXCEEDED');
    assert.deepEqual(error.details, { limit: 'maxStanzas', limitValue: 256 });
    await failsWith(unsealing(Readable.from(chunked(of(257), 1))), 'BACKUP_LIMIT_EXCEEDED');
    // As many as that are read; they only fit nobody.
    await failsWith(unsealing(of(256)), 'BACKUP_SEAL_UNREADABLE');
  });

  test('is not written beyond what is read', async () => {
    const file = await sealed(Buffer.from('zip'), Array<string>(256).fill(recipient));
    await unsealing(file);
    const tooMany = Array<string>(257).fill(recipient);
    const destination = new PassThrough();
    const sealing = sealArchive(Buffer.from('zip'), destination, { recipients: tooMany });
    await failsWith(sealing, 'BACKUP_LIMIT_EXCEEDED');
    assert.deepEqual([destination.destroyed, destination.readableLength], [true, 0]);
  });

  test('that is none is refused after its first bytes', async () => {
    const { input, given } = endless('', Buffer.alloc(1000, 'A'));
    await failsWith(unsealing(input), 'BACKUP_SEAL_UNREADABLE');
    assert.ok(given() <= 200_000, `${given()} bytes were read`);
  });

  test('that is that of an archive is said to be one', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = path.join(folder, 'a.mana');
      const zip = new PassThrough();
      const writing = writeArchive(zip, { userId: 'user-1', events: changeSourceFrom([]) });
      await writeFile(file, await collectBytes(zip));
      await writing;
      const { details } = await failsWith(unsealing(file), 'BACKUP_SEAL_UNREADABLE');
      const other = await failsWith(unsealing(Buffer.from('no seal')), 'BACKUP_SEAL_UNREADABLE');
      assert.notEqual(details.reason, other.details.reason);
      const pieces = Readable.from(chunked('PK\x03\x04', 1));
      const again = await failsWith(unsealing(pieces), 'BACKUP_SEAL_UNREADABLE');
      assert.equal(again.details.reason, details.reason);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
