// Which facts of the catalogs mean that row-level security would not hold, or would hide rows.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { isBackupError } from '../../../src/index.js';
import { exportRequestOf } from '../../../src/postgres/export-options.js';
import type { LogFacts, PolicyFacts } from '../../../src/postgres/log-facts.js';
import { assertRowSecurity } from '../../../src/postgres/policy-gap.js';

const policy = (isPermissive: boolean, ...emptySettings: readonly string[]): PolicyFacts => ({
  isPermissive,
  emptySettings,
});

const sound: LogFacts = {
  ...{ kind: 'r', isEnabled: true, isForced: true, isActive: true },
  ...{ isSuperuser: false, bypasses: false, isOwner: false },
  ...{ encoding: 'UTF8', columns: [], userType: null, spelling: [] },
  policies: [policy(true)],
};

/** The details of the refusal; undefined where there is none. */
function refusalOf(
  facts: Partial<LogFacts>,
  options: { readonly settings?: Record<string, string>; readonly filterAlone?: boolean } = {},
): object | undefined {
  const { settings = {}, filterAlone = false } = options;
  const rowSecurity = filterAlone ? 'explicit-filter-only' : 'require';
  try {
    assertRowSecurity(
      { ...sound, ...facts },
      exportRequestOf({ userId: 'user-1', settings, rowSecurity }, []),
    );
    return undefined;
  } catch (error) {
    assert.ok(isBackupError(error, 'BACKUP_TENANCY_UNSAFE'), String(error));
    const { relation, ...details } = error.details;
    assert.equal(relation, 'public.sync_changes');
    return details;
  }
}

test('a table with an active policy passes, partitioned or not', () => {
  assert.equal(refusalOf({}), undefined);
  assert.equal(refusalOf({ kind: 'p' }), undefined);
});

describe('inactive row-level security', () => {
  const gaps: readonly (readonly [reason: string, facts: Partial<LogFacts>])[] = [
    ['not-a-table', { kind: 'v' }],
    ['not-a-table', { kind: 'v', isEnabled: false, isSuperuser: true }],
    ['disabled-on-table', { isEnabled: false }],
    ['disabled-on-table', { kind: 'p', isEnabled: false, isSuperuser: true }],
    ['role-is-superuser', { isSuperuser: true }],
    ['role-is-superuser', { isSuperuser: true, bypasses: true, isOwner: true, isForced: false }],
    ['role-bypasses-row-security', { bypasses: true }],
    ['role-bypasses-row-security', { bypasses: true, isOwner: true, isForced: false }],
    ['owner-without-force', { isOwner: true, isForced: false }],
    ['inactive', { isOwner: true }],
    ['inactive', { isForced: false }],
    ['inactive', {}],
  ];
  for (const [reason, facts] of gaps) {
    test(`F4 is refused as ${reason} unless the filter alone shall do: ${JSON.stringify(facts)}`, () => {
      const inactive = { ...facts, isActive: false };
      assert.deepEqual(refusalOf(inactive), { reason });
      assert.equal(refusalOf(inactive, { filterAlone: true }), undefined);
    });
  }

  test('hides nothing, so that its policies may be what they like', () => {
    const policies = [policy(false, 'app.tenant')];
    assert.equal(refusalOf({ policies, isActive: false }, { filterAlone: true }), undefined);
  });
});

describe('active row-level security', () => {
  const tenant = { reason: 'setting-not-given', setting: 'app.tenant' };
  const gaps: readonly (readonly [
    what: string,
    policies: readonly PolicyFacts[],
    refusal: object | undefined,
  ])[] = [
    ['no policy', [], { reason: 'no-policy' }],
    ['restrictive ones only', [policy(false), policy(false)], { reason: 'no-policy' }],
    ['a restrictive one that lacks nothing', [policy(false), policy(true)], undefined],
    ['a restrictive one on a setting', [policy(true), policy(false, 'app.tenant')], tenant],
    [
      'a restrictive one on a setting after one without',
      [policy(false), policy(true), policy(false, 'App.Tenant')],
      tenant,
    ],
    ['a permissive one on a setting', [policy(true, 'app.tenant')], tenant],
    [
      'two permissive ones on settings',
      [policy(true, 'app.tenant'), policy(true, 'app.team')],
      tenant,
    ],
    [
      'a permissive one on a setting besides one without',
      [policy(true, 'app.tenant'), policy(true)],
      undefined,
    ],
    [
      'a permissive one without does not make up for a restrictive one',
      [policy(true, 'app.team'), policy(true), policy(false, 'app.tenant')],
      tenant,
    ],
    [
      'a restrictive one without does not make up for a permissive one',
      [policy(false), policy(true, 'app.tenant')],
      tenant,
    ],
  ];
  for (const [what, policies, refusal] of gaps) {
    test(`is ${refusal === undefined ? 'fine' : 'refused, whatever the filter does'}: ${what}`, () => {
      assert.deepEqual(refusalOf({ policies }), refusal);
      assert.deepEqual(refusalOf({ policies }, { filterAlone: true }), refusal);
    });
  }

  test('is fine when the setting is given, whatever its case, and as long as each is', () => {
    const policies = [policy(true), policy(false, 'App.Tenant', 'app.team')];
    const settings = { 'app.tenant': '', 'App.Team': 'red' };
    assert.equal(refusalOf({ policies }, { settings }), undefined);
    const { 'App.Team': _, ...some } = settings;
    const refusal = { reason: 'setting-not-given', setting: 'app.team' };
    assert.deepEqual(refusalOf({ policies }, { settings: some }), refusal);
  });

  test('the user is a setting that is always given', () => {
    const policies = [policy(true, 'app.current_user_id')];
    assert.equal(refusalOf({ policies }), undefined);
  });
});
