// The table of targets names what is there, so that `npm run mutants` can be run at any time.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { targets } from './targets.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

test('each file is named once', () => {
  const files = targets.map(({ file }) => file);
  assert.deepEqual(files, [...new Set(files)]);
});

for (const { file, tests, byHand = [], isByHandAlone = false } of targets) {
  test(`${file}: its tests are there, and each text that is changed by hand is there once`, () => {
    assert.ok(tests.length > 0);
    for (const name of tests) assert.ok(existsSync(path.join(ROOT, name)), name);
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    for (const [from, to] of byHand) {
      assert.equal(text.split(from).length, 2, from);
      assert.notEqual(from, to);
    }
    assert.ok(byHand.length > 0 || !isByHandAlone);
  });
}
