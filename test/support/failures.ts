// What must hold after every failure: a typed error that quotes nobody's data, and a pool as good as new.
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type pg from 'pg';

import { type BackupError, type BackupErrorCode, isBackupError } from '../../src/index.js';
import { settlesWithin } from './deadline.js';

const USABLE_WITHIN_MS = 2_000;

// A listener left behind at each export shows as this warning; uncaught, it fails the test.
process.on('warning', (warning) => {
  if (warning.name === 'MaxListenersExceededWarning') throw warning;
});

/** What a promise rejects with; that it does not, or not in time, is a failure. */
export async function failureOf(promise: Promise<unknown>, limitMs = 20_000): Promise<unknown> {
  const outcome = promise.then(
    () => ({ isSuccess: true as const }),
    (error: unknown) => ({ isSuccess: false as const, error }),
  );
  const settled = await settlesWithin(outcome, limitMs, 'A promise that should reject');
  if (settled.isSuccess) assert.fail('succeeded, and should have failed');
  return settled.error;
}

/** The error of a promise that must reject with this code, without a word of anybody's rows in it. */
export async function failsWith<Code extends BackupErrorCode>(
  promise: Promise<unknown>,
  code: Code,
  limitMs?: number,
): Promise<BackupError<Code>> {
  const error = await failureOf(promise, limitMs);
  assert.ok(isBackupError(error, code), `expected ${code}, got ${inspect(error)}`);
  assertQuotesNoRow(error);
  return error;
}

/** G8: nothing of an error, however it is looked at, quotes a row. */
export function assertQuotesNoRow(error: unknown): void {
  const parts = [JSON.stringify(error), inspect(error, { depth: Infinity, showHidden: true })];
  if (error instanceof Error) parts.push(error.message, error.stack ?? '', inspect(error.cause));
  for (const part of parts) assert.doesNotMatch(part, /canary/);
}

/** G4: the next borrower of a pool gets a client at once, outside any transaction, with nobody's user set. */
export async function assertReusable(pool: pg.Pool): Promise<void> {
  const client = await settlesWithin(pool.connect(), USABLE_WITHIN_MS, 'The next borrower');
  try {
    assert.equal(client.getTransactionStatus(), 'I');
    const { rows } = await client.query<{ user: string | null; spaces: string | null }>(
      `SELECT current_setting('app.current_user_id', true) AS user,
              current_setting('app.current_user_space_ids', true) AS spaces`,
    );
    assert.equal(rows[0]?.user ?? '', '');
    assert.equal(rows[0]?.spaces ?? '', '');
  } finally {
    client.release();
  }
}
