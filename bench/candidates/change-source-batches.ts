// This library's object lane by batches, as its documentation has it.
import { pipeline } from 'node:stream/promises';
import { JsonlSerializer } from 'backup-streams';
import { pgChangeSource } from 'backup-streams/postgres';
import pg from 'pg';

import type { Job, Run } from '../job.js';

export function changeSourceBatches({ databaseUrl, userId }: Job): Run {
  return async (sink) => {
    const pool = new pg.Pool({ connectionString: databaseUrl });
    const serializer = new JsonlSerializer();
    await pipeline(pgChangeSource(pool, { userId }).batches(), serializer, sink);
    const { eventCount, sha256 } = serializer.summary();
    return { rows: eventCount, sha256Hex: sha256 };
  };
}
