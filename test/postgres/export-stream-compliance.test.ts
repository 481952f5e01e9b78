// The byte lane is a stream like any other: one ending, told once, and to everybody; with a pool of one.
import { after, before } from 'node:test';
import type pg from 'pg';

import { pgExportStream } from '../../src/postgres/index.js';
import { USER, fillLog } from '../support/change-log.js';
import { type TestDatabase, createTestDatabase } from '../support/database.js';
import { testStreamCompliance } from '../support/stream-compliance.js';

let db: TestDatabase;
let pool: pg.Pool;

before(async () => {
  db = await createTestDatabase();
  await db.createChangeLog();
  await fillLog(db, { rowCount: 3000, dataBytes: 1000 });
  pool = db.pool();
});

after(() => db.dispose());

testStreamCompliance('pgExportStream', {
  make: () => pgExportStream(pool, { userId: USER }),
});

testStreamCompliance('pgExportStream with tiny batches and an async flush hook', {
  make: () =>
    pgExportStream(pool, {
      userId: USER,
      maxBatchBytes: 1,
      flushEvery: 100,
      onFlush: () => new Promise(setImmediate),
    }),
});

testStreamCompliance('pgExportStream after ready()', {
  make: async () => {
    const stream = pgExportStream(pool, { userId: USER });
    await stream.ready();
    return stream;
  },
});
