// F13: the connection ends after exactly n bytes, for n at and around every message boundary and at many places
// between. Whatever n is: an error, unless every byte has come.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';
import { messagesOf } from '../support/wire-messages.js';
import { type CutKind, startWireProxy } from '../support/wire-proxy.js';

const STRIDE = 101;

for (const lane of lanes) {
  for (const kind of ['end', 'reset'] satisfies CutKind[]) {
    test(`${lane.name}: F13 cut with ${kind} at each message boundary and between: an error, or all of it`, () =>
      withDatabase(async (db) => {
        await db.createChangeLog();
        await fillLog(db, { rowCount: 20 });
        await using proxy = await startWireProxy(db.address);
        // A new connection for each round.
        const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
        const options = { userId: USER, batchSize: 7 };

        const pieces: Buffer[] = [];
        proxy.watch(
          (direction, piece) => direction === 'toClient' && pieces.push(Buffer.from(piece)),
        );
        const whole = await lane.export(pool, options).text();
        assert.deepEqual(eventIdsOf(whole), eventIdsUpTo(20));
        const bytes = Buffer.concat(pieces);

        const boundaries = messagesOf(bytes).flatMap(({ end }) => [end - 1, end, end + 1]);
        const between = Array.from({ length: bytes.length / STRIDE }, (_, index) => index * STRIDE);
        const offsets = [...new Set([...boundaries, ...between])].filter((n) => n < bytes.length);
        for (const byteCount of offsets) {
          proxy.heal();
          proxy.cutAfter(byteCount, { kind });
          const error = await failsWith(lane.export(pool, options).text(), 'BACKUP_SOURCE_FAILED');
          assert.ok(error.details.rowCount <= 20, String(byteCount));
        }
        proxy.heal();
        proxy.cutAfter(bytes.length, { kind });
        assert.equal(await lane.export(pool, options).text(), whole);
      }));
  }

  test(`${lane.name}: F13 cut on the way to the server, at each message of the client's`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 20 });
      await using proxy = await startWireProxy(db.address);
      const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
      const options = { userId: USER, batchSize: 7 };
      const boundaries = [0];
      let sent = 0;
      proxy.watch((direction, piece) => {
        if (direction === 'toServer') boundaries.push((sent += piece.length));
      });
      const whole = await lane.export(pool, options).text();
      // The last piece may be the pool's goodbye, which an export does not need.
      for (const byteCount of boundaries.slice(0, -2).flatMap((n) => [n, n + 1])) {
        proxy.heal();
        proxy.cutAfter(byteCount, { direction: 'toServer' });
        await failsWith(lane.export(pool, options).text(), 'BACKUP_SOURCE_FAILED');
      }
      proxy.heal();
      assert.equal(await lane.export(pool, options).text(), whole);
    }));
}
