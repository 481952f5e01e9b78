import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { stat } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import {
  applyInBatches,
  BackupError,
  encodeExportLine,
  isBackupError,
  parseJsonl,
  RawJson,
} from '../../../src/index.js';
import type { ExportLine } from '../../../src/index.js';
import { keepBusy } from '../../support/busy.js';
import { exportLine } from '../../support/change-rows.js';
import { failAfter } from '../../support/collect.js';
import { failsWith, failureOf } from '../../support/failures.js';

const line = (appId: string, id: string): ExportLine => exportLine({ appId, id });

async function applied(lines: readonly ExportLine[], batchSize?: number, maxWaitingBytes?: number) {
  const batches: [appId: string, ids: string][] = [];
  const report = await applyInBatches(lines, {
    batchSize,
    maxWaitingBytes,
    apply: ({ appId, changes, lines: from }) => {
      assert.deepEqual(
        from.map(({ id }) => id),
        changes.map(({ id }) => id),
      );
      batches.push([appId, changes.map(({ id }) => id).join('')]);
    },
  });
  return { batches, report };
}

test('groups by app in first-seen order, and keeps the order within an app', async () => {
  const lines = [...'b1a1b2a2b3c1b4'.matchAll(/(.)(.)/g)].map(([, app = '', id = '']) =>
    line(app, id),
  );
  const whole = await applied(lines);
  assert.deepEqual(whole.batches, [
    ['b', '1234'],
    ['a', '12'],
    ['c', '1'],
  ]);
  assert.deepEqual(
    [...whole.report.apps],
    [
      ['b', 4],
      ['a', 2],
      ['c', 1],
    ],
  );
  const small = await applied(lines, 2);
  assert.deepEqual(small.batches, [
    ['b', '12'],
    ['a', '12'],
    ['b', '34'],
    ['c', '1'],
  ]);
  assert.deepEqual([small.report.lineCount, small.report.appliedCount], [7, 7]);
});

test('L11 apps named __proto__ and constructor are apps', async () => {
  const { batches } = await applied([
    line('__proto__', '1'),
    line('constructor', '2'),
    line('__proto__', '3'),
  ]);
  assert.deepEqual(batches, [
    ['__proto__', '13'],
    ['constructor', '2'],
  ]);
});

test('an update that carries no field is counted and named, never applied', async () => {
  const empty = exportLine({ op: 'update', data: new RawJson('{"a": 1}') });
  const { batches, report } = await applied([line('a', '1'), empty, line('a', '2')]);
  assert.deepEqual(batches, [['a', '12']]);
  assert.deepEqual([report.lineCount, report.appliedCount, report.emptyUpdateCount], [3, 2, 1]);
  assert.deepEqual(report.emptyUpdates, [{ lineNumber: 2, eventId: empty.eventId }]);
});

test('of many updates that carry no field a hundred are named, and all are counted', async () => {
  const lines = Array.from({ length: 150 }, (_, n) =>
    exportLine({ eventId: `event-${String(n)}`, op: 'update', data: new RawJson('{}') }),
  );
  const { report } = await applied(lines);
  assert.equal(report.emptyUpdateCount, 150);
  assert.deepEqual(
    report.emptyUpdates.map(({ eventId }) => eventId),
    lines.slice(0, 100).map(({ eventId }) => eventId),
  );
});

test('however many apps there are, few changes wait', async () => {
  let waiting = 0;
  let most = 0;
  function* lines(): Generator<ExportLine> {
    for (let n = 0; n < 10_000; n += 1) {
      waiting += 1;
      most = Math.max(most, waiting);
      yield line(`app-${String(n)}`, '1');
    }
  }
  const report = await applyInBatches(lines(), {
    batchSize: 10,
    apply: ({ changes }) => (waiting -= changes.length),
  });
  assert.equal(report.appliedCount, 10_000);
  assert.ok(most <= 641, String(most));
});

test('however large the lines are, few bytes of them wait', async () => {
  const large = 'x'.repeat(10_000);
  const raw = new RawJson(`"${large}"`);
  const kinds: readonly Partial<ExportLine>[] = [
    { data: raw },
    { data: { large: [large] } },
    { data: large },
    { data: null, extra: new Map([['large', raw]]) },
  ];
  for (const members of kinds) {
    let waiting = 0;
    let most = 0;
    const sizes: number[] = [];
    function* lines(): Generator<ExportLine> {
      for (let n = 0; n < 100; n += 1) {
        waiting += 1;
        most = Math.max(most, waiting);
        yield exportLine({ appId: `app-${String(n % 2)}`, ...members });
      }
    }
    const { appliedCount } = await applyInBatches(lines(), {
      maxWaitingBytes: 95_000,
      apply: ({ changes }) => {
        waiting -= changes.length;
        sizes.push(changes.length);
      },
    });
    assert.deepEqual([appliedCount, most, Math.max(...sizes)], [100, 10, 5]);
  }
});

test('one line may be larger than what may wait, and values that hold themselves end', async () => {
  const circle: Record<string, unknown> = {};
  circle['again'] = circle;
  const lines = ['x'.repeat(1000), circle, 'x'.repeat(1000)].map((data) => exportLine({ data }));
  const { batches } = await applied(lines, undefined, 500);
  assert.deepEqual(
    batches.map(([, ids]) => ids.length),
    lines.map(({ id }) => id.length),
  );
});

test('waits for each batch, reports progress, and calls never overlap', async () => {
  let running = 0;
  const progress: [number, number][] = [];
  await applyInBatches(
    ['a', 'b', 'a', 'b'].map((app, n) => line(app, String(n))),
    {
      batchSize: 1,
      apply: async () => {
        running += 1;
        assert.equal(running, 1);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      },
      onProgress: ({ lineCount, appliedCount }) => progress.push([lineCount, appliedCount]),
    },
  );
  assert.deepEqual(progress, [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
  ]);
});

test('an apply that has come back while the process was busy itself is in time', async () => {
  const apply = async (): Promise<void> => {
    process.nextTick(keepBusy, 200);
    await stat('.');
  };
  await applyInBatches([line('a', '1')], { apply, hookTimeoutMs: 100 });
});

test('a throwing, rejecting or silent apply is HOOK_FAILED; an abort gives its reason', async () => {
  const failing: readonly (() => unknown)[] = [
    () => {
      throw new Error('canary');
    },
    () => Promise.reject(new Error('canary')),
    () => new Promise(() => undefined),
  ];
  for (const apply of failing) {
    await assert.rejects(
      applyInBatches([line('a', '1')], { apply, hookTimeoutMs: 50 }),
      (error) => {
        assert.ok(isBackupError(error, 'BACKUP_HOOK_FAILED'));
        assert.equal(error.details.hook, 'apply');
        assert.doesNotMatch(JSON.stringify(error) + error.message, /canary/);
        return true;
      },
    );
  }
  const reason = new Error('enough');
  const controller = new AbortController();
  const stopped = applyInBatches([line('a', '1'), line('a', '2')], {
    batchSize: 1,
    signal: controller.signal,
    apply: () => {
      controller.abort(reason);
    },
  });
  await assert.rejects(stopped, reason);
});

test('a BackupError of a hook’s own is passed on unchanged', async () => {
  const own = new BackupError('BACKUP_COMMIT_UNKNOWN', 'of the host’s own', { lineCount: 1 });
  const fail = (): Promise<never> => Promise.reject(own);
  const apply = (): void => undefined;
  for (const hooks of [{ apply: fail }, { apply, onProgress: fail }]) {
    assert.equal(await failureOf(applyInBatches([line('a', '1')], hooks)), own);
  }
});

describe('an abort', () => {
  const reason = new Error('enough');
  const apply = (): void => undefined;

  test('while bytes are waited for is heard, and closes their stream', async () => {
    const bytes = new PassThrough();
    bytes.write(`${encodeExportLine(line('a', '1'))}\n{"half a`);
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = applyInBatches(parseJsonl(bytes), {
      batchSize: 1,
      signal,
      // By then the next line is waited for.
      apply: () => {
        setImmediate(() => {
          controller.abort(reason);
        });
      },
    });
    assert.equal(await failureOf(stopped, 2_000), reason);
    assert.ok(bytes.destroyed);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  test('while a stream of lines is waited for destroys it', async () => {
    const lines = new PassThrough({ objectMode: true });
    const controller = new AbortController();
    lines.write(line('a', '1'));
    const stopped = applyInBatches(lines as AsyncIterable<ExportLine>, {
      batchSize: 1,
      signal: controller.signal,
      apply: () => {
        setImmediate(() => {
          controller.abort(reason);
        });
      },
    });
    assert.equal(await failureOf(stopped, 2_000), reason);
    assert.ok(lines.destroyed);
  });

  test('asks an iterator that hangs to return, and does not wait for it', async () => {
    const controller = new AbortController();
    let returned = 0;
    const lines: AsyncIterable<ExportLine> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setImmediate(() => {
            controller.abort(reason);
          });
          return new Promise<never>(() => undefined);
        },
        return: () => {
          returned += 1;
          return new Promise<never>(() => undefined);
        },
      }),
    };
    const stopped = applyInBatches(lines, { apply, signal: controller.signal });
    assert.equal(await failureOf(stopped, 2_000), reason);
    assert.equal(returned, 1);
  });

  test('before the beginning reads nothing and closes what was not read', async () => {
    const bytes = new PassThrough();
    const signal = AbortSignal.abort(reason);
    assert.equal(
      await failureOf(applyInBatches(parseJsonl(bytes), { apply, signal }), 2_000),
      reason,
    );
    assert.ok(bytes.destroyed);
    assert.equal(await failureOf(applyInBatches([], { apply, signal })), reason);
  });
});

test('what fails leaves the lines, and tells why rather than what leaving says', async () => {
  let isLeft = false;
  async function* lines(): AsyncGenerator<ExportLine> {
    try {
      yield line('a', '1');
      yield line('a', '2');
    } finally {
      await turn();
      isLeft = true;
      await Promise.reject(new Error('of the leaving'));
    }
  }
  const apply = (): never => {
    throw new Error('canary');
  };
  await failsWith(applyInBatches(lines(), { apply, batchSize: 1 }), 'BACKUP_HOOK_FAILED');
  assert.ok(isLeft);
});

test('an error of the lines is passed on as it is', async () => {
  const error = new Error('of the lines');
  const stopped = applyInBatches(failAfter([line('a', '1')], 1, error), { apply: () => undefined });
  assert.equal(await failureOf(stopped), error);
});

test('promises among plain lines are waited for', async () => {
  const lines = [Promise.resolve(line('a', '1')), line('a', '2')] as ExportLine[];
  assert.deepEqual((await applied(lines)).batches, [['a', '12']]);
});

test('wrong options are a TypeError or RangeError', async () => {
  const apply = () => undefined;
  for (const options of [
    undefined,
    {},
    { apply: 1 },
    { apply, batchSize: '1' },
    { apply, onProgress: 1 },
    { apply, onprogress: apply },
    { apply, maxWaitingBytes: '1' },
  ]) {
    await assert.rejects(applyInBatches([], options as never), TypeError);
  }
  for (const lines of [undefined, null, 7, {}, 'lines', Buffer.from('lines')]) {
    await assert.rejects(applyInBatches(lines as never, { apply }), TypeError);
  }
  await assert.rejects(applyInBatches([], { apply, batchSize: 0 }), RangeError);
  await assert.rejects(applyInBatches([], { apply, maxWaitingBytes: 0 }), RangeError);
});
