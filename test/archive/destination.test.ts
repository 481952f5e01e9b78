// What a destination may do to whoever writes into it, and that success is only told when it has everything.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { getEventListeners, once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import {
  sealArchive,
  unsealArchive,
  verifyArchive,
  writeArchive,
} from '../../src/archive/index.js';
import type { WriteArchiveOptions } from '../../src/archive/index.js';
import { changeSourceFrom, JsonlSerializer } from '../../src/index.js';
import type { ChangeRow } from '../../src/index.js';
import { changeRows } from '../support/change-rows.js';
import { chunked, collectBytes } from '../support/collect.js';
import { failsWith, failureOf } from '../support/failures.js';
import { settlesWithin } from '../support/deadline.js';

const of = (rows: Iterable<ChangeRow> | AsyncIterable<ChangeRow>): WriteArchiveOptions => ({
  userId: 'user-1',
  at: new Date('2026-04-15T00:00:00Z'),
  events: changeSourceFrom(rows),
  sinkStallTimeoutMs: 5000,
});

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const plain = Buffer.alloc(300_000, 'no zip at all');
const sealedPlain = await (async () => {
  const through = new PassThrough();
  const [bytes] = await Promise.all([
    collectBytes(through),
    sealArchive(plain, through, { recipients: [recipient] }),
  ]);
  return bytes;
})();

/** Each of the three that writes into a destination. */
const writers: Readonly<Record<string, (destination: Writable) => Promise<unknown>>> = {
  writeArchive: (destination) =>
    writeArchive(destination, { ...of(changeRows(3000, 900)), compressionLevel: 0 }),
  sealArchive: (destination) =>
    sealArchive(inPieces(plain), destination, {
      recipients: [recipient],
      sinkStallTimeoutMs: 5000,
    }),
  unsealArchive: (destination) =>
    unsealArchive(inPieces(sealedPlain), destination, {
      identities: [identity],
      sinkStallTimeoutMs: 5000,
    }),
};

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* await Promise.resolve(chunked(bytes, 10_000));
}

/** Runs something with a server that listens; whatever is connected is cut at the end. */
async function listening<T>(
  server: net.Server,
  run: (port: number) => Promise<T>,
): Promise<Awaited<T>> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await run((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** A destination that somebody else ends when the n-th piece arrives, at once or a little later. */
function endedAt(piece: number, isLater: boolean): Writable {
  let seen = 0;
  return new Writable({
    highWaterMark: 1,
    write(_chunk, _encoding, callback) {
      const end = (): void => {
        if (seen === piece) this.end();
        callback();
      };
      seen += 1;
      if (isLater) setImmediate(end);
      else end();
    },
  });
}

describe('a destination that somebody else ends is BACKUP_SINK_FAILED', () => {
  for (const [name, write] of Object.entries(writers)) {
    test(`${name}: at any piece but the last`, async () => {
      for (const isLater of [false, true]) {
        for (const piece of [1, 2, 3]) {
          const destination = endedAt(piece, isLater);
          await failsWith(write(destination), 'BACKUP_SINK_FAILED');
          assert.equal(destination.destroyed, true);
        }
      }
    });
  }

  test('a file, while the source thinks', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = createWriteStream(path.join(folder, 'a.mana'));
      async function* rows(): AsyncGenerator<ChangeRow> {
        yield* changeRows(600);
        file.end();
        await once(file, 'close');
        yield* [];
      }
      await failsWith(writeArchive(file, of(rows())), 'BACKUP_SINK_FAILED');
      assert.equal(file.destroyed, true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a response, while the source hangs', async () => {
    const writing = deferred<unknown>();
    const server = http.createServer((_request, response) => {
      async function* rows(): AsyncGenerator<ChangeRow> {
        yield* changeRows(600);
        response.end();
        await new Promise<never>(() => undefined);
      }
      writing.resolve(failsWith(writeArchive(response, of(rows())), 'BACKUP_SINK_FAILED'));
    });
    await listening(server, async (port) => {
      http.get({ port, agent: false }, (reply) => reply.resume()).on('error', () => undefined);
      await writing.promise;
    });
  });

  test('one that was destroyed and says nothing of it', async () => {
    const destination = new Writable({
      emitClose: false,
      highWaterMark: 1_000_000,
      write: (_chunk, _encoding, callback) => {
        destination.destroy();
        callback();
      },
    });
    await failsWith(writeArchive(destination, of(changeRows(9))), 'BACKUP_SINK_FAILED');
  });
});

describe('a destination whose last step fails is BACKUP_SINK_FAILED', () => {
  const closedBadly = (): Writable =>
    new Writable({
      write: (_chunk, _encoding, callback) => {
        callback();
      },
      destroy: (error, callback) => {
        setImmediate(callback, error ?? Object.assign(new Error('close'), { code: 'EIO' }));
      },
    });

  for (const [name, write] of Object.entries(writers)) {
    test(`${name}: its close`, async () => {
      const destination = closedBadly();
      const error = await failsWith(write(destination), 'BACKUP_SINK_FAILED');
      assert.equal(error.cause?.code, 'EIO');
      assert.equal(destination.destroyed, true);
    });

    // The kernel cannot flush this device, and says so.
    test(`F30 ${name}: its fsync`, async () => {
      const destination = createWriteStream('/dev/null', { flush: true });
      const error = await failsWith(write(destination), 'BACKUP_SINK_FAILED');
      assert.equal(error.cause?.code, 'EINVAL');
    });
  }

  test('and BACKUP_SINK_STALLED when its close does not come back', async () => {
    const stuck = new Writable({
      write: (_chunk, _encoding, callback) => {
        callback();
      },
      destroy: () => undefined,
    });
    const writing = writeArchive(stuck, { ...of(changeRows(9)), sinkStallTimeoutMs: 50 });
    await failsWith(writing, 'BACKUP_SINK_STALLED', 2000);
  });

  test('a response of HTTP/2 that its client resets after the end', async () => {
    const writing = deferred<unknown>();
    const ended = deferred<unknown>();
    const server = http2.createServer((_request, response) => {
      const end = response.end.bind(response);
      response.end = () => {
        ended.resolve(undefined);
        end('', 'latin1');
        return response;
      };
      writing.resolve(failsWith(writeArchive(response, of([])), 'BACKUP_SINK_FAILED'));
    });
    await listening(server, async (port) => {
      // Less than any archive, so that its end waits on the server.
      const settings = { initialWindowSize: 100 };
      const client = http2.connect(`http://127.0.0.1:${port}`, { settings });
      const request = client.request({ ':path': '/' });
      request.on('error', () => undefined);
      await ended.promise;
      request.close(http2.constants.NGHTTP2_CANCEL);
      await writing.promise;
      client.destroy();
    });
  });
});

describe('an archive arrives whole', () => {
  const rows = changeRows(3000, 900);
  const options = (): WriteArchiveOptions => ({ ...of(rows), compressionLevel: 0 });
  const assertWhole = async (bytes: Buffer): Promise<void> => {
    const { ok, manifest } = await verifyArchive(bytes);
    assert.deepEqual([ok, manifest?.eventCount], [true, rows.length]);
  };

  test('through a PassThrough', async () => {
    const through = new PassThrough();
    const [bytes] = await Promise.all([collectBytes(through), writeArchive(through, options())]);
    await assertWhole(bytes);
  });

  test('in a Writable that is not destroyed at its end', async () => {
    const chunks: Buffer[] = [];
    const destination = new Writable({
      autoDestroy: false,
      write: (chunk: Buffer, _encoding, callback) => {
        chunks.push(chunk);
        callback();
      },
    });
    await settlesWithin(writeArchive(destination, options()), 4000);
    await assertWhole(Buffer.concat(chunks));
    assert.equal(destination.destroyed, false);
  });

  test('in a file that is flushed to the disk', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = path.join(folder, 'a.mana');
      const destination = createWriteStream(file, { flush: true });
      await writeArchive(destination, options());
      assert.equal(destination.closed, true);
      assert.equal((await verifyArchive(file)).ok, true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('over a socket, of which the other side stays open', async () => {
    const written = deferred<unknown>();
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      written.resolve(writeArchive(socket, options()));
    });
    await listening(server, async (port) => {
      const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      await assertWhole(await collectBytes(client));
      await settlesWithin(written.promise, 4000);
    });
  });

  test('as responses of HTTP on one connection', async () => {
    const written: Promise<unknown>[] = [];
    const server = http.createServer((_request, response) => {
      written.push(writeArchive(response, options()));
    });
    await listening(server, async (port) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      for (let round = 0; round < 2; round += 1) {
        const [reply] = (await once(http.get({ port, agent }), 'response')) as [
          http.IncomingMessage,
        ];
        await assertWhole(await collectBytes(reply));
      }
      await settlesWithin(Promise.all(written), 4000);
      agent.destroy();
    });
  });

  test('on standard output, be it a pipe or a file', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = path.join(folder, 'a.mana');
      for (const target of [`> ${file}`, `| cat > ${file}`]) {
        const script = fileURLToPath(new URL('../support/stdout-child.ts', import.meta.url));
        const command = `set -o pipefail; "$0" --import=tsx "$1" ${target}`;
        const args = ['-c', command, process.execPath, script];
        const child = spawn('bash', args, { stdio: ['ignore', 'ignore', 'inherit'] });
        assert.deepEqual(await once(child, 'close'), [0, null]);
        assert.equal((await verifyArchive(file)).manifest?.eventCount, 1000);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('as a response of HTTP/2', async () => {
    const written = deferred<unknown>();
    const server = http2.createServer((_request, response) => {
      written.resolve(writeArchive(response, options()));
    });
    await listening(server, async (port) => {
      const client = http2.connect(`http://127.0.0.1:${port}`);
      const bytes = await collectBytes(client.request({ ':path': '/' }));
      await assertWhole(bytes);
      await settlesWithin(written.promise, 4000);
      client.close();
    });
  });
});

/** Takes a piece at a time, however long, as steadily as a line of this many bytes in a millisecond. */
function steady(
  bytesPerMs: number,
  highWaterMark: number,
): Writable & { readonly sizes: number[] } {
  const sizes: number[] = [];
  const destination = new Writable({
    highWaterMark,
    write(chunk: Buffer, _encoding, callback) {
      sizes.push(chunk.length);
      setTimeout(callback, chunk.length / bytesPerMs);
    },
  });
  return Object.assign(destination, { sizes });
}

describe('F26 a destination that is slow and never stops has not stalled', () => {
  const whole = Buffer.alloc(1_500_000, 'no zip at all');
  const slowWriters: Readonly<Record<string, (destination: Writable) => Promise<unknown>>> = {
    writeArchive: (destination) =>
      writeArchive(destination, {
        ...of(changeRows(1000, 1500)),
        compressionLevel: 0,
        sinkStallTimeoutMs: 300,
      }),
    sealArchive: (destination) =>
      sealArchive(whole, destination, { recipients: [recipient], sinkStallTimeoutMs: 300 }),
  };
  for (const [name, write] of Object.entries(slowWriters)) {
    for (const highWaterMark of [16 * 1024, 16 * 1024 * 1024]) {
      test(`${name}: with room for ${highWaterMark} bytes`, async () => {
        const destination = steady(1500, highWaterMark);
        await settlesWithin(write(destination), 10_000);
        const total = destination.sizes.reduce((sum, size) => sum + size, 0);
        assert.ok(total > 1_500_000);
        assert.ok(Math.max(...destination.sizes) <= 64 * 1024 + 32);
      });
    }
  }
});

test('F32 any number of archives and seals share a signal, of which nothing is left', async () => {
  const { signal } = new AbortController();
  const options = { signal, sinkStallTimeoutMs: 5000 };
  const sink = (): Writable => new Writable({ write: (_chunk, _encoding, callback) => callback() });
  // A warning of too many listeners fails the test: see failures.ts.
  const writing = Array.from({ length: 12 }, () => [
    writeArchive(sink(), { ...of(changeRows(9)), ...options }),
    sealArchive(plain, sink(), { ...options, recipients: [recipient] }),
  ]);
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await Promise.all(writing.flat());
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('F27 a client of HTTP/2 that does not read holds up the source', async () => {
  const given = { bytes: 0 };
  const outcome = deferred<unknown>();
  function* rows(): Generator<ChangeRow> {
    for (const row of changeRows(60, 1_000_000)) {
      given.bytes += 1_000_000;
      yield row;
    }
  }
  const server = http2.createServer((_request, response) => {
    const events = new JsonlSerializer();
    pipeline(rows, events).catch(() => undefined);
    const options = { userId: 'user-1', events, compressionLevel: 0, sinkStallTimeoutMs: 200 };
    outcome.resolve(failureOf(writeArchive(response, options as WriteArchiveOptions)));
  });
  await listening(server, async (port) => {
    const client = http2.connect(`http://127.0.0.1:${port}`);
    client.on('error', () => undefined);
    const request = client.request({ ':path': '/' });
    request.on('error', () => undefined);
    assert.equal(((await outcome.promise) as { code?: string }).code, 'BACKUP_SINK_STALLED');
    assert.ok(given.bytes <= 12_000_000, `${given.bytes} bytes were read`);
    client.destroy();
  });
});

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: Deferred<T>['resolve'] | undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value) => resolve?.(value) };
}
