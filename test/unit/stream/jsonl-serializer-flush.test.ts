// JsonlSerializer's flush hook: when it is called, what it can rely on, and what its failure means.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { BackupError, JsonlSerializer, toExportLine } from '../../../src/index.js';
import type { FlushOptions, FlushProgress } from '../../../src/index.js';
import { keepBusy } from '../../support/busy.js';
import { changeRow, changeRows, jsonlOf } from '../../support/change-rows.js';
import { collectText } from '../../support/collect.js';
import { settlesWithin } from '../../support/deadline.js';
import { failsWith, failureOf } from '../../support/failures.js';

const NEVER_ENDS_MS = 10_000;
const rows = changeRows(1001);

/** The progress that stands at the end of so many rows. */
function after(lines: number): FlushProgress {
  return { lines, bytes: Buffer.byteLength(jsonlOf(rows.slice(0, lines))) };
}

/** Every progress that the hook was called with, for the first `count` rows. */
async function flushesOf(
  count: number,
  options: FlushOptions,
  items?: unknown[],
): Promise<FlushProgress[]> {
  const flushes: FlushProgress[] = [];
  const { onFlush, ...others } = options;
  const serializer: JsonlSerializer = new JsonlSerializer({
    ...others,
    onFlush: (progress) => {
      flushes.push(progress);
      return onFlush?.(progress);
    },
  });
  const source = Readable.from(items ?? [rows.slice(0, count)]);
  const done = pipeline(source, serializer, collectText);
  await settlesWithin(done, NEVER_ENDS_MS, 'The pipeline');
  return flushes;
}

/** A promise and what settles it. */
function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe('a flush comes', () => {
  test('after every so many lines, and at the end for the lines since the last one', async () => {
    assert.deepEqual(await flushesOf(10, { flushEvery: 4 }), [4, 8, 10].map(after));
    assert.deepEqual(await flushesOf(3, { flushEvery: 1 }), [1, 2, 3].map(after));
    assert.deepEqual(await flushesOf(3, { flushEvery: 4 }), [3].map(after));
  });

  test('not at the end when there are no lines since the last one', async () => {
    assert.deepEqual(await flushesOf(8, { flushEvery: 4 }), [4, 8].map(after));
  });

  test('after every 500 lines unless told otherwise', async () => {
    assert.deepEqual(await flushesOf(1001, {}), [500, 1000, 1001].map(after));
    assert.deepEqual(await flushesOf(1000, {}), [500, 1000].map(after));
  });

  test('at the same lines however the rows come', async () => {
    const few = rows.slice(0, 10);
    for (const items of [few, [few], [few.slice(0, 3), few.slice(3)], [[], few, []]]) {
      assert.deepEqual(await flushesOf(10, { flushEvery: 4 }, items), [4, 8, 10].map(after));
    }
  });

  test('at the same lines for fat rows, which are handed on earlier', async () => {
    const fat = changeRows(5, 200_000);
    const flushes = await flushesOf(0, { flushEvery: 2 }, [fat]);
    const bytes = (lines: number): number => Buffer.byteLength(jsonlOf(fat.slice(0, lines)));
    assert.deepEqual(
      flushes,
      [2, 4, 5].map((lines) => ({ lines, bytes: bytes(lines) })),
    );
  });

  test('on the time limit, though the stream goes on and is not full', async () => {
    const flushed = deferred();
    const flushes: FlushProgress[] = [];
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 5,
      onFlush: (progress) => {
        flushes.push(progress);
        assert.equal(serializer.readableLength, progress.bytes);
        flushed.resolve();
      },
    });
    serializer.write(rows.slice(0, 3));
    assert.equal(serializer.readableLength, 0);
    await settlesWithin(flushed.promise, NEVER_ENDS_MS, 'The flush');
    assert.deepEqual(flushes, [after(3)]);
    serializer.end();
    assert.equal(await collectText(serializer), jsonlOf(rows.slice(0, 3)));
    assert.deepEqual(flushes, [after(3)]);
  });

  test('on the time limit without a hook too: the bytes are there to be read', async () => {
    const serializer: JsonlSerializer = new JsonlSerializer({ flushIntervalMs: 5 });
    serializer.write(rows[0]);
    await once(serializer, 'readable', { signal: AbortSignal.timeout(NEVER_ENDS_MS) });
    assert.equal(serializer.readableLength, after(1).bytes);
    serializer.destroy();
  });

  test('on the time limit of the oldest line: younger ones do not put it off', async () => {
    const flushes: FlushProgress[] = [];
    const serializer = new JsonlSerializer({
      flushEvery: 1_000_000,
      flushIntervalMs: 100,
      onFlush: (progress) => flushes.push(progress),
    });
    serializer.resume();
    serializer.write(rows[0]);
    // Timers of one process run in the order in which they are due, however slow the machine is.
    const clock = { isLater: false };
    setTimeout(() => {
      clock.isLater = true;
    }, 200);
    while (!clock.isLater) {
      serializer.write(rows[0]);
      await turn();
    }
    assert.notDeepEqual(flushes, []);
    serializer.destroy();
  });

  test('on the time limit again and again', async () => {
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 2,
      onFlush: ({ lines }) => serializer.emit(`flushed ${lines}`),
    });
    for (let lines = 1; lines <= 3; lines += 1) {
      const signal = AbortSignal.timeout(NEVER_ENDS_MS);
      const flushed = once(serializer, `flushed ${lines}`, { signal });
      serializer.write(rows[lines - 1]);
      await flushed;
    }
    serializer.destroy();
  });

  test('on the time limit while the reader makes the rest of the batch wait', async () => {
    const fat = changeRows(20, 100_000);
    const flushed = deferred();
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 5,
      onFlush: flushed.resolve,
    });
    serializer.end(fat);
    await settlesWithin(flushed.promise, NEVER_ENDS_MS, 'The flush');
    assert.ok(serializer.readableLength < 1_000_000);
    assert.equal(await collectText(serializer), jsonlOf(fat));
  });

  test('with a hook that is async on the time limit: the stream ends after it', async () => {
    const called = deferred();
    const release = deferred();
    let isBack = false;
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 5,
      onFlush: async () => {
        called.resolve();
        await release.promise;
        isBack = true;
      },
    });
    serializer.write(rows[0]);
    await called.promise;
    serializer.end();
    const text = collectText(serializer);
    await turn();
    assert.equal(serializer.writableFinished, false);
    release.resolve();
    assert.equal(await text, jsonlOf(rows.slice(0, 1)));
    assert.ok(isBack);
  });

  test('with a hook that is async on the time limit: a row that comes meanwhile waits for it', async () => {
    const called = deferred();
    const release = deferred();
    const mapped: string[] = [];
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 5,
      map: (row) => {
        mapped.push(row.id);
        return toExportLine(row);
      },
      onFlush: () => {
        called.resolve();
        return release.promise;
      },
    });
    const [first, second] = changeRows(2);
    serializer.write(first);
    await settlesWithin(called.promise, NEVER_ENDS_MS, 'The flush');
    serializer.end(second);
    await turn();
    assert.deepEqual(mapped, [first?.id]);
    release.resolve();
    assert.equal(await collectText(serializer), jsonlOf(rows.slice(0, 2)));
    assert.deepEqual(mapped, [first?.id, second?.id]);
  });

  test('on the time limit for a row that the hook itself writes, after the hook', async () => {
    const release = deferred();
    const again = deferred();
    const flushes: FlushProgress[] = [];
    let isTimeOver = false;
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushIntervalMs: 5,
      onFlush: (progress) => {
        flushes.push(progress);
        if (flushes.length > 1) {
          assert.ok(isTimeOver);
          again.resolve();
          return undefined;
        }
        serializer.write(rows[1]);
        // Set later than the row's own, and as long: it has been due by then.
        setTimeout(() => {
          isTimeOver = true;
          release.resolve();
        }, 5);
        return release.promise;
      },
    });
    serializer.write(rows[0]);
    await settlesWithin(again.promise, NEVER_ENDS_MS, 'The second flush');
    assert.deepEqual(flushes, [after(1), after(2)]);
    serializer.destroy();
  });
});

describe('a flush hook', () => {
  test('runs when all of its bytes can be read', async () => {
    let calls = 0;
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushEvery: 3,
      onFlush: (progress) => {
        calls += 1;
        assert.equal(serializer.readableLength, progress.bytes);
        assert.deepEqual(serializer.progress, progress);
        assert.deepEqual(progress, after(calls * 3));
      },
    });
    serializer.write(rows.slice(0, 9));
    assert.equal(calls, 3);
    serializer.destroy();
  });

  test('that is async is waited for before any further line is made', async () => {
    let mapped = 0;
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushEvery: 2,
      map: (row) => {
        mapped += 1;
        return toExportLine(row);
      },
      onFlush: async ({ lines }) => {
        for (let turns = 0; turns < 5; turns += 1) await turn();
        assert.equal(mapped, lines);
        assert.deepEqual(serializer.progress, after(lines));
      },
    });
    const items = [rows.slice(0, 5), ...rows.slice(5, 8)];
    const text = pipeline(Readable.from(items), serializer, collectText);
    assert.equal(await text, jsonlOf(rows.slice(0, 8)));
  });

  test('that is async is waited for before the end', async () => {
    const order: string[] = [];
    const serializer: JsonlSerializer = new JsonlSerializer({
      onFlush: async () => {
        await turn();
        order.push('hook');
      },
    });
    serializer.on('finish', () => order.push('finish')).on('end', () => order.push('end'));
    serializer.end(rows[0]);
    await collectText(serializer);
    assert.deepEqual(order, ['hook', 'finish', 'end']);
  });

  test('is called by no two at a time, whatever calls for a flush', async () => {
    let running = 0;
    const flushes = await flushesOf(
      300,
      {
        flushEvery: 3,
        flushIntervalMs: 1,
        onFlush: async () => {
          running += 1;
          assert.equal(running, 1);
          for (let turns = 0; turns < 3; turns += 1) await turn();
          running -= 1;
        },
      },
      [rows.slice(0, 100), ...rows.slice(100, 200), rows.slice(200, 300)],
    );
    assert.deepEqual(flushes.at(-1), after(300));
    const lines = flushes.map((progress) => progress.lines);
    assert.deepEqual(
      lines,
      [...new Set(lines)].sort((a, b) => a - b),
    );
  });

  test('may give anything that can be awaited, or anything else', async () => {
    const thenable = {
      then: (resolve: (value: unknown) => void) => {
        setImmediate(resolve, 1);
      },
    };
    const results: unknown[] = [
      thenable,
      undefined,
      null,
      7,
      'x',
      {},
      { then: 1 },
      Promise.resolve(),
    ];
    for (const result of results) {
      const flushes = await flushesOf(4, { flushEvery: 2, onFlush: () => result });
      assert.deepEqual(flushes, [2, 4].map(after), inspect(result));
    }
  });

  test('sees its options as they were when the stream was made', async () => {
    const options = { flushEvery: 2, onFlush: (): void => undefined };
    const serializer: JsonlSerializer = new JsonlSerializer(options);
    options.flushEvery = 1;
    options.onFlush = () => assert.fail('a hook that was set later');
    serializer.end(rows.slice(0, 4));
    await collectText(serializer);
  });
});

const failure = Object.assign(new TypeError('canary'), { code: 'ERR_HOST' });

const failingHooks: Readonly<Record<string, () => unknown>> = {
  throws: () => {
    throw failure;
  },
  rejects: () => Promise.reject(failure),
  'rejects late': () => turn().then(() => Promise.reject(failure)),
  'gives a thenable that rejects': () => ({
    then: (_: unknown, reject: (error: unknown) => void) => {
      reject(failure);
    },
  }),
  'gives a thenable that throws': () => ({
    then: () => {
      throw failure;
    },
  }),
  'gives a function that is a thenable and rejects': () =>
    Object.assign(() => undefined, {
      then: (_: unknown, reject: (error: unknown) => void) => {
        reject(failure);
      },
    }),
  'gives what throws when asked for its then': () => ({
    get then() {
      throw failure;
    },
  }),
};

describe('a flush hook fails the stream when it', () => {
  for (const [what, onFlush] of Object.entries(failingHooks)) {
    for (const [when, count, lineNumber] of [
      ['within a batch', 9, 4],
      ['at the end of a batch', 4, 4],
      ['at the end of the stream', 3, 3],
    ] as const) {
      test(`${what} ${when}`, async () => {
        const error = await failsWith(
          flushesOf(count, { flushEvery: 4, onFlush }),
          'BACKUP_HOOK_FAILED',
        );
        assert.deepEqual(error.details, { hook: 'onFlush', lineNumber });
        assert.deepEqual(error.cause, { name: 'TypeError', code: 'ERR_HOST' });
      });
    }

    test(`${what} on the time limit`, async () => {
      const serializer: JsonlSerializer = new JsonlSerializer({ flushIntervalMs: 2, onFlush });
      serializer.write(rows[0]);
      const error = await failsWith(collectText(serializer), 'BACKUP_HOOK_FAILED');
      assert.deepEqual(error.details, { hook: 'onFlush', lineNumber: 1 });
    });

    test(`${what} on the time limit, and nobody reads`, async () => {
      const serializer = new JsonlSerializer({ flushIntervalMs: 2, onFlush });
      serializer.write(rows[0]);
      await failsWith(once(serializer, 'drain'), 'BACKUP_HOOK_FAILED');
      await turn();
      assert.ok(serializer.closed);
    });

    test(`${what}, and no row comes after it`, async () => {
      const serializer = new JsonlSerializer({ flushEvery: 4, onFlush });
      serializer.write(rows.slice(0, 4));
      const error = await failsWith(once(serializer, 'drain'), 'BACKUP_HOOK_FAILED');
      assert.deepEqual(error.details, { hook: 'onFlush', lineNumber: 4 });
      assert.ok(serializer.destroyed);
    });
  }

  test('throws nothing that is an error', async () => {
    const noErrors: unknown[] = ['canary', null, undefined, { canary: 1 }];
    for (const thrown of noErrors) {
      for (const onFlush of [
        (): unknown => {
          throw thrown;
        },
        (): unknown => Promise.reject(thrown),
      ]) {
        const error = await failsWith(flushesOf(1, { onFlush }), 'BACKUP_HOOK_FAILED');
        assert.deepEqual(error.details, { hook: 'onFlush', lineNumber: 1 });
      }
    }
  });

  test('throws a BackupError, or rejects with one: with that very error', async () => {
    const own = new BackupError('BACKUP_COMMIT_UNKNOWN', 'of the hook’s own', { lineCount: 1 });
    for (const onFlush of [
      (): unknown => {
        throw own;
      },
      (): unknown => Promise.reject(own),
    ]) {
      assert.equal(await failureOf(flushesOf(1, { onFlush })), own);
    }
  });

  for (const [when, count, lineNumber] of [
    ['within a batch', 9, 4],
    ['at the end', 3, 3],
  ] as const) {
    test(`never comes back ${when}`, async () => {
      const onFlush = (): Promise<never> => new Promise(() => undefined);
      const options = { flushEvery: 4, hookTimeoutMs: 20, onFlush };
      const error = await failsWith(flushesOf(count, options), 'BACKUP_HOOK_FAILED');
      assert.deepEqual(error.details, { hook: 'onFlush', lineNumber, limitMs: 20 });
    });
  }

  test('never comes back, and no line after it is made', async () => {
    let mapped = 0;
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushEvery: 1,
      hookTimeoutMs: 20,
      map: (row) => {
        mapped += 1;
        return toExportLine(row);
      },
      onFlush: () => new Promise(() => undefined),
    });
    serializer.end(rows);
    await failsWith(collectText(serializer), 'BACKUP_HOOK_FAILED');
    assert.equal(mapped, 1);
  });

  test('has come back while the process was busy itself', async () => {
    const onFlush = (): Promise<unknown> => {
      process.nextTick(keepBusy, 200);
      return stat('.');
    };
    const flushes = await flushesOf(2, { flushEvery: 1, hookTimeoutMs: 100, onFlush });
    assert.equal(flushes.length, 2);
  });

  test('is quick each time, however long the whole takes', async () => {
    const flushes = await flushesOf(40, {
      flushEvery: 1,
      hookTimeoutMs: 200,
      onFlush: () => turn(),
    });
    assert.equal(flushes.length, 40);
  });
});

describe('a flush hook that destroys the stream', () => {
  const ways: Readonly<Record<string, (serializer: JsonlSerializer) => unknown>> = {
    'and comes back': (serializer) => {
      serializer.destroy();
    },
    'and never comes back': (serializer) => {
      serializer.destroy();
      return new Promise(() => undefined);
    },
    'and throws': (serializer) => {
      serializer.destroy();
      throw failure;
    },
    'and rejects': (serializer) => {
      serializer.destroy();
      return Promise.reject(failure);
    },
    late: async (serializer) => {
      await turn();
      serializer.destroy();
    },
    'late, and rejects': async (serializer) => {
      await turn();
      serializer.destroy();
      throw failure;
    },
  };
  for (const [what, hook] of Object.entries(ways)) {
    for (const count of [9, 2, 1]) {
      test(`${what}, of ${count} rows: nothing runs any more, and no error comes of it`, async () => {
        let calls = 0;
        let mapped = 0;
        const serializer: JsonlSerializer = new JsonlSerializer({
          flushEvery: 2,
          flushIntervalMs: 60_000,
          map: (row) => {
            mapped += 1;
            return toExportLine(row);
          },
          onFlush: () => {
            calls += 1;
            return hook(serializer);
          },
        });
        const heard: string[] = [];
        for (const event of ['error', 'end', 'close', 'finish']) {
          serializer.on(event, () => heard.push(event));
        }
        serializer.end(rows.slice(0, count));
        serializer.resume();
        await once(serializer, 'close');
        for (let turns = 0; turns < 5; turns += 1) await turn();
        assert.deepEqual(heard, ['close']);
        assert.equal(calls, 1);
        assert.equal(mapped, Math.min(2, count));
      });
    }
  }

  test('with an error: that error is told', async () => {
    const own = new Error('the host has had enough');
    const serializer: JsonlSerializer = new JsonlSerializer({
      flushEvery: 1,
      onFlush: () => serializer.destroy(own),
    });
    serializer.end(rows);
    assert.equal(await failureOf(collectText(serializer)), own);
  });
});

describe('a reader that destroys the stream', () => {
  test('while it is handed bytes, keeps their flush hook from being called', async () => {
    let calls = 0;
    let mapped = 0;
    const serializer = new JsonlSerializer({
      flushEvery: 2,
      map: (row) => {
        mapped += 1;
        return toExportLine(row);
      },
      onFlush: () => {
        calls += 1;
      },
    });
    serializer.on('data', () => serializer.destroy());
    await turn();
    serializer.end(rows);
    await once(serializer, 'close');
    await turn();
    assert.deepEqual([calls, mapped], [0, 2]);
  });
});

describe('a mapper that destroys the stream', () => {
  test('is not called again', async () => {
    let mapped = 0;
    const serializer: JsonlSerializer = new JsonlSerializer({
      map: () => {
        mapped += 1;
        if (mapped === 3) serializer.destroy();
        return toExportLine(changeRow());
      },
    });
    serializer.end(rows);
    await once(serializer, 'close');
    await turn();
    assert.equal(mapped, 3);
  });
});
