// Many exports at once, of many users, over few connections, some of which others have left dirty: whatever comes
// out of an export, whole or not, is its own user's.
import assert from 'node:assert/strict';

import type pg from 'pg';

import type { SeededRandom } from '../../dev/random.js';
import { canaryOf, linesOf } from '../support/change-log.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { type Lane, type LaneExport, lanes } from '../support/lanes.js';

const TENANTS = 1_000;
const ROWS_PER_TENANT = 30;
const AT_ONCE = 100;
const CONNECTIONS = 8;

/** A log of many users, and a pool of few connections to it. */
export interface Tenants extends AsyncDisposable {
  readonly pool: pg.Pool;
}

/** Makes the log. */
export async function createTenants(): Promise<Tenants> {
  const db: TestDatabase = await createTestDatabase();
  await db.createChangeLog();
  // In no order: the users' rows lie among each other's.
  await db.admin.query(
    `INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
     SELECT gen_random_uuid(), 'todo', 'tasks', 'row-' || row, tenant, 'insert',
            jsonb_build_object('canary', 'canary-' || encode(convert_to(tenant, 'UTF8'), 'hex') || '-9e1c7b5d',
                               'filler', repeat('x', 300)),
            'client-a', timestamptz '2026-01-01Z' + row * interval '1 second'
     FROM generate_series(1, $2::int) AS row, generate_series(1, $1::int) AS number,
          LATERAL (SELECT 'tenant-' || number AS tenant) AS named
     ORDER BY random()`,
    [TENANTS, ROWS_PER_TENANT],
  );
  await db.admin.query('ANALYZE sync_changes');
  const pool = db.pool({ max: CONNECTIONS });
  return { pool, [Symbol.asyncDispose]: () => db.dispose() };
}

/** What somebody else may leave in a session that they give back. */
const DIRT: readonly [string, ...string[]] = [
  "SELECT set_config('app.current_user_id', $1, false)",
  "SELECT set_config('app.current_user_id', $1, false), set_config('row_security', 'off', false)",
  "SELECT set_config('search_path', 'pg_temp', false) WHERE $1 <> ''",
  "SELECT set_config('TimeZone', 'Asia/Kathmandu', false), set_config('DateStyle', 'German', false) WHERE $1 <> ''",
  "SELECT set_config('role', current_user, false), set_config('app.current_user_id', $1, false)",
];

/**
 * Tries a hundred exports at once.
 *
 * @returns how it ended: well, since nothing that others leave in a session may fail an export
 */
export async function tryTenants({ pool }: Tenants, random: SeededRandom): Promise<string> {
  for (let left = random.integer(0, CONNECTIONS); left > 0; left -= 1) await soil(pool, random);
  await Promise.all(
    Array.from({ length: AT_ONCE }, () => {
      const userId = tenantOf(random);
      const lane = random.pick(lanes as readonly [Lane, ...Lane[]]);
      const leavesEarly = random.chance(0.1);
      return assertExport(lane.export(pool, { userId, batchSize: 7 }), { userId, leavesEarly });
    }),
  );
  return 'whole';
}

/** Leaves a session as another user's, or in the middle of a transaction. */
async function soil(pool: pg.Pool, random: SeededRandom): Promise<void> {
  const client = await pool.connect();
  await client.query(random.pick(DIRT), [tenantOf(random)]);
  if (random.chance(0.1)) await client.query('BEGIN');
  client.release();
}

function tenantOf(random: SeededRandom): string {
  return `tenant-${random.integer(1, TENANTS)}`;
}

async function assertExport(
  exported: LaneExport,
  { userId, leavesEarly }: { readonly userId: string; readonly leavesEarly: boolean },
): Promise<void> {
  if (leavesEarly) {
    for await (const chunk of exported.stream) {
      assertOwn(String(chunk), userId);
      break;
    }
    return;
  }
  const text = await exported.text();
  assertOwn(text, userId);
  assert.equal(linesOf(text).length, ROWS_PER_TENANT);
}

/** Nobody else's canary is in it. */
function assertOwn(text: string, userId: string): void {
  const foreign = [...text.matchAll(/canary-\w+-\w+/g)].filter(
    ([canary]) => canary !== canaryOf(userId),
  );
  assert.deepEqual(foreign, []);
}
