// One restore of a user at a time: two of them would wait for each other's rows.

import { relationOf } from './log-table.js';
import type { RestoreRequest } from './restore-options.js';
import type { RestoreSession } from './restore-session.js';

/** Waits until no other restore of this user writes; held until the transaction's end. */
export async function lockLog(session: RestoreSession, { scope }: RestoreRequest): Promise<void> {
  const key = `backup-streams/restore/${relationOf(scope.log)}/${scope.userId}`;
  await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [key], true);
}
