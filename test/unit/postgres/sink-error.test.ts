// What an error at COMMIT means, and which codes are SQLSTATEs: told by the code alone, since a server
// writes the severity in its own language.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { commitFailed, sinkFailed } from '../../../src/postgres/sink-error.js';
import { sourceFailed } from '../../../src/postgres/source-error.js';

const place = { stage: 'commit', lineCount: 7, relation: 'public.sync_changes' } as const;

describe('an error at COMMIT', () => {
  const rolledBack: readonly (readonly [code: string, severity: string])[] = [
    ['23505', 'ERROR'],
    ['23505', 'FEHLER'],
    ['23503', 'ОШИБКА'],
    ['P0001', 'ERREUR'],
    ['40001', 'FEHLER'],
    ['57014', 'FEHLER'],
    ['25P03', 'FATAL'],
    ['53100', 'ERROR'],
  ];
  for (const [code, severity] of rolledBack) {
    test(`${severity} ${code}: the transaction was rolled back`, () => {
      const error = commitFailed({ code, severity }, place, false);
      assert.equal(error.code, 'BACKUP_SINK_FAILED');
      assert.deepEqual(error.details, { ...place, sqlState: code });
    });
  }

  const unknown: readonly (readonly [what: string, cause: unknown])[] = [
    ['the connection ended', new Error('Connection terminated unexpectedly')],
    ['a broken pipe', { code: 'EPIPE' }],
    ['a reset connection', { code: 'ECONNRESET' }],
    ['nothing at all', undefined],
    ['the server is shut down', { code: '57P01', severity: 'FATAL' }],
    ['another backend crashed', { code: '57P02', severity: 'WARNING' }],
    ['the database was dropped', { code: '57P04', severity: 'FATAL' }],
    ['a pooler lost the server, and calls that an error', { code: '08P01', severity: 'ERROR' }],
    ['the connection failed', { code: '08006', severity: 'FATAL' }],
    ['the log of the server cannot be written', { code: '53100', severity: 'PANIK' }],
    ['the log of the server cannot be flushed', { code: '58030', severity: 'PANIC' }],
    ['a cluster says itself that it does not know', { code: '40003', severity: 'ERROR' }],
  ];
  for (const [what, cause] of unknown) {
    test(`${what}: nobody knows`, () => {
      const error = commitFailed(cause, place, false);
      assert.equal(error.code, 'BACKUP_COMMIT_UNKNOWN');
      assert.deepEqual(error.details, { lineCount: 7 });
    });
  }
});

describe('a code of the system is no SQLSTATE', () => {
  for (const code of ['EPIPE', 'ECONNRESET', 'EBADF']) {
    test(code, () => {
      assert.equal(sinkFailed({ code }, { ...place, stage: 'stage' }).details.sqlState, undefined);
      const where = { stage: 'read', rowCount: 0, relation: 'public.sync_changes' } as const;
      assert.equal(sourceFailed({ code }, where).details.sqlState, undefined);
    });
  }

  test('and 57P01 and 00000 are', () => {
    for (const code of ['57P01', '00000']) {
      assert.equal(sinkFailed({ code }, place).details.sqlState, code);
    }
  });
});

describe('what the database tells of a failure', () => {
  const at = { ...place, stage: 'write' } as const;

  test('of a column is taken where it is the name of one', () => {
    const cause = { code: '23502', column: 'tenant' };
    assert.deepEqual(sinkFailed(cause, at).details, { ...at, sqlState: '23502', column: 'tenant' });
  });

  test('of a column is not taken from a function of the host, which may tell a value there', () => {
    for (const code of ['P0001', '42703', undefined]) {
      const { details } = sinkFailed({ code, column: 'canary' }, at);
      assert.deepEqual(details, { ...at, ...(code !== undefined && { sqlState: code }) });
    }
  });

  test('may be nothing at all: the pool gave no client in time', () => {
    const connecting = { ...place, stage: 'connect', lineCount: 0 } as const;
    const error = sinkFailed(new Error('timeout exceeded when trying to connect'), connecting);
    assert.deepEqual(error.details, connecting);
    assert.doesNotMatch(error.message, /\(\)|undefined|timeout/);
  });
});
