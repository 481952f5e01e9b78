// Which schema version a row counts as.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { normalizeSchemaVersion } from '../../../src/index.js';

describe('normalizeSchemaVersion', () => {
  test('L20: missing, zero and negative count as 1', () => {
    for (const version of [undefined, null, 0, -0, -1, -3, -2147483648, Number.MIN_SAFE_INTEGER]) {
      assert.equal(normalizeSchemaVersion(version), 1);
    }
  });

  test('never clamps downwards', () => {
    for (const version of [1, 2, 7, 1000, 2147483647]) {
      assert.equal(normalizeSchemaVersion(version), version);
    }
  });

  test('L20: what is no integer is a TypeError', () => {
    for (const version of [1.5, NaN, Infinity, -Infinity, '1', 1n, true, {}]) {
      assert.throws(() => normalizeSchemaVersion(version as number), TypeError);
    }
  });

  test('L20: what no int4 column holds is a RangeError', () => {
    for (const version of [2147483648, Number.MAX_SAFE_INTEGER, 1e300]) {
      assert.throws(() => normalizeSchemaVersion(version), RangeError);
    }
  });
});
