// `after` is exclusive and `until` inclusive, down to the microsecond and to rows of the same time.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdOf, eventIdsOf, rowOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';

const SAME = '2026-04-14T10:00:00.000001Z';
const TIMES = ['2026-04-14T10:00:00Z', SAME, SAME, SAME, '2026-04-14T10:00:00.000002Z'];

const positionOf = (rowNumber: number): { createdAt: string; eventId: string } => ({
  createdAt: TIMES[rowNumber - 1] ?? '',
  eventId: eventIdOf(rowNumber),
});

for (const lane of lanes) {
  const cases = [
    { after: 0, until: 5, rows: [1, 2, 3, 4, 5] },
    { after: 2, until: undefined, rows: [3, 4, 5] },
    { after: undefined, until: 3, rows: [1, 2, 3] },
    { after: 2, until: 4, rows: [3, 4] },
    { after: 3, until: 3, rows: [] },
    { after: 4, until: 2, rows: [] },
    { after: 5, until: undefined, rows: [] },
  ];
  test(`${lane.name}: after and until cut between rows of the same time`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert(TIMES.map((created_at, index) => rowOf(index + 1, { created_at })));
      const pool = db.pool();
      for (const { after, until, rows } of cases) {
        const first = { createdAt: '0001-01-01T00:00:00Z', eventId: eventIdOf(0) };
        const text = await lane
          .export(pool, {
            userId: USER,
            after: after === undefined ? undefined : after === 0 ? first : positionOf(after),
            until: until === undefined ? undefined : positionOf(until),
          })
          .text();
        assert.deepEqual(eventIdsOf(text), rows.map(eventIdOf), JSON.stringify({ after, until }));
      }
    }));

  test(`${lane.name}: exports from position to position are the whole, once`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await db.insert(TIMES.map((created_at, index) => rowOf(index + 1, { created_at })));
      const pool = db.pool();
      const whole = await lane.export(pool, { userId: USER }).text();
      let joined = '';
      let after: ReturnType<typeof positionOf> | undefined;
      for (const [index] of TIMES.entries()) {
        const until = positionOf(index + 1);
        joined += await lane.export(pool, { userId: USER, after, until }).text();
        after = until;
      }
      assert.equal(joined, whole);
    }));
}
