// What a line that cannot be written is called in a report, and what the error of the first of them tells.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { conflictError, conflictOf } from '../../../src/postgres/restore-conflict.js';
import { lineKinds } from '../../../src/postgres/stage-columns.js';

const ID = '00000000-0000-4000-8000-000000000001';

for (const [kind, reason] of [
  ['repeatedOtherwise', 'repeated'],
  ['presentOtherwise', 'other-content'],
  ['unavailable', 'unavailable'],
] as const) {
  test(`F42 F43 a line that is ${kind} is a conflict for the reason "${reason}"`, () => {
    const conflict = conflictOf({ line: '12', id: ID, kind: lineKinds[kind] });
    assert.deepEqual(conflict, { lineNumber: 12, eventId: ID, reason });
    const error = conflictError(conflict, 3);
    assert.equal(error.code, 'BACKUP_RESTORE_CONFLICT');
    assert.deepEqual(error.details, { ...conflict, conflictCount: 3 });
  });
}

test('the error of a batch says that those before it stay, and otherwise that nothing does', () => {
  const conflict = conflictOf({ line: '1', id: ID, kind: lineKinds.presentOtherwise });
  const [nothing, batches] = [false, true].map((has) => conflictError(conflict, 1, has).message);
  assert.notEqual(nothing, batches);
  assert.equal(conflictError(conflict, 1).message, nothing);
});
