// Hazard 13: a COPY that is left in the middle would go on for ever, so its client is destroyed, however one leaves.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type pg from 'pg';

import { type PgExportStream, pgExportStream } from '../../src/postgres/index.js';
import { waitForBackendsGone, waitForBackendsIdle } from '../support/backends.js';
import { USER, eventIdsOf, eventIdsUpTo, fillLog } from '../support/change-log.js';
import { collectText } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { assertReusable, failureOf } from '../support/failures.js';

async function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  await withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 2000, dataBytes: 10_000 });
    await use(db);
  });
}

/** Ways to leave an export in the middle. */
const leavings: Readonly<Record<string, (stream: PgExportStream) => Promise<void>>> = {
  'break out of the loop': async (stream) => {
    for await (const piece of stream) {
      assert.ok((piece as Buffer).length > 0);
      break;
    }
  },
  'a throw in the loop': async (stream) => {
    const error = new Error('on purpose');
    const read = async (): Promise<void> => {
      for await (const piece of stream) {
        assert.ok((piece as Buffer).length > 0);
        throw error;
      }
    };
    assert.equal(await failureOf(read()), error);
  },
  'destroy() after ready()': async (stream) => {
    await stream.ready();
    stream.destroy();
  },
  'destroy() within the data event': async (stream) => {
    stream.on('data', () => stream.destroy());
    await once(stream, 'close');
  },
  'destroy(error) within the data event': async (stream) => {
    const error = new Error('on purpose');
    stream.on('data', () => stream.destroy(error));
    assert.equal(await failureOf(once(stream, 'end')), error);
  },
  'destroy() while it opens': async (stream) => {
    const ready = failureOf(stream.ready());
    stream.destroy();
    assert.ok((await ready) instanceof TypeError);
  },
};

for (const [name, leave] of Object.entries(leavings)) {
  test(`hazard 13: ${name}, three times, leaves a pool of one usable and the server idle`, () =>
    withLongLog(async (db) => {
      const pool = db.pool();
      for (let round = 1; round <= 3; round += 1) {
        const stream = pgExportStream(pool, { userId: USER });
        await settlesWithin(leave(stream), 10_000, name);
        if (!stream.closed) await once(stream, 'close');
        assert.equal(stream.readableEnded, false);
        assert.throws(() => stream.summary(), TypeError);
      }
      await waitForBackendsIdle(db);
      await assertReusable(pool);
      const text = await collectText(pgExportStream(pool, { userId: USER }));
      assert.deepEqual(eventIdsOf(text), eventIdsUpTo(2000));
    }));
}

test('destroy() within a flush hook stops at that line, and calls no further hook', () =>
  withLongLog(async (db) => {
    const pool = db.pool();
    for (const isAsync of [false, true]) {
      const flushes: number[] = [];
      const stream: PgExportStream = pgExportStream(pool, {
        userId: USER,
        flushEvery: 10,
        onFlush: ({ lines }) => {
          flushes.push(lines);
          if (lines === 30) stream.destroy();
          return isAsync ? Promise.resolve() : undefined;
        },
      });
      stream.resume();
      await settlesWithin(once(stream, 'close'), 10_000);
      assert.deepEqual(flushes, [10, 20, 30]);
      assert.equal(stream.progress.lines, 30);
      await waitForBackendsGone(db);
      await assertReusable(pool);
    }
  }));

test('destroy() before anything has begun leases nothing, and ready() tells of it', async () => {
  let connections = 0;
  const connect = (): Promise<pg.PoolClient> => {
    connections += 1;
    return new Promise(() => undefined);
  };
  const stream = pgExportStream({ connect }, { userId: USER });
  stream.destroy();
  await once(stream, 'close');
  assert.ok((await failureOf(stream.ready())) instanceof TypeError);
  assert.equal(stream.read(), null);
  assert.equal(connections, 0);
});

test('destroy() after the end is harmless, and the client stays in the pool', () =>
  withDatabase(async (db) => {
    await db.createChangeLog();
    await fillLog(db, { rowCount: 3 });
    const pool = db.pool();
    const stream = pgExportStream(pool, { userId: USER });
    await collectText(stream);
    stream.destroy();
    assert.equal(stream.summary().eventCount, 3);
    assert.equal(pool.totalCount, 1);
    await assertReusable(pool);
  }));
