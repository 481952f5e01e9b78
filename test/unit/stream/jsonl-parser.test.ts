import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import type { RawJson } from '../../../src/index.js';
import {
  type ExportLine,
  type JsonlParserOptions,
  decodeExportLine,
  encodeExportLine,
  isBackupError,
  parseJsonl,
} from '../../../src/index.js';
import { settlesWithin } from '../../support/deadline.js';
import { failsWith } from '../../support/failures.js';
import { feedingsOf } from '../../support/feedings.js';
import { jsonlVectors } from '../../support/jsonl-vectors.js';
import lineVectors from '../../vectors/lines.json' with { type: 'json' };

interface Verdict {
  readonly lines: readonly ExportLine[];
  readonly code: string | null;
  readonly details: unknown;
}

async function verdictOf(
  chunks: Iterable<Uint8Array>,
  options?: JsonlParserOptions,
): Promise<Verdict> {
  const lines: ExportLine[] = [];
  try {
    for await (const line of parseJsonl(chunks, options)) lines.push(line);
    return { lines, code: null, details: null };
  } catch (error) {
    assert.ok(isBackupError(error), inspect(error));
    assert.doesNotMatch(inspect(error), /canary/);
    return { lines, code: error.code, details: error.details };
  }
}

const LINE = lineVectors[0]?.line ?? '';

describe('parseJsonl gives every vector its verdict, whole, byte by byte and in pieces', () => {
  for (const [index, { tag, name, bytes, code, lineNumber, member }] of jsonlVectors.entries()) {
    test(`${tag} ${name}`, async () => {
      const expected = await verdictOf([bytes]);
      assert.equal(expected.code, code);
      const details = expected.details as { lineNumber?: number; member?: string } | null;
      if (lineNumber !== undefined) assert.equal(details?.lineNumber, lineNumber);
      if (member !== undefined) assert.equal(details?.member, member);
      for (const feeding of feedingsOf(bytes, index)) {
        assert.deepEqual(await verdictOf(feeding.chunks), expected, feeding.name);
        const withValues = await verdictOf(feeding.chunks, { values: true });
        assert.equal(withValues.code, expected.code, `${feeding.name}, values`);
        assert.deepEqual(withValues.details, expected.details, `${feeding.name}, values`);
        assert.equal(withValues.lines.length, expected.lines.length);
      }
    });
  }
});

test('every valid line of the vectors is read and written again byte for byte', async () => {
  const text = lineVectors.map(({ line }) => `${line}\n`).join('');
  for (const { name, chunks } of feedingsOf(Buffer.from(text), 7)) {
    const { lines } = await verdictOf(chunks);
    assert.equal(lines.map((line) => `${encodeExportLine(line)}\n`).join(''), text, name);
  }
});

test('decodeExportLine agrees with parseJsonl on every vector of one line', async () => {
  let count = 0;
  for (const { name, bytes } of jsonlVectors) {
    const text = bytes.toString();
    if (!Buffer.from(text).equals(bytes) || !text.endsWith('\n')) continue;
    for (const line of text.slice(0, -1).split('\n')) {
      count += 1;
      const { lines, code } = await verdictOf([Buffer.from(`${line}\n`)]);
      if (code === null) assert.deepEqual(decodeExportLine(line), lines[0], name);
      else {
        assert.throws(
          () => decodeExportLine(line),
          (error) => isBackupError(error) && error.code === code,
          name,
        );
      }
    }
  }
  assert.ok(count > 300);
});

test('L11 members of any name are data: nothing reaches a prototype', async () => {
  const data = '{"__proto__": {"polluted": 1}}';
  const line = LINE.replace(/"data":\{.*?\},/, '').replace(
    '"clientId"',
    `"data":${data},"__proto__":2,"clientId"`,
  );
  const bytes = Buffer.from(`${line}\n`);
  const [raw] = (await verdictOf([bytes])).lines;
  assert.equal((raw?.data as RawJson).text, data);
  assert.equal(raw?.extra?.get('__proto__')?.text, '2');
  const [parsed] = (await verdictOf([bytes], { values: true })).lines;
  assert.deepEqual(Object.keys(parsed?.data as object), ['__proto__']);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test('L14 numbers keep their text, and with values they are what JSON.parse makes', async () => {
  const numbers = '[1e400, -1e400, 1e-400, 123456789012345678901234567890, -0, 1.0]';
  const line = LINE.replace(/"data":\{.*?\},/, '').replace(
    '"clientId"',
    `"data":${numbers},"clientId"`,
  );
  const bytes = Buffer.from(`${line}\n`);
  const [raw] = (await verdictOf([bytes])).lines;
  assert.equal((raw?.data as RawJson).text, numbers);
  const [parsed] = (await verdictOf([bytes], { values: true })).lines;
  assert.deepEqual(parsed?.data, JSON.parse(numbers));
});

test('L7 a line without an end is given up after the limit, in linear time', async () => {
  for (const values of [false, true]) {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let fed = 0;
    function* endless(): Generator<Uint8Array> {
      for (;;) {
        fed += piece.length;
        yield piece;
      }
    }
    const started = performance.now();
    const limit = 64 * 1024 * 1024;
    const { code, details } = await verdictOf(endless(), { maxLineBytes: limit, values });
    assert.equal(code, 'BACKUP_LIMIT_EXCEEDED');
    assert.deepEqual(details, { limit: 'maxLineBytes', limitValue: limit, lineNumber: 1 });
    assert.ok(fed <= limit + piece.length);
    assert.ok(performance.now() - started < 2_000, 'took too long');
  }
});

test('L7 the limit counts a line without its line feed, wherever it is cut', async () => {
  const bytes = Buffer.from(`${LINE}\n${LINE} \n`);
  for (const { name, chunks } of feedingsOf(bytes, 3)) {
    const { lines, code, details } = await verdictOf(chunks, { maxLineBytes: LINE.length });
    assert.equal(lines.length, 1, name);
    assert.equal(code, 'BACKUP_LIMIT_EXCEEDED', name);
    assert.deepEqual(
      details,
      { limit: 'maxLineBytes', limitValue: LINE.length, lineNumber: 2 },
      name,
    );
  }
});

test('L8 100,000 levels are read, and refused past maxDepth', async () => {
  const depth = 100_000;
  const deep = '['.repeat(depth) + ']'.repeat(depth);
  const bytes = Buffer.from(
    `${LINE.replace(/"data":\{.*?\},/, '').replace('"clientId"', `"data":${deep},"clientId"`)}\n`,
  );
  const [line] = (await verdictOf([bytes])).lines;
  assert.equal((line?.data as RawJson).text, deep);
  assert.equal((await verdictOf([bytes], { maxDepth: depth })).code, null);
  const { code, details } = await verdictOf([bytes], { maxDepth: depth - 1 });
  assert.equal(code, 'BACKUP_LIMIT_EXCEEDED');
  assert.equal((details as { limit: string }).limit, 'maxDepth');
  assert.equal((details as { lineNumber: number }).lineNumber, 1);
  const unclosed = Buffer.from(`${'['.repeat(depth)}\n`);
  assert.equal((await verdictOf([unclosed])).code, 'BACKUP_LINE_INVALID');
});

test('leaving early ends the reading of the bytes', async () => {
  let isClosed = false;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.from(`${LINE}\n`);
    } finally {
      isClosed = true;
    }
  }
  for await (const line of parseJsonl(bytes())) {
    assert.equal(line.op, decodeExportLine(LINE).op);
    break;
  }
  assert.ok(isClosed);
});

test('leaving while a read hangs ends that read, closes the bytes and takes no half line for cut', async () => {
  const stream = new PassThrough();
  stream.write(`${LINE}\n{"half a`);
  let isReturned = false;
  const hanging: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<never>(() => undefined),
      return: () => {
        isReturned = true;
        return new Promise<never>(() => undefined);
      },
    }),
  };
  for (const [bytes, lineCount] of [
    [stream, 1],
    [hanging, 0],
  ] as const) {
    const lines = parseJsonl(bytes);
    for (let count = 0; count < lineCount; count += 1) await lines.next();
    const pending = lines.next();
    await turn();
    const left = await settlesWithin(lines.return!(), 2_000);
    assert.deepEqual(
      [left, await pending],
      [
        { done: true, value: undefined },
        { done: true, value: undefined },
      ],
    );
  }
  assert.ok(stream.destroyed);
  assert.ok(isReturned);
});

test('a read that begins while the bytes are being closed finds the end, and asks for no more', async () => {
  let readCount = 0;
  let close: () => void = () => undefined;
  const bytes: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        readCount += 1;
        return Promise.resolve({ done: false, value: Buffer.from(`${LINE}\n{"half`) });
      },
      return: () =>
        new Promise((resolve) => {
          close = () => {
            resolve({ done: true, value: undefined });
          };
        }),
    }),
  };
  const lines = parseJsonl(bytes);
  assert.equal((await lines.next()).done, false);
  const leaving = lines.return!();
  assert.equal((await lines.next()).done, true);
  close();
  await leaving;
  assert.equal(readCount, 1);
});

test('an invalid line closes the bytes', async () => {
  const bytes = new PassThrough();
  bytes.write('{}\n');
  await failsWith(parseJsonl(bytes).next(), 'BACKUP_LINE_INVALID');
  assert.ok(bytes.destroyed);
});

test('an error of the bytes is passed on as it is', async () => {
  const error = new Error('the disk');
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`${LINE}\n`);
    throw error;
  }
  await assert.rejects(async () => {
    for await (const line of parseJsonl(bytes())) assert.ok(line);
  }, error);
});

test('wrong use is a TypeError or RangeError at the call', async () => {
  assert.throws(() => parseJsonl(Buffer.from('x') as never), TypeError);
  assert.throws(() => parseJsonl('x' as never), TypeError);
  assert.throws(() => parseJsonl([], { values: 1 as never }), TypeError);
  assert.throws(() => parseJsonl([], { value: true } as never), TypeError);
  assert.throws(() => parseJsonl([], null as never), TypeError);
  assert.throws(() => parseJsonl([], { maxLineBytes: 0 }), RangeError);
  assert.throws(() => parseJsonl([], { maxDepth: 1.5 }), TypeError);
  await assert.rejects(parseJsonl(['text' as never]).next(), TypeError);
});

test('data and fieldTimestamps that are null or {} count as none', async () => {
  for (const value of ['null', '{}', '{ }', ' null ']) {
    const line = LINE.replace(/"data":\{.*?\},/, '').replace(
      '"clientId"',
      `"data":${value},"fieldTimestamps":${value},"clientId"`,
    );
    for (const values of [false, true]) {
      const [read] = (await verdictOf([Buffer.from(`${line}\n`)], { values })).lines;
      assert.deepEqual([read?.data, read?.fieldTimestamps], [undefined, undefined]);
    }
  }
});

describe('a source that fails besides', () => {
  const damaged = Buffer.from('{"not":"a line"}\n');

  test('when it is closed: the line that is invalid is what is told', async () => {
    let closings = 0;
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: damaged }),
        return: () => {
          closings += 1;
          return Promise.reject(new Error('not now'));
        },
      }),
    };
    const { details } = await failsWith(
      (async () => {
        for await (const line of parseJsonl(source)) assert.fail(line.eventId);
      })(),
      'BACKUP_LINE_INVALID',
    );
    assert.deepEqual([details.lineNumber, closings], [1, 1]);
  });

  test('at once, without a promise: its own error is told, and it is not asked to return', async () => {
    const broken = new Error('broken');
    let closings = 0;
    const source: Iterable<Uint8Array> = {
      [Symbol.iterator]: () => ({
        next: () => {
          throw broken;
        },
        return: () => {
          closings += 1;
          return { done: true, value: undefined };
        },
      }),
    };
    await assert.rejects(parseJsonl(source)[Symbol.asyncIterator]().next(), (error) => {
      assert.equal(error, broken);
      return true;
    });
    assert.equal(closings, 0);
  });
});
