import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type ExportLine, applyInBatches, isBackupError, RawJson } from '../../../src/index.js';
import { exportLine } from '../../support/change-rows.js';

const line = (appId: string, id: string): ExportLine => exportLine({ appId, id });

async function applied(lines: readonly ExportLine[], batchSize?: number) {
  const batches: [appId: string, ids: string][] = [];
  const report = await applyInBatches(lines, {
    batchSize,
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

test('wrong options are a TypeError or RangeError', async () => {
  const apply = () => undefined;
  for (const options of [
    undefined,
    {},
    { apply: 1 },
    { apply, batchSize: '1' },
    { apply, onProgress: 1 },
    { apply, onprogress: apply },
  ]) {
    await assert.rejects(applyInBatches([], options as never), TypeError);
  }
  await assert.rejects(applyInBatches([], { apply, batchSize: 0 }), RangeError);
});
