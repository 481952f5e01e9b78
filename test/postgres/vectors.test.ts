// The shared vectors, out of a real server: each row gives exactly its line.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { linesOf } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { lineVectors } from '../support/vectors.js';

// The vectors share two event ids; here each row has its own end of one, in row and line alike.
const cases = lineVectors.map(({ name, row, line }, index) => {
  const id = row.id.slice(0, -4) + String(1000 + index);
  return { name, row: { ...row, id }, line: line.replace(row.id.toLowerCase(), id.toLowerCase()) };
});

for (const lane of lanes) {
  test(`${lane.name}: hazard 15: all ${String(cases.length)} vectors give their exact line`, () =>
    withDatabase(async (db) => {
      assert.equal(cases.length, 39);
      await db.createChangeLog();
      await db.insert(cases.map(({ row }) => row));

      const text = await lane.export(db.pool(), { userId: 'user-1' }).text();

      const lineByEvent = new Map(linesOf(text).map((line) => [line.slice(12, 48), line]));
      assert.equal(lineByEvent.size, cases.length);
      for (const { name, row, line } of cases) {
        assert.equal(lineByEvent.get(row.id.toLowerCase()), line, name);
      }
    }));
}
