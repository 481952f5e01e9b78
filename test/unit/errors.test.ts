// BackupError: what it tells, and that nothing of a user's data can get into it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';

import { BackupError, isBackupError } from '../../src/index.js';
import { assertQuotesNoRow } from '../support/failures.js';

const details = { stage: 'read', rowCount: 3 } as const;

function errorBecauseOf(cause: unknown): BackupError<'BACKUP_SOURCE_FAILED'> {
  return new BackupError('BACKUP_SOURCE_FAILED', 'the database refused', details, cause);
}

/** An error as pg makes it: message, detail and more of it quote the row. */
function databaseError(): Error {
  return Object.assign(new Error('invalid input syntax: "canary"'), {
    name: 'error',
    code: '22P02',
    severity: 'ERROR',
    routine: 'pg_strtoint32_safe',
    detail: 'Key (id)=(canary) already exists.',
    hint: 'canary',
    where: 'JSON data, line 1: canary',
    internalQuery: "SELECT 'canary'",
    schema: 'canary',
    table: 'canary',
    column: 'canary',
    constraint: 'canary',
    cause: new Error('canary'),
  });
}

describe('BackupError', () => {
  test('tells its code and the details of that code', () => {
    const error = errorBecauseOf(undefined);
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'BackupError');
    assert.equal(error.code, 'BACKUP_SOURCE_FAILED');
    assert.deepEqual(error.details, details);
  });

  test('has no member `cause` when nothing caused it', () => {
    assert.equal('cause' in errorBecauseOf(undefined), false);
    assert.equal('cause' in new BackupError('BACKUP_SOURCE_FAILED', 'text', details), false);
  });

  test('keeps of its cause name, code, severity and routine, and nothing else', () => {
    const error = errorBecauseOf(databaseError());
    assert.deepEqual(error.cause, {
      name: 'error',
      code: '22P02',
      severity: 'ERROR',
      routine: 'pg_strtoint32_safe',
    });
  });

  test('shows nothing of the message, detail and stack of its cause, however it is looked at', () => {
    assert.match(inspect(databaseError()), /canary/);
    assertQuotesNoRow(errorBecauseOf(databaseError()));
  });

  test('takes what is no error as an error without a code', () => {
    for (const cause of ['canary', 7, null, Symbol('canary'), () => 'canary', ['canary']]) {
      const error = errorBecauseOf(cause);
      assert.deepEqual(error.cause, { name: 'Error' });
      assertQuotesNoRow(error);
    }
  });

  test('keeps codes of Node and of this library', () => {
    const nodes = Object.assign(new TypeError('canary'), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.deepEqual(errorBecauseOf(nodes).cause, {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
    });
    assert.deepEqual(errorBecauseOf(errorBecauseOf(undefined)).cause, {
      name: 'BackupError',
      code: 'BACKUP_SOURCE_FAILED',
    });
  });

  test('drops names, codes, severities and routines that are no identifiers', () => {
    const hostile = [
      'a canary',
      'canary\n',
      'canary-1',
      '{"canary":1}',
      'canary@example.org',
      'c'.repeat(65),
      '',
      7,
      { canary: 1 },
      ['canary'],
      null,
    ];
    for (const text of hostile) {
      const error = errorBecauseOf({ name: text, code: text, severity: text, routine: text });
      assert.deepEqual(error.cause, { name: 'Error' }, inspect(text));
    }
  });

  test('keeps an SQLSTATE that begins with a digit', () => {
    for (const code of ['57P01', '08006', '00000', '40001', 'XX000', 'P0001']) {
      assert.equal(errorBecauseOf({ code }).cause?.code, code);
    }
    for (const code of ['57p01', '57P0', '57P011', '1'.repeat(64)]) {
      assert.equal(errorBecauseOf({ code }).cause?.code, undefined);
    }
  });

  test('turns into JSON with its code and details, for a log', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(errorBecauseOf(databaseError()))), {
      name: 'BackupError',
      code: 'BACKUP_SOURCE_FAILED',
      details,
      cause: { name: 'error', code: '22P02', severity: 'ERROR', routine: 'pg_strtoint32_safe' },
    });
  });
});

describe('isBackupError', () => {
  const error = errorBecauseOf(undefined);

  test('knows a BackupError of any code', () => {
    assert.equal(isBackupError(error), true);
  });

  test('asked for a code, knows that code only', () => {
    assert.equal(isBackupError(error, 'BACKUP_SOURCE_FAILED'), true);
    assert.equal(isBackupError(error, 'BACKUP_SOURCE_STALLED'), false);
  });

  test('knows nothing else', () => {
    const lookAlike = Object.assign(new Error(''), { name: 'BackupError', code: error.code });
    for (const other of [
      lookAlike,
      Object.assign({}, error),
      new Error(''),
      null,
      undefined,
      error.code,
    ]) {
      assert.equal(isBackupError(other), false);
      assert.equal(isBackupError(other, 'BACKUP_SOURCE_FAILED'), false);
    }
  });
});
