// Rows are read ahead of pg, wherever the chunks are cut, and pg finds nothing in them; whatever is not
// expected is left to pg as it is. pg's own connection reads what the tap has left.
import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import pg from 'pg';

import { TupleError } from '../../../src/postgres/copy-frames.js';
import type { Tuple } from '../../../src/postgres/copy-frames.js';
import { RowTap } from '../../../src/postgres/row-tap.js';
import { int16, int32 } from '../../support/copy-tuples.js';
import { feedingsOf } from '../../support/feedings.js';

type Fields = readonly (string | null)[];

function message(type: string, ...body: readonly Buffer[]): Buffer {
  const all = Buffer.concat(body);
  const header = Buffer.alloc(5, type);
  header.writeInt32BE(all.length + 4, 1);
  return Buffer.concat([header, all]);
}

function fieldBytes(field: string | null): Buffer {
  return field === null
    ? int32(-1)
    : Buffer.concat([int32(Buffer.byteLength(field)), Buffer.from(field)]);
}

function rowMessage(fields: Fields): Buffer {
  return message('D', int16(fields.length), ...fields.map(fieldBytes));
}

function description(columnCount: number): Buffer {
  const column = Buffer.concat([Buffer.from('c\0'), Buffer.alloc(18)]);
  return message('T', int16(columnCount), ...new Array<Buffer>(columnCount).fill(column));
}

const parsed = message('1');
const bound = message('2');
const suspended = message('s');
const completed = message('C', Buffer.from('SELECT 4\0'));
const notice = message('N', Buffer.from('SNOTICE\0C00000\0Mno news\0\0'));
const parameter = message('S', Buffer.from('TimeZone\0UTC\0'));
const notification = message('A', int32(1), Buffer.from('channel\0payload\0'));

const rows: readonly Fields[] = [
  ['a', null],
  ['', 'D\0\0\0\u0004'],
  [null, null],
  ['é😀', 'x'.repeat(300)],
];
const answer = Buffer.concat([
  notice,
  parsed,
  bound,
  description(2),
  parameter,
  ...rows.slice(0, 2).map(rowMessage),
  suspended,
  notification,
  ...rows.slice(2).map(rowMessage),
  completed,
]);

interface Heard {
  readonly rows: Fields[];
  readonly failures: unknown[];
  /** What pg made of the messages: their names, and how many fields each row had. */
  readonly messages: string[];
  readonly fieldCounts: number[];
  readonly standInCount: number;
  readonly listenerCount: number;
}

function fieldsOf({ bytes, starts, ends }: Tuple): Fields {
  return Array.from(starts, (start, index) =>
    start < 0 ? null : Buffer.from(bytes.subarray(start, ends[index])).toString(),
  );
}

/** A socket whose bytes pg's connection reads; its types leave out how it begins. */
function openSocket(): { readonly socket: Duplex; readonly connection: pg.Connection } {
  const nothing = (): void => undefined;
  const duplex = new Duplex({
    read: nothing,
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  const socket = Object.assign(duplex, { setNoDelay: nothing, connect: nothing });
  const connection = new pg.Connection({ stream: socket } as object);
  (connection as unknown as { connect(port: number, host: string): void }).connect(1, 'localhost');
  return { socket, connection };
}

/** Lets a tap and pg hear the same chunks, whose memory is then used for something else. */
function hear(chunks: Iterable<Uint8Array>, onRow?: () => void): Heard {
  const { socket, connection } = openSocket();
  const messages: string[] = [];
  const fieldCounts: number[] = [];
  connection.on('message', (heard: { name: string; fields?: unknown[] }) => {
    messages.push(heard.name);
    if (heard.name === 'dataRow') fieldCounts.push(heard.fields?.length ?? NaN);
  });
  const kept: (() => Fields)[] = [];
  const failures: unknown[] = [];
  const before = socket.listenerCount('data');
  const tap = new RowTap(socket, {
    onRow: ({ bytes, starts, ends }) => {
      onRow?.();
      const row = { bytes, starts: starts.slice(), ends: ends.slice() };
      kept.push(() => fieldsOf(row));
    },
    onTapFailure: (error) => failures.push(error),
  });
  const own = Array.from(chunks, (chunk) => Buffer.from(chunk));
  for (const chunk of own) socket.emit('data', chunk);
  for (const chunk of own) chunk.fill(0xff);
  return {
    rows: kept.map((read) => read()),
    failures,
    messages,
    fieldCounts,
    standInCount: tap.standInCount,
    listenerCount: socket.listenerCount('data') - before,
  };
}

const names = [
  'notice',
  'parseComplete',
  'bindComplete',
  'rowDescription',
  'parameterStatus',
  'dataRow',
  'portalSuspended',
  'notification',
  'dataRow',
  'commandComplete',
];

/** What was heard is what was sent, with any number of stand-ins for rows next to each other. */
function assertReplaced(heard: Heard, note: string): void {
  assert.deepEqual(heard.rows, rows, note);
  const isAgain = (name: string, index: number): boolean =>
    name === 'dataRow' && heard.messages[index - 1] === 'dataRow';
  const runs = heard.messages.filter((name, index) => !isAgain(name, index));
  assert.deepEqual(runs, names, note);
  const noFields = new Array<number>(heard.standInCount).fill(0);
  assert.deepEqual(heard.fieldCounts, noFields, note);
  assert.deepEqual(heard.failures, [], note);
}

describe('rows', () => {
  for (const { name, chunks } of feedingsOf(answer)) {
    test(`are read, and pg finds rows without fields: ${name}`, () => {
      const heard = hear(chunks);
      assertReplaced(heard, name);
      assert.equal(heard.listenerCount, 0, 'the end of the command ends the tap');
    });
  }

  test('are read, and pg finds rows without fields, wherever two chunks meet', () => {
    for (let at = 0; at <= answer.length; at += 1) {
      assertReplaced(hear([answer.subarray(0, at), answer.subarray(at)]), `cut at ${at}`);
    }
  });

  test('are read, and pg finds rows without fields, wherever a chunk is tiny', () => {
    for (let at = 0; at <= answer.length; at += 1) {
      for (let end = at + 1; end <= at + 12; end += 1) {
        const chunks = [answer.subarray(0, at), answer.subarray(at, end), answer.subarray(end)];
        assertReplaced(hear(chunks), `cut at ${at} and ${end}`);
      }
    }
  });

  test('stay readable for pg wherever the tap is closed', () => {
    for (let at = 0; at <= answer.length; at += 1) {
      for (const step of [1, 5, answer.length]) {
        const { socket, connection } = openSocket();
        const messages: string[] = [];
        connection.on('message', ({ name }: { name: string }) => {
          if (name !== 'dataRow' || messages.at(-1) !== name) messages.push(name);
        });
        const read: Fields[] = [];
        const tap = new RowTap(socket, {
          onRow: (row) => read.push(fieldsOf(row)),
          onTapFailure: (error) => assert.fail(error as Error),
        });
        socket.emit('data', Buffer.from(answer.subarray(0, at)));
        tap.close();
        const readBefore = read.length;
        for (let from = at; from < answer.length; from += step) {
          socket.emit('data', Buffer.from(answer.subarray(from, from + step)));
        }
        assert.deepEqual(messages, names, `closed at ${at}`);
        assert.equal(read.length, readBefore, 'nothing is read any more');
        assert.ok(!socket.listeners('data').some(({ name }) => name.includes('onData')));
      }
    }
  });

  test('next to each other in a chunk are one row to pg', () => {
    const heard = hear([answer]);
    assert.deepEqual(heard.messages, names);
    assert.equal(heard.standInCount, 2);
  });

  test('of many chunks end for pg with each chunk, so that it gathers nothing', () => {
    const row: Fields = ['x'.repeat(10_000), 'y'.repeat(10_000)];
    const bytes = rowMessage(row);
    const before = Buffer.concat([parsed, bound, description(2)]);
    const chunks: Buffer[] = [before];
    for (let at = 0; at < bytes.length; at += 1000) chunks.push(bytes.subarray(at, at + 1000));
    const { socket, connection } = openSocket();
    const found: unknown[] = [];
    connection.on('dataRow', (message) => found.push(message));
    const read: Fields[] = [];
    new RowTap(socket, {
      onRow: (tuple) => read.push(fieldsOf(tuple)),
      onTapFailure: (error) => assert.fail(error as Error),
    });
    const counts = chunks.map((chunk) => {
      socket.emit('data', Buffer.from(chunk));
      return found.length;
    });
    assert.deepEqual(
      counts,
      chunks.map((_, index) => index),
    );
    assert.deepEqual(read, [row]);
  });

  test('may have more fields than one byte can count', () => {
    const fields = new Array<string>(256).fill('x');
    for (const { name, chunks } of feedingsOf(
      Buffer.concat([parsed, bound, description(256), rowMessage(fields)]),
    )) {
      const heard = hear(chunks);
      assert.deepEqual(heard.rows, [fields], name);
      assert.deepEqual(new Set(heard.fieldCounts), new Set([0]), name);
    }
  });

  test('that came in one chunk lie in the same memory, apart from what pg was handed', () => {
    const buffers = new Set<ArrayBufferLike>();
    const { socket } = openSocket();
    new RowTap(socket, {
      onRow: ({ bytes }) => buffers.add(bytes.buffer),
      onTapFailure: (error) => assert.fail(error as Error),
    });
    const own = Buffer.from(answer);
    socket.emit('data', own);
    assert.equal(buffers.size, 1);
    assert.ok(!buffers.has(own.buffer));
  });
});

describe('pg finds whole rows', () => {
  const inStep = Buffer.concat([parsed, bound, description(2)]);

  function leaves(what: string, before: Buffer): void {
    test(`${what}, whole and byte by byte`, () => {
      for (const { chunks } of feedingsOf(Buffer.concat([before, ...rows.map(rowMessage)]))) {
        const heard = hear(chunks);
        assert.deepEqual(heard.rows, []);
        assert.equal(heard.standInCount, 0);
        assert.deepEqual(heard.fieldCounts, [2, 2, 2, 2]);
        assert.equal(heard.listenerCount, 0);
        assert.deepEqual(heard.failures, []);
      }
    });
  }

  leaves('where a row comes before it was described', Buffer.concat([parsed, bound]));
  leaves('where the messages before it come in another order', Buffer.concat([bound, parsed]));
  leaves('after a message that is none of these', Buffer.concat([inStep, message('n')]));
  leaves('after a second description', Buffer.concat([inStep, description(2)]));
});

test('a tap that begins in the middle of a message leaves everything to pg', () => {
  const { socket, connection } = openSocket();
  const fieldCounts: number[] = [];
  connection.on('dataRow', ({ fields }: { readonly fields: unknown[] }) => {
    fieldCounts.push(fields.length);
  });
  socket.emit('data', notification.subarray(0, 7));
  const unexpected = (): never => assert.fail('nothing is read');
  const tap = new RowTap(socket, { onRow: unexpected, onTapFailure: unexpected });
  socket.emit('data', notification.subarray(7));
  socket.emit('data', Buffer.from(answer));
  assert.equal(tap.standInCount, 0);
  assert.deepEqual(fieldCounts, [2, 2, 2, 2]);
});

describe('a failure is told once, and ends the tap', () => {
  const before = [parsed, bound, description(2), rowMessage(['a', 'b'])];

  function fails(what: string, row: Buffer): void {
    test(what, () => {
      const heard = hear([Buffer.concat(before), row, rowMessage(['c', 'd'])]);
      assert.deepEqual(heard.rows, [['a', 'b']]);
      assert.equal(heard.failures.length, 1);
      assert.ok(heard.failures[0] instanceof TupleError);
      assert.equal(heard.listenerCount, 0);
    });
  }

  fails('a row of fewer fields', rowMessage(['a']));
  fails('a row of more fields', rowMessage(['a', 'b', 'c']));
  fails('a row that ends before its fields', message('D', int16(2), fieldBytes('a')));
  fails(
    'a row that goes on after its fields',
    message('D', int16(2), fieldBytes('a'), fieldBytes('b'), int16(0)),
  );

  test('what the listener throws', () => {
    const error = new Error('no more');
    const heard = hear([answer], () => {
      throw error;
    });
    assert.deepEqual(heard.failures, [error]);
    assert.equal(heard.listenerCount, 0);
  });
});

test('nothing is kept of messages that are not read, however long they claim to be', () => {
  const { socket } = openSocket();
  socket.removeAllListeners('data');
  const tap = new RowTap(socket, {
    onRow: () => assert.fail('there is no row'),
    onTapFailure: (error) => assert.fail(error as Error),
  });
  const before = process.memoryUsage().arrayBuffers;
  socket.emit('data', Buffer.from('N~~~~and so on'));
  socket.emit('data', Buffer.from(answer));
  assert.equal(tap.standInCount, 0);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
});

test('a message that is shorter than such a message can be is left to pg, with all that follows', () => {
  const short = Buffer.from([...Buffer.from('T'), 0, 0, 0, 4]);
  for (const { name, chunks } of feedingsOf(
    Buffer.concat([parsed, bound, short, description(2), ...rows.map(rowMessage)]),
  )) {
    const socket = new Duplex({ read: () => undefined });
    const failures: unknown[] = [];
    const read: Fields[] = [];
    const tap = new RowTap(socket, {
      onRow: (row) => read.push(fieldsOf(row)),
      onTapFailure: (error) => failures.push(error),
    });
    for (const chunk of chunks) {
      const given = Buffer.from(chunk);
      socket.emit('data', given);
      assert.ok(given.equals(chunk), name);
    }
    assert.deepEqual([read, failures, tap.standInCount], [[], [], 0], name);
    assert.equal(socket.listenerCount('data'), 0, name);
  }
});
