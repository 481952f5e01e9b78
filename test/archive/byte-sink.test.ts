// How bytes get into a destination: in pieces, as it has room for them, and what is told when it has not taken all.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { ByteSink, checkDestination } from '../../src/archive/byte-sink.js';
import type { ByteSinkOptions } from '../../src/archive/byte-sink.js';
import { failsWith, failureOf } from '../support/failures.js';

const PIECE = 64 * 1024;
const LINES = 7;
const place = { stage: 'write', lineCount: LINES };

/** A sink, and what it has told of its failures. */
function sinkInto(
  destination: Writable,
  options: Partial<ByteSinkOptions> = {},
): { readonly sink: ByteSink; readonly failures: unknown[] } {
  const failures: unknown[] = [];
  const sink = new ByteSink(destination, {
    ...{ stallTimeoutMs: 5000, signal: undefined, lineCount: () => LINES },
    onFailure: (error) => {
      failures.push(error);
    },
    ...options,
  });
  return { sink, failures };
}

/** A destination that takes a piece only when `takeOne` is called. */
class Held extends Writable {
  readonly pieces: Buffer[] = [];
  #callback: ((error?: Error) => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    this.pieces.push(chunk);
    this.#callback = callback;
  }

  takeOne(error?: Error): void {
    this.#callback?.(error);
  }
}

function taking(options: ConstructorParameters<typeof Writable>[0] = {}): Writable {
  return new Writable({ write: (_chunk, _encoding, callback) => callback(), ...options });
}

/** Whether it has settled once everything that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  for (let turns = 0; turns < 5; turns += 1) await turn();
  return settled;
}

function assertLetGo(destination: Writable): void {
  for (const event of ['drain', 'finish', 'close', 'end']) {
    assert.equal(destination.listenerCount(event), 0, event);
  }
}

test('a destination is a Writable that is open, and what is said of it is checked', () => {
  const { signal } = new AbortController();
  assert.deepEqual(checkDestination(taking(), {}), { signal: undefined, stallTimeoutMs: 120_000 });
  const given = { signal, sinkStallTimeoutMs: 7 };
  assert.deepEqual(checkDestination(taking(), given), { signal, stallTimeoutMs: 7 });
  for (const bad of [taking().end(), taking().destroy(), undefined, null, {}, { writable: true }]) {
    assert.throws(() => checkDestination(bad as Writable, {}), TypeError);
  }
  assert.throws(() => checkDestination(taking(), { signal: {} as AbortSignal }), TypeError);
  assert.throws(() => checkDestination(taking(), { sinkStallTimeoutMs: 0 }), RangeError);
});

test('bytes come in pieces of 64 KiB, each as there is room for it', async () => {
  const destination = new Held({ highWaterMark: 1 });
  const { sink, failures } = sinkInto(destination);
  const bytes = Buffer.alloc(2 * PIECE + 5, 'x').fill('y', PIECE);
  const writing = sink.write(bytes);
  for (let count = 1; count <= 3; count += 1) {
    assert.equal(await isSettled(writing), false);
    assert.equal(destination.pieces.length, count);
    assert.equal(sink.byteCount, Math.min(count * PIECE, bytes.length));
    destination.takeOne();
  }
  await writing;
  assert.deepEqual(
    destination.pieces.map(({ length }) => length),
    [PIECE, PIECE, 5],
  );
  assert.ok(Buffer.concat(destination.pieces).equals(bytes));
  await sink.write(Buffer.alloc(0));
  assert.equal(destination.pieces.length, 3);
  const next = sink.write(bytes.subarray(0, 1));
  assert.equal(await isSettled(next), false);
  destination.takeOne();
  await next;
  await sink.end();
  assert.equal(destination.closed, true);
  assert.deepEqual(failures, []);
  assert.equal(sink.failure, undefined);
  assertLetGo(destination);
});

test('what there is room for is not waited for', async () => {
  const destination = new Held({ highWaterMark: 10 * PIECE });
  const { sink } = sinkInto(destination);
  await sink.write(Buffer.alloc(3 * PIECE));
  assert.equal(destination.writableLength, 3 * PIECE);
  sink.fail(new Error('enough'));
});

test('a file gets what it is given in one piece', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
  try {
    const file = path.join(folder, 'a');
    const destination = createWriteStream(file);
    const lengths: number[] = [];
    const write = destination._write.bind(destination);
    destination._write = (chunk: Buffer, encoding, callback) => {
      lengths.push(chunk.length);
      write(chunk, encoding, callback);
    };
    const { sink } = sinkInto(destination);
    await sink.write(Buffer.alloc(300_000, 'x'));
    await sink.end();
    assert.deepEqual(lengths, [300_000]);
    assert.equal((await readFile(file)).length, 300_000);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the limit begins anew with each piece that is taken', async () => {
  const destination = new Writable({
    highWaterMark: 4 * PIECE,
    write: (_chunk, _encoding, callback) => setTimeout(callback, 150),
  });
  const { sink } = sinkInto(destination, { stallTimeoutMs: 400 });
  await sink.write(Buffer.alloc(4 * PIECE));
  await sink.end();
});

test('a destination that takes nothing for too long is destroyed, be it at its end', async () => {
  const atWrite = new Held({ highWaterMark: 1 });
  const atEnd = taking({ final: () => undefined });
  for (const destination of [atWrite, atEnd]) {
    const { sink, failures } = sinkInto(destination, { stallTimeoutMs: 30 });
    const writing = destination === atWrite ? sink.write(Buffer.alloc(1)) : sink.end();
    const error = await failsWith(writing, 'BACKUP_SINK_STALLED', 3000);
    const told = { limit: 'sinkStallTimeoutMs', limitMs: 30, rowCount: LINES };
    assert.deepEqual(error.details, told);
    assert.equal(destination.destroyed, true);
    assert.equal(destination.errored, error);
    assert.deepEqual(failures, [error]);
    assertLetGo(destination);
  }
});

test('an abort destroys the destination with its reason, whenever it comes', async () => {
  const reason = new Error('enough');
  const aborted = taking();
  const early = sinkInto(aborted, { signal: AbortSignal.abort(reason) });
  assert.deepEqual(early.failures, [reason]);
  assert.deepEqual(early.sink.failure, { error: reason });
  assert.equal(aborted.errored, reason);
  assert.equal(await failureOf(early.sink.write(Buffer.alloc(1))), reason);
  assert.equal(early.sink.byteCount, 0);

  const controller = new AbortController();
  const destination = new Held({ highWaterMark: 1 });
  const late = sinkInto(destination, { signal: controller.signal });
  const writing = late.sink.write(Buffer.alloc(1));
  assert.equal(await isSettled(writing), false);
  controller.abort(reason);
  assert.equal(await failureOf(writing, 1000), reason);
  assert.deepEqual(late.failures, [reason]);
  assert.equal(destination.errored, reason);
  assert.equal(await failureOf(late.sink.end()), reason);

  const { signal } = new AbortController();
  const done = sinkInto(taking(), { signal });
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  await done.sink.end();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a destination that fails is told with its code, and only once', async () => {
  const cause = Object.assign(new Error('disk'), { code: 'ENOSPC' });
  const destination = new Held({ highWaterMark: 1 });
  const { sink, failures } = sinkInto(destination);
  const writing = sink.write(Buffer.alloc(1));
  destination.takeOne(cause);
  const error = await failsWith(writing, 'BACKUP_SINK_FAILED', 1000);
  assert.deepEqual(error.details, place);
  assert.equal(error.cause?.code, 'ENOSPC');
  assert.deepEqual(failures, [error]);
  sink.fail(new Error('another'));
  assert.deepEqual(failures, [error]);
  assert.equal(await failureOf(sink.write(Buffer.alloc(1))), error);
  assert.equal(await failureOf(sink.end()), error);
  assert.equal(destination.errored, cause);
  // What it says after that is nobody's any more, and ends no process.
  destination.emit('error', new Error('late'));
  assertLetGo(destination);
});

test('a destination that was destroyed says why, or that it was closed', async () => {
  const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  for (const why of [undefined, cause]) {
    const code = why === undefined ? 'ERR_STREAM_PREMATURE_CLOSE' : 'ECONNRESET';
    const silent = taking({ emitClose: false });
    const loud = taking();
    const early = sinkInto(silent);
    silent.destroy(why);
    const waiting = new Held({ highWaterMark: 1 });
    const { sink } = sinkInto(waiting);
    const later = sinkInto(loud);
    loud.destroy(why);
    for (let turns = 0; turns < 3; turns += 1) await turn();
    assert.equal(later.failures.length, 1);
    const writing = sink.write(Buffer.alloc(1));
    waiting.destroy(why);
    const ending = early.sink.end();
    for (const failing of [early.sink.write(Buffer.alloc(1)), ending, later.sink.end(), writing]) {
      const error = await failsWith(failing, 'BACKUP_SINK_FAILED', 1000);
      assert.deepEqual(error.details, place);
      assert.equal(error.cause?.code, code);
    }
    assert.equal(early.sink.byteCount, 0);
  }
  // While it is being given a piece.
  const within = taking({
    emitClose: false,
    write: (_chunk, _encoding, callback) => {
      within.destroy();
      callback();
    },
  });
  await failsWith(sinkInto(within).sink.write(Buffer.alloc(1)), 'BACKUP_SINK_FAILED', 1000);
});

test('a destination that somebody else ends is told, whenever that is', async () => {
  const idle = taking();
  const { sink, failures } = sinkInto(idle);
  idle.end();
  for (let turns = 0; turns < 3; turns += 1) await turn();
  assert.equal(failures.length, 1);
  const open = taking({ autoDestroy: false, final: () => undefined });
  const other = sinkInto(open);
  open.end();
  for (const failing of [sink.end(), other.sink.write(Buffer.alloc(1)), other.sink.end()]) {
    const error = await failsWith(failing, 'BACKUP_SINK_FAILED', 1000);
    assert.deepEqual(error.details, place);
    assert.equal(error.cause?.code, 'ERR_STREAM_WRITE_AFTER_END');
  }
  other.sink.fail(new Error('over'));
  assert.equal(open.destroyed, true);
});

test('a destination that has not taken everything when it says that it has finished was closed', async () => {
  const destination = taking();
  Object.defineProperty(destination, 'writableFinished', { value: false });
  const { sink } = sinkInto(destination);
  const error = await failsWith(sink.end(), 'BACKUP_SINK_FAILED', 1000);
  assert.equal(error.cause?.code, 'ERR_STREAM_PREMATURE_CLOSE');
});

test('one that is destroyed already is not destroyed again', () => {
  const destination = taking();
  const { sink, failures } = sinkInto(destination);
  let count = 0;
  destination.destroy();
  destination.destroy = () => {
    count += 1;
    return destination;
  };
  const reason = new Error('enough');
  sink.fail(reason);
  assert.equal(count, 0);
  assert.deepEqual(failures, [reason]);
});
