// What is expected of an archive is checked before it is looked at: an expectation that cannot be met, or that none
// could miss, is a mistake of the caller's.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { verifyRequestOf } from '../../../src/archive/verify.js';

const ID = '0123456789abcdef'.repeat(2);

test('nothing is expected unless it is said, and a hundred problems are listed', () => {
  assert.deepEqual(verifyRequestOf({}), {
    ...{ userId: undefined, expectArchiveId: undefined, maxLineBytes: undefined },
    policy: { trustedKeys: [], isRequired: false },
    ...{ maxProblems: 100, signal: undefined },
  });
});

test('what is expected is taken as it is', () => {
  const { signal } = new AbortController();
  const given = { userId: '0', expectArchiveId: ID, maxProblems: 1, maxLineBytes: 1, signal };
  const { policy: _, ...request } = verifyRequestOf(given);
  assert.deepEqual(request, given);
});

for (const userId of ['', null, 7, ['user-1']]) {
  test(`M7 a user that is ${JSON.stringify(userId)} is refused`, () => {
    assert.throws(() => verifyRequestOf({ userId: userId as string }), TypeError);
  });
}

for (const id of ['', ID.slice(1), `${ID}0`, `0${ID}`, ID.toUpperCase(), `${ID}\n`, null]) {
  test(`M11 an archive's id that is ${JSON.stringify(id)} is refused`, () => {
    assert.throws(() => verifyRequestOf({ expectArchiveId: id as string }), TypeError);
  });
}

for (const maxProblems of [0, -1, 1.5, Infinity, '1', null]) {
  test(`a list of ${JSON.stringify(maxProblems)} problems (${String(maxProblems)}) is refused`, () => {
    assert.throws(
      () => verifyRequestOf({ maxProblems: maxProblems as number }),
      (error) => error instanceof TypeError || error instanceof RangeError,
    );
  });
}
