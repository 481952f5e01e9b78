// Why row-level security would not hold, or would hide rows without a word.

import { BackupError } from '../errors.js';
import type { TenancyGap } from '../errors.js';
import type { LogScope } from './export-options.js';
import type { LogFacts } from './log-facts.js';
import { isStandardLog, relationOf } from './log-table.js';
import type { LogTable } from './log-table.js';

/**
 * Checks that row-level security holds for this role, where it is required, and wherever it is active
 * that it lets the user's rows be read, as far as the catalogs show: what a policy's functions read is
 * not seen.
 *
 * @throws BackupError `BACKUP_TENANCY_UNSAFE`
 */
export function assertRowSecurity(facts: LogFacts, { log, settings, rowSecurity }: LogScope): void {
  if (!facts.isActive) {
    if (rowSecurity === 'require') throw tenancyUnsafe(log, inertness(facts));
    return;
  }
  const { policies } = facts;
  if (!policies.some(({ isPermissive }) => isPermissive)) throw tenancyUnsafe(log, 'no-policy');
  const setting = missingSetting(facts, new Set(settings.map(([name]) => name)));
  if (setting !== undefined) throw tenancyUnsafe(log, 'setting-not-given', setting);
}

function inertness(facts: LogFacts): TenancyGap {
  // Through a view the policies of its owner apply, which may be none.
  if (facts.kind !== 'r' && facts.kind !== 'p') return 'not-a-table';
  if (!facts.isEnabled) return 'disabled-on-table';
  if (facts.isSuperuser) return 'role-is-superuser';
  if (facts.bypasses) return 'role-bypasses-row-security';
  return facts.isOwner && !facts.isForced ? 'owner-without-force' : 'inactive';
}

/**
 * The setting whose emptiness may hide rows. Every restrictive policy must pass; of permissive ones a
 * single one is enough, so that one which lacks nothing makes up for the others.
 */
function missingSetting({ policies }: LogFacts, given: ReadonlySet<string>): string | undefined {
  const missing = ({ emptySettings }: LogFacts['policies'][number]): string | undefined =>
    emptySettings.map((name) => name.toLowerCase()).find((name) => !given.has(name));
  const permissive = policies.filter(({ isPermissive }) => isPermissive).map(missing);
  const restrictive = policies.filter(({ isPermissive }) => !isPermissive).map(missing);
  return (
    restrictive.find((name) => name !== undefined) ??
    (permissive.includes(undefined) ? undefined : permissive[0])
  );
}

// The filter alone would not show what policies hide.
const hidesRows: readonly TenancyGap[] = ['no-policy', 'setting-not-given'];

function tenancyUnsafe(
  log: LogTable,
  reason: TenancyGap,
  setting?: string,
): BackupError<'BACKUP_TENANCY_UNSAFE'> {
  const relation = relationOf(log);
  const text = gapText(log, reason, setting);
  return new BackupError(
    'BACKUP_TENANCY_UNSAFE',
    hidesRows.includes(reason)
      ? `row-level security would hide rows of ${relation}: ${text}`
      : `row-level security would not hold for ${relation}: ${text}, ` +
          "or pass rowSecurity: 'explicit-filter-only' if the filter alone shall do",
    { relation, reason, ...(setting !== undefined && { setting }) },
  );
}

function gapText(log: LogTable, reason: TenancyGap, setting = ''): string {
  const secure = isStandardLog(log)
    ? 'run migrateSyncChanges'
    : 'enable row-level security with a policy on app.current_user_id';
  const force = isStandardLog(log) ? secure : 'force it with ALTER TABLE';
  const texts: Readonly<Record<TenancyGap, string>> = {
    'not-a-table': 'it is not a table; name the base table',
    'disabled-on-table': `it is not enabled; ${secure}`,
    'role-is-superuser': 'the role is a superuser; connect as a plain role',
    'role-bypasses-row-security': 'the role has BYPASSRLS; connect as a plain role',
    'owner-without-force': `the role owns the table and FORCE is off; ${force}`,
    'no-policy': `no permissive policy lets this role read, so that it sees no row; ${secure}`,
    'setting-not-given': `a policy reads ${setting}, which is empty, so that it may hide rows; give it in settings, as '' if it is meant to be empty`,
    inactive: 'it is not active for this role; connect as a plain role',
  };
  return texts[reason];
}
