// One restore of a user at a time: two of them would wait for each other's rows.

import { relationOf } from './log-table.js';
import type { RestoreRequest } from './restore-options.js';
import type { RestoreSession } from './restore-session.js';

/** Waits until no other restore of this user writes; held until the transaction's end. */
export function lockLog(session: RestoreSession, request: RestoreRequest): Promise<void> {
  return callLock(session, request, 'pg_advisory_xact_lock');
}

/** As {@link lockLog}, but held over the ends of transactions: what was planned must stay true. */
export function lockLogForBatches(session: RestoreSession, request: RestoreRequest): Promise<void> {
  return callLock(session, request, 'pg_advisory_lock');
}

/** Ends {@link lockLogForBatches}; the last transaction has its own. */
export function unlockLog(session: RestoreSession, request: RestoreRequest): Promise<void> {
  return callLock(session, request, 'pg_advisory_unlock');
}

async function callLock(
  session: RestoreSession,
  { scope }: RestoreRequest,
  name: 'pg_advisory_xact_lock' | 'pg_advisory_lock' | 'pg_advisory_unlock',
): Promise<void> {
  const key = `backup-streams/restore/${relationOf(scope.log)}/${scope.userId}`;
  await session.query(
    `SELECT pg_catalog.${name}(pg_catalog.hashtextextended($1::pg_catalog.text, 0))`,
    [key],
    true,
  );
}
