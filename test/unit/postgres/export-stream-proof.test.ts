// What proves that an export is whole: trailer, the command's count and the own count, the settings, and COMMIT.
// A server cannot be made to lie about these, so here the messages of pg are made by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type PgExportStream, pgExportStream } from '../../../src/postgres/index.js';
import { collectText } from '../../support/collect.js';
import {
  copyHeader,
  copyTrailer,
  encodeTuple,
  fieldsOf,
  tupleRow,
} from '../../support/copy-tuples.js';
import { type CopyHandlers, FakeCopyPool } from '../../support/fake-copy-pool.js';
import { failsWith } from '../../support/failures.js';

const tuple = encodeTuple(fieldsOf(tupleRow()));

type Message =
  | { readonly data: Uint8Array }
  | { readonly complete: string }
  | { readonly isReady: true }
  | { readonly error: Error };

const header: Message = { data: copyHeader() };
const row: Message = { data: tuple };
const nextRow: Message = {
  data: encodeTuple(fieldsOf(tupleRow({ id: '00000000-0000-4000-8000-000000000002' }))),
};
const trailer: Message = { data: copyTrailer };
const complete = (text: string): Message => ({ complete: text });
const ready: Message = { isReady: true };

function send(copy: CopyHandlers, message: Message): void {
  if ('data' in message) copy.handleCopyData({ chunk: Buffer.from(message.data) });
  else if ('complete' in message) copy.handleCommandComplete({ text: message.complete });
  else if ('error' in message) copy.handleError(message.error);
  else copy.handleReadyForQuery();
}

interface Run {
  readonly pool: FakeCopyPool;
  readonly stream: PgExportStream;
  readonly text: Promise<string>;
}

async function run(messages: readonly Message[], pool = new FakeCopyPool()): Promise<Run> {
  const stream = pgExportStream(pool, { userId: 'user-1' });
  const text = collectText(stream);
  text.catch(() => undefined);
  const copy = await pool.copy;
  for (const message of messages) send(copy, message);
  return { pool, stream, text };
}

test('header, rows, trailer, the right count and COMMIT make a whole export', async () => {
  const messages = [header, row, nextRow, trailer, complete('COPY 2'), ready];
  const { pool, stream, text } = await run(messages);
  assert.equal((await text).split('\n').length, 3);
  assert.equal(stream.summary().eventCount, 2);
  assert.deepEqual(pool.releases, [undefined]);
  assert.ok(!pool.socket.isDestroyed);
});

test('so do header, trailer and a count of zero', async () => {
  const { pool, stream, text } = await run([header, trailer, complete('COPY 0'), ready]);
  assert.equal(await text, '');
  assert.equal(stream.summary().eventCount, 0);
  assert.deepEqual(pool.releases, [undefined]);
});

const unproven: Readonly<Record<string, readonly Message[]>> = {
  'no trailer': [header, row, complete('COPY 1'), ready],
  'half a trailer': [header, row, { data: copyTrailer.subarray(1) }, complete('COPY 1'), ready],
  'half a row': [header, row, { data: tuple.subarray(0, 30) }, complete('COPY 1'), ready],
  'a row too few': [header, row, trailer, complete('COPY 2'), ready],
  'a row too many': [header, row, nextRow, trailer, complete('COPY 1'), ready],
  'no count': [header, row, trailer, complete('COPY'), ready],
  'another command': [header, row, trailer, complete('SELECT 1'), ready],
  'no command at all': [header, row, trailer, ready],
  'nothing at all': [ready],
  'no data': [complete('COPY 0'), ready],
  'data after the trailer': [header, row, trailer, row, complete('COPY 2'), ready],
  'a second trailer': [header, row, trailer, trailer, complete('COPY 1'), ready],
  'text format': [{ data: Buffer.from('a\tb\tc\n'.repeat(10)) }, complete('COPY 1'), ready],
  'an error, and then the end': [header, row, { error: new Error('canary') }, ready],
};

for (const [name, messages] of Object.entries(unproven)) {
  test(`${name} proves nothing: the stream fails and the client is destroyed`, async () => {
    const { pool, stream, text } = await run(messages);
    const error = await failsWith(text, 'BACKUP_SOURCE_FAILED');
    assert.equal(error.details.stage, 'read');
    assert.deepEqual(pool.releases, [true]);
    assert.ok(pool.socket.isDestroyed);
    assert.throws(() => stream.summary(), TypeError);
    assert.equal(stream.readableEnded, false);
  });
}

test('without the server’s word that it is through, nothing ends', async () => {
  const { pool, stream, text } = await run([header, row, trailer, complete('COPY 1')]);
  assert.equal(stream.destroyed, false);
  assert.equal(stream.readableEnded, false);
  assert.deepEqual(pool.releases, []);
  send(await pool.copy, ready);
  await text;
  assert.deepEqual(pool.releases, [undefined]);
});

test('a COMMIT that ends no transaction proves nothing', async () => {
  const pool = new FakeCopyPool();
  pool.statusAfterCommit = 'T';
  const { text } = await run([header, row, trailer, complete('COPY 1'), ready], pool);
  const error = await failsWith(text, 'BACKUP_SOURCE_FAILED');
  assert.equal(error.details.stage, 'end');
  assert.deepEqual(pool.releases, [true]);
});

test('a user setting that has changed under the rows fails the export', async () => {
  const pool = new FakeCopyPool();
  pool.changedSettings.set('app.current_user_id', 'user-2');
  const { text } = await run([header, row, trailer, complete('COPY 1'), ready], pool);
  const error = await failsWith(text, 'BACKUP_TENANCY_MISMATCH');
  assert.equal(error.details.found, 'setting');
  assert.deepEqual(pool.releases, [true]);
});

test('no lines come after a row of another user, not even those before it in the same chunk', async () => {
  const foreign = encodeTuple(fieldsOf(tupleRow({ userId: 'user-2', recordId: 'canary' })));
  const messages = [{ data: Buffer.concat([copyHeader(), tuple, foreign, tuple]) }, ready];
  const { pool, text, stream } = await run(messages);
  await failsWith(text, 'BACKUP_TENANCY_MISMATCH');
  assert.deepEqual(pool.releases, [true]);
  assert.equal(stream.progress.bytes, 0);
});

test('messages after a failure change nothing', async () => {
  const { pool, text } = await run([header, row, { error: new Error('canary') }]);
  const copy = await pool.copy;
  for (const message of [row, trailer, complete('COPY 1'), { error: new Error('canary') }, ready]) {
    send(copy, message);
  }
  await failsWith(text, 'BACKUP_SOURCE_FAILED');
  assert.deepEqual(pool.releases, [true]);
});

test('the server waits for a slow reader longer than the export may last', async () => {
  const pool = new FakeCopyPool();
  const stream = pgExportStream(pool, {
    userId: 'user-1',
    stallTimeoutMs: 1000,
    maxDurationMs: 50_000,
  });
  stream.resume();
  await pool.copy;
  // With the last row sent, the server is idle in its transaction until somebody reads on.
  for (const name of ['statement_timeout', 'idle_in_transaction_session_timeout']) {
    assert.ok(Number(pool.settings.get(name)) > 50_000, name);
  }
  stream.destroy();
});

test('the first rows are handed on as they come, later ones in larger pieces', async () => {
  const pool = new FakeCopyPool();
  const stream = pgExportStream(pool, { userId: 'user-1' });
  const arrival = stream.ready();
  const copy = await pool.copy;
  for (const message of [header, row]) send(copy, message);
  await arrival;
  const first = String(stream.read());
  assert.match(first, /^\{.*\}\n$/);
  send(copy, nextRow);
  assert.equal(stream.read(), null);
  for (const message of [trailer, complete('COPY 2'), ready]) send(copy, message);
  assert.equal(await collectText(stream), first.replace('000000000001', '000000000002'));
  assert.equal(stream.summary().eventCount, 2);
});

test('the socket waits while the reader has enough, and never once the rows are through', async () => {
  const pool = new FakeCopyPool();
  const stream = pgExportStream(pool, { userId: 'user-1', maxBatchBytes: 1 });
  await Promise.all([
    stream.ready(),
    pool.copy.then((copy) => {
      send(copy, header);
      send(copy, row);
    }),
  ]);
  assert.ok(pool.socket.isPaused);
  stream.read();
  assert.ok(!pool.socket.isPaused);
  const copy = await pool.copy;
  for (const message of [nextRow, trailer, complete('COPY 2')]) send(copy, message);
  assert.ok(pool.socket.isPaused);
  send(copy, ready);
  assert.ok(!pool.socket.isPaused, 'answers to come are not let through');
  await collectText(stream);
  assert.ok(!pool.socket.isPaused, 'the next borrower gets a socket that waits');
});

test('hazard 12: a demand that comes while a piece is handed on is not lost', async () => {
  const pool = new FakeCopyPool();
  const stream = pgExportStream(pool, { userId: 'user-1', maxBatchBytes: 1 });
  let handed = 0;
  stream.once('data', (piece: Buffer) => {
    // What a parser does that gives back what it cannot use yet, and asks for more at once.
    stream.pause();
    stream.read(0);
    stream.unshift(piece);
    handed = piece.length;
  });
  const copy = await pool.copy;
  send(copy, header);
  send(copy, row);
  assert.ok(handed > 0);
  // Node asks once and then waits for an answer: a socket that was told to wait would wait for ever.
  assert.ok(!pool.socket.isPaused);
  for (const message of [nextRow, trailer, complete('COPY 2'), ready]) send(copy, message);
  assert.equal((await collectText(stream)).length, 2 * handed);
});
