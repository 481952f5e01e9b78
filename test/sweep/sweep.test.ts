// A small share of the sweep, and that a sweep finds what it is there to find.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { SweepFailure, sweep } from './sweep.js';
import { type Target, loadTargets } from './targets.js';

describe('a share of the sweep', async () => {
  for (const target of await loadTargets()) {
    test(`${target.name}: typed errors, and nothing false is taken for whole`, async () => {
      const { cases, outcomes } = await sweep(target, {
        seed: 7,
        count: target.fullCount / 1_000,
      }).finally(() => target.close?.());
      assert.equal(cases, target.fullCount / 1_000);
      // Of few cases all may end alike.
      assert.ok(cases < 10 || Object.keys(outcomes).length > 1, JSON.stringify(outcomes));
    });
  }
});

test('a case that goes wrong is named, and goes wrong again when it is tried alone', async () => {
  const target: Target = {
    name: 'numbers',
    fullCount: 1_000,
    try(random) {
      const number = random.integer(0, 99);
      assert.notEqual(number, 42);
      return String(number);
    },
  };
  const failure = await sweep(target, { seed: 3, count: 1_000 }).catch((error: unknown) => error);
  assert.ok(failure instanceof SweepFailure);
  const [, caseNumber] = /case (\d+)/.exec(failure.message) ?? [];
  await assert.rejects(
    sweep(target, { seed: 3, first: Number(caseNumber), count: 1 }),
    SweepFailure,
  );
  await sweep(target, { seed: 3, first: Number(caseNumber) + 1, count: 1 });
});
