// JsonlSerializer: rows in, bytes out; mapper, summary, progress and what it refuses.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  BackupError,
  exportSummarySchema,
  JsonlSerializer,
  RawJson,
  toExportLine,
} from '../../../src/index.js';
import type { ChangeRow, ExportLine } from '../../../src/index.js';
import { changeRow, changeRows, jsonlOf, vectorRow } from '../../support/change-rows.js';
import { collectText } from '../../support/collect.js';
import { settlesWithin } from '../../support/deadline.js';
import { failsWith, failureOf } from '../../support/failures.js';
import { testStreamCompliance } from '../../support/stream-compliance.js';
import { lineVectors } from '../../support/vectors.js';

/** What comes out of a serialiser when these items are written into it. */
async function written(
  items: Iterable<ChangeRow | readonly ChangeRow[]>,
  serializer = new JsonlSerializer(),
): Promise<string> {
  let text = '';
  await pipeline(Readable.from(items), serializer, async (bytes: AsyncIterable<Uint8Array>) => {
    text = await collectText(bytes);
  });
  return text;
}

/** The same rows in arrays of `size`. */
function* inBatches(rows: readonly ChangeRow[], size: number): Generator<ChangeRow[]> {
  for (let start = 0; start < rows.length; start += size) yield rows.slice(start, start + size);
}

const rows = changeRows(1203);
const expected = jsonlOf(rows);
const badRow = changeRow({ op: 'upsert' as 'insert' });

testStreamCompliance('a JsonlSerializer', {
  make: () => new JsonlSerializer(),
  input: [rows, ...rows],
  failingInput: [...rows.slice(0, 700), badRow, ...rows],
});

testStreamCompliance('a JsonlSerializer with an async flush hook', {
  make: () => new JsonlSerializer({ flushEvery: 100, onFlush: () => Promise.resolve() }),
  input: [rows],
  failingInput: [rows, [changeRow(), badRow]],
});

describe('a JsonlSerializer writes', () => {
  test('the lines of the shared vectors, each with a line feed', async () => {
    const text = await written(lineVectors.map(vectorRow));
    assert.equal(text, lineVectors.map(({ line }) => `${line}\n`).join(''));
  });

  test('the same bytes for rows that come singly and in arrays of any size', async () => {
    assert.equal(await written(rows), expected);
    for (const size of [1, 2, 499, 500, 501, 1203, 5000]) {
      assert.equal(await written(inBatches(rows, size)), expected, `arrays of ${size}`);
    }
    assert.equal(
      await written([[], rows[0]!, [], rows.slice(1, 900), [], ...rows.slice(900), []]),
      expected,
    );
  });

  test('the same bytes whatever flushEvery is', async () => {
    for (const flushEvery of [1, 2, 7, 500, 1203, Number.MAX_SAFE_INTEGER]) {
      const serializer = new JsonlSerializer({ flushEvery });
      assert.equal(
        await written(inBatches(rows, 100), serializer),
        expected,
        `every ${flushEvery}`,
      );
    }
  });

  test('rows that are fatter than any buffer', async () => {
    const fat = [1, 70_000, 300_000, 1_000_000, 10].flatMap((size) => changeRows(2, size));
    assert.equal(await written([fat]), jsonlOf(fat));
    assert.equal(await written(fat, new JsonlSerializer({ flushEvery: 2 })), jsonlOf(fat));
  });

  test('characters that take more bytes than one, also across its pieces', async () => {
    const wide = changeRows(600).map((row) => ({
      ...row,
      data: new RawJson(`"${'é｡😀'.repeat(99)}"`),
    }));
    assert.equal(await written([wide]), jsonlOf(wide));
  });

  test('bytes that stay as they were when later ones come', async () => {
    const serializer = new JsonlSerializer({ flushEvery: 1 });
    const pieces: { seen: string; bytes: Uint8Array }[] = [];
    serializer.on('data', (bytes: Buffer) =>
      pieces.push({ seen: bytes.toString('latin1'), bytes }),
    );
    for (const row of [...rows, ...rows]) serializer.write(row);
    serializer.end();
    await finished(serializer);
    for (const { seen, bytes } of pieces) {
      assert.equal(Buffer.from(bytes).toString('latin1'), seen);
    }
  });

  test('nothing for nothing', async () => {
    for (const items of [[], [[]], [[], []]]) {
      const flushes: unknown[] = [];
      const serializer = new JsonlSerializer({ onFlush: (progress) => flushes.push(progress) });
      assert.equal(await written(items, serializer), '');
      assert.deepEqual(flushes, []);
      assert.deepEqual(serializer.summary(), {
        eventCount: 0,
        byteCount: 0,
        sha256: createHash('sha256').digest('hex'),
        apps: [],
      });
    }
  });
});

describe('a mapper', () => {
  interface Note {
    readonly title: string;
  }

  test('makes lines of any item, once for each and in order', async () => {
    const seen: string[] = [];
    const serializer = new JsonlSerializer<Note>({
      map: ({ title }) => {
        seen.push(title);
        return toExportLine(changeRow({ recordId: title }));
      },
    });
    serializer.write({ title: 'a' });
    serializer.write([{ title: 'b' }, { title: 'c' }]);
    serializer.end({ title: 'd' });
    const text = await collectText(serializer);
    assert.deepEqual(seen, ['a', 'b', 'c', 'd']);
    assert.equal(text, jsonlOf(seen.map((recordId) => changeRow({ recordId }))));
  });

  test('may rename and drop members of data', async () => {
    const map = (row: ChangeRow): ExportLine => {
      const members = (row.data as RawJson).members();
      members.delete('filler');
      return toExportLine({ ...row, data: RawJson.fromMembers(members) });
    };
    const text = await written(rows.slice(0, 3), new JsonlSerializer({ map }));
    assert.deepEqual(text.match(/"data":\{.*?\}/g), [
      '"data":{"n": 1}',
      '"data":{"n": 2}',
      '"data":{"n": 3}',
    ]);
  });

  for (const batchSize of [1, 4, 100]) {
    test(`that throws fails the stream with the number of its line, in arrays of ${batchSize}`, async () => {
      const failure = Object.assign(new TypeError('canary'), { code: 'ERR_HOST' });
      const map = (row: ChangeRow): ExportLine => {
        if (row === rows[9]) throw failure;
        return toExportLine(row);
      };
      const items = inBatches(rows.slice(0, 20), batchSize);
      const error = await failsWith(
        written(items, new JsonlSerializer({ map })),
        'BACKUP_HOOK_FAILED',
      );
      assert.deepEqual(error.details, { hook: 'map', lineNumber: 10 });
      assert.deepEqual(error.cause, { name: 'TypeError', code: 'ERR_HOST' });
    });
  }

  test('that throws something other than an error fails the stream too', async () => {
    const noErrors: unknown[] = ['canary', null, undefined, { canary: 1 }];
    for (const thrown of noErrors) {
      const map = (): never => {
        throw thrown;
      };
      const error = await failsWith(
        written(rows, new JsonlSerializer({ map })),
        'BACKUP_HOOK_FAILED',
      );
      assert.deepEqual(error.details, { hook: 'map', lineNumber: 1 });
    }
  });

  test('that gives nothing fails the stream', async () => {
    for (const nothing of [undefined, null, 'canary', 7]) {
      const map = (): ExportLine => nothing as unknown as ExportLine;
      const error = await failsWith(
        written(rows, new JsonlSerializer({ map })),
        'BACKUP_HOOK_FAILED',
      );
      assert.deepEqual(error.details, { hook: 'map', lineNumber: 1 }, inspect(nothing));
    }
  });

  const later: Readonly<Record<string, () => unknown>> = {
    'is async': () => Promise.resolve(toExportLine(rows[0]!)),
    // A rejection that nobody handles would end the process, and fail this test.
    'is async and rejects': () => Promise.reject(new TypeError('canary')),
    'gives a thenable that throws': () => ({
      then: () => {
        throw new TypeError('canary');
      },
    }),
    'gives a function with a then': () => Object.assign(() => undefined, { then: () => undefined }),
  };
  for (const [what, map] of Object.entries(later)) {
    for (const items of [rows.slice(0, 2), [rows.slice(0, 2)]]) {
      test(`that ${what} fails the stream, in items of ${String(items.length)}`, async () => {
        const serializer = new JsonlSerializer({ map: map as () => ExportLine });
        const error = await failsWith(written(items, serializer), 'BACKUP_HOOK_FAILED');
        assert.deepEqual(error.details, { hook: 'map', lineNumber: 1 });
        await turn();
      });
    }
  }

  test('that gives what is no line fails the stream as a line that is invalid', async () => {
    const others = [{}, { ...toExportLine(rows[0]!), id: 1 }];
    for (const other of others) {
      const map = (): ExportLine => other as unknown as ExportLine;
      await failsWith(written(rows, new JsonlSerializer({ map })), 'BACKUP_LINE_INVALID');
    }
  });

  test('that throws a BackupError fails the stream with that very error', async () => {
    const own = new BackupError('BACKUP_TENANCY_MISMATCH', 'not yours', {
      found: 'row',
      rowCount: 1,
    });
    const map = (): never => {
      throw own;
    };
    assert.equal(await failureOf(written(rows, new JsonlSerializer({ map }))), own);
  });

  test('left out, lets the refusal of a row pass unchanged', async () => {
    const refused = { ...rows[2]!, createdAt: 'infinity' };
    for (const items of [[rows[0]!, rows[1]!, refused], [[rows[0]!, rows[1]!, refused]]]) {
      const error = await failsWith(written(items), 'BACKUP_ROW_UNMAPPABLE');
      assert.deepEqual(error.details, { member: 'createdAt', eventId: refused.id });
    }
  });

  test('left out, lets the refusal of a value that JSON cannot hold pass unchanged', async () => {
    const refused = { ...rows[2]!, data: { canary: NaN } };
    const error = await failsWith(written([refused]), 'BACKUP_LINE_INVALID');
    assert.deepEqual([error.details.member, error.details.eventId], ['data', refused.id]);
  });
});

describe('the summary', () => {
  const mixed = rows.map((row, index) => ({
    ...row,
    appId: ['todo', 'notes', '😀', '｡'][index % 4]!,
    schemaVersion: (index % 5) + 2,
  }));

  test('says of the bytes what the bytes say', async () => {
    const serializer = new JsonlSerializer();
    const text = await written(inBatches(mixed, 77), serializer);
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as ExportLine);
    const place = ({ createdAt, eventId }: ExportLine): unknown => ({ createdAt, eventId });
    assert.deepEqual(serializer.summary(), {
      eventCount: lines.length,
      byteCount: Buffer.byteLength(text),
      sha256: createHash('sha256').update(text).digest('hex'),
      apps: ['notes', 'todo', '｡', '😀'],
      schemaVersionMin: 2,
      schemaVersionMax: 6,
      firstPosition: place(lines[0]!),
      lastPosition: place(lines.at(-1)!),
    });
    assert.ok(exportSummarySchema.safeParse(serializer.summary()).success);
  });

  test('is of what was written, whatever a line says when it is asked again', async () => {
    const times = ['2026-04-14T10:00:00Z', '2026-04-14T11:00:00Z'];
    const serializer = new JsonlSerializer<number>({
      map: (index) => {
        const apps = ['written', 'read again'];
        const versions = [2, 9];
        const places = [times[index]!, '2026-04-14T23:00:00Z'];
        return Object.defineProperties(toExportLine(changeRow()), {
          appId: { get: () => apps.shift() ?? 'read too often' },
          schemaVersion: { get: () => versions.shift() ?? 99 },
          createdAt: { get: () => places.shift() ?? '2026-04-14T23:59:59Z' },
        });
      },
    });
    serializer.end([0, 1]);
    const text = await collectText(serializer);
    assert.equal(text.match(/"appId":"written"/g)?.length, 2);
    const { apps, schemaVersionMin, schemaVersionMax, firstPosition, lastPosition } =
      serializer.summary();
    assert.deepEqual([apps, schemaVersionMin, schemaVersionMax], [['written'], 2, 2]);
    assert.deepEqual([firstPosition?.createdAt, lastPosition?.createdAt], times);
  });

  test('says nothing else of lines out of order, which are bare lines as good as others', async () => {
    const serializer = new JsonlSerializer();
    const text = await written([rows[1]!, rows[0]!], serializer);
    assert.equal(text, jsonlOf([rows[1]!, rows[0]!]));
    const { eventCount, ...summary } = serializer.summary();
    assert.equal(eventCount, 2);
    assert.deepEqual(Reflect.ownKeys(summary).map(String).sort(), [
      'apps',
      'byteCount',
      'firstPosition',
      'lastPosition',
      'schemaVersionMax',
      'schemaVersionMin',
      'sha256',
    ]);
  });

  test('is a TypeError before the stream has ended', async () => {
    const serializer = new JsonlSerializer();
    assert.throws(() => serializer.summary(), TypeError);
    serializer.end(rows);
    assert.throws(() => serializer.summary(), TypeError);
    await Promise.all([once(serializer, 'readable'), once(serializer, 'finish')]);
    // Every line is there to be read, and nobody has read them.
    assert.throws(() => serializer.summary(), TypeError);
    serializer.resume();
    await once(serializer, 'end');
    assert.equal(serializer.summary().eventCount, rows.length);
    assert.deepEqual(serializer.summary(), serializer.summary());
  });

  test('is a TypeError after a failure', async () => {
    const serializer = new JsonlSerializer();
    await failureOf(written([...rows, badRow], serializer));
    assert.throws(() => serializer.summary(), TypeError);
  });

  test('is a TypeError when all was written and the reader left', async () => {
    const serializer = new JsonlSerializer();
    serializer.end(rows);
    await once(serializer, 'finish');
    serializer.destroy();
    await once(serializer, 'close');
    assert.throws(() => serializer.summary(), TypeError);
  });
});

describe('progress', () => {
  test('counts only lines that were handed on, and all of them at the end', async () => {
    const serializer = new JsonlSerializer({ flushEvery: 3 });
    assert.deepEqual(serializer.progress, { lines: 0, bytes: 0 });
    const seen: unknown[] = [];
    for (const row of rows.slice(0, 7)) {
      serializer.write(row);
      seen.push(serializer.progress.lines);
      assert.equal(
        serializer.progress.bytes,
        Buffer.byteLength(jsonlOf(rows.slice(0, serializer.progress.lines))),
      );
      assert.equal(serializer.readableLength, serializer.progress.bytes);
    }
    assert.deepEqual(seen, [0, 0, 3, 3, 3, 6, 6]);
    serializer.end();
    serializer.resume();
    await once(serializer, 'end');
    assert.deepEqual(serializer.progress, {
      lines: 7,
      bytes: Buffer.byteLength(jsonlOf(rows.slice(0, 7))),
    });
  });

  test('goes on without a flush, since text is handed on in pieces', () => {
    const serializer = new JsonlSerializer({ flushEvery: 1_000_000 });
    serializer.write(changeRows(30, 10_000));
    const { lines, bytes } = serializer.progress;
    assert.ok(lines > 0);
    assert.equal(bytes, Buffer.byteLength(jsonlOf(changeRows(30, 10_000).slice(0, lines))));
    serializer.destroy();
  });
});

describe('options', () => {
  type Options = ConstructorParameters<typeof JsonlSerializer>[0];
  const make = (options: unknown): JsonlSerializer => new JsonlSerializer(options as Options);

  test('of the wrong type are a TypeError', () => {
    for (const name of ['flushEvery', 'flushIntervalMs', 'hookTimeoutMs']) {
      for (const value of ['1', 1.5, NaN, Infinity, null, 1n, {}, true]) {
        assert.throws(() => make({ [name]: value }), TypeError, `${name}: ${inspect(value)}`);
      }
    }
    for (const name of ['onFlush', 'map']) {
      for (const value of [null, 1, 'map', {}, Promise.resolve()]) {
        assert.throws(() => make({ [name]: value }), TypeError, `${name}: ${inspect(value)}`);
      }
    }
    assert.throws(() => make(null), TypeError);
  });

  test('that it has not are a TypeError: a Transform’s, a misspelt one', () => {
    for (const name of ['highWaterMark', 'objectMode', 'flushevery', 'transform']) {
      assert.throws(() => make({ [name]: 1 }), TypeError, name);
    }
  });

  test('out of range are a RangeError', () => {
    for (const name of ['flushEvery', 'flushIntervalMs', 'hookTimeoutMs']) {
      for (const value of [0, -1]) assert.throws(() => make({ [name]: value }), RangeError);
    }
    for (const name of ['flushIntervalMs', 'hookTimeoutMs']) {
      assert.throws(() => make({ [name]: 2 ** 31 }), RangeError);
      assert.doesNotThrow(() => make({ [name]: 2 ** 31 - 1 }).destroy());
    }
  });

  test('may be left out or undefined', async () => {
    const none = { map: undefined, onFlush: undefined, flushEvery: undefined };
    const options = { ...none, flushIntervalMs: undefined, hookTimeoutMs: undefined };
    assert.equal(await written(rows, make(options)), expected);
    assert.equal(await written(rows, make(undefined)), expected);
  });
});

describe('back-pressure', () => {
  const MEBIBYTE = 1024 * 1024;

  /** A serialiser that counts the lines it has made. */
  function counting(options: ConstructorParameters<typeof JsonlSerializer>[0] = {}): {
    readonly serializer: JsonlSerializer;
    readonly mapped: () => number;
  } {
    let count = 0;
    const serializer = new JsonlSerializer({
      ...options,
      map: (row) => {
        count += 1;
        return toExportLine(row);
      },
    });
    return { serializer, mapped: () => count };
  }

  const many = changeRows(20_000, 200);

  test('is obeyed within one huge batch: what waits is bounded, and all of it arrives', async () => {
    const { serializer, mapped } = counting();
    serializer.end(many);
    await once(serializer, 'readable');
    for (let turns = 0; turns < 20; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(serializer.readableLength < MEBIBYTE / 2, `${serializer.readableLength} bytes wait`);
    assert.ok(mapped() < many.length / 4, `${mapped()} lines made`);
    assert.equal(await collectText(serializer), jsonlOf(many));
    assert.equal(mapped(), many.length);
  });

  test('is obeyed with a flush after every line and an async hook', async () => {
    let flushCount = 0;
    const { serializer, mapped } = counting({
      flushEvery: 1,
      onFlush: async () => {
        flushCount += 1;
        await Promise.resolve();
      },
    });
    const fat = changeRows(100, 100_000);
    serializer.end(fat);
    await once(serializer, 'readable');
    for (let turns = 0; turns < 50; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(serializer.readableLength < MEBIBYTE / 2, `${serializer.readableLength} bytes wait`);
    assert.equal(mapped(), flushCount);
    assert.ok(flushCount < 10, `${flushCount} flushes`);
    assert.equal(await collectText(serializer), jsonlOf(fat));
    assert.equal(flushCount, fat.length);
  });

  test('reaches the source of single rows', async () => {
    let pulled = 0;
    function* counted(): Generator<ChangeRow> {
      for (const row of many) {
        pulled += 1;
        yield row;
      }
    }
    const serializer = new JsonlSerializer();
    const done = pipeline(Readable.from(counted()), serializer, { end: true });
    await once(serializer, 'readable');
    for (let turns = 0; turns < 50; turns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(serializer.readableLength < MEBIBYTE / 2, `${serializer.readableLength} bytes wait`);
    assert.ok(pulled < many.length / 4, `${pulled} rows pulled`);
    assert.equal(await collectText(serializer), jsonlOf(many));
    await done;
  });

  test('goes on after a wait also when the rest of the batch gives no piece of its own', async () => {
    const fat = changeRows(5, 100_000);
    const few = [...fat, changeRow(), changeRow()];
    const serializer = new JsonlSerializer();
    serializer.write(few.slice(0, 6));
    serializer.end(few.slice(6));
    assert.equal(await settlesWithin(collectText(serializer), 5000), jsonlOf(few));
  });

  test('lets write() answer false while a batch waits', () => {
    const serializer = new JsonlSerializer();
    serializer.write(many);
    assert.equal(serializer.write(many[0]!), false);
    serializer.destroy();
  });

  for (const options of [
    {},
    { flushEvery: 1 },
    { flushEvery: 3, onFlush: () => Promise.resolve() },
  ]) {
    test(`of a slow reader loses nothing: ${inspect(options)}`, async () => {
      const few = many.slice(0, 3000);
      const serializer = new JsonlSerializer(options);
      const chunks: Buffer[] = [];
      const slow = new Writable({
        highWaterMark: 1,
        write(chunk: Buffer, _encoding, callback) {
          chunks.push(Buffer.from(chunk));
          setImmediate(callback);
        },
      });
      await pipeline(Readable.from(inBatches(few, 1000)), serializer, slow);
      assert.equal(Buffer.concat(chunks).toString(), jsonlOf(few));
    });
  }

  test('of a reader that takes one byte at a time loses nothing', async () => {
    const few = many.slice(0, 20);
    const serializer = new JsonlSerializer({ flushEvery: 1 });
    serializer.end(few);
    const taken: Buffer[] = [];
    serializer.on('readable', () => {
      for (
        let byte = serializer.read(1) as Buffer | null;
        byte !== null;
        byte = serializer.read(1) as Buffer | null
      ) {
        taken.push(byte);
      }
    });
    await once(serializer, 'end');
    assert.equal(Buffer.concat(taken).toString(), jsonlOf(few));
  });
});
