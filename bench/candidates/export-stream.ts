// This library's byte lane, as its documentation has it.
import { pipeline } from 'node:stream/promises';
import { pgExportStream } from 'backup-streams/postgres';
import pg from 'pg';

import type { Job, Run } from '../job.js';

export function exportStream({ databaseUrl, userId }: Job): Run {
  return async (sink) => {
    const pool = new pg.Pool({ connectionString: databaseUrl });
    const lines = pgExportStream(pool, { userId });
    await pipeline(lines, sink);
    const { eventCount, sha256 } = lines.summary();
    return { rows: eventCount, sha256Hex: sha256 };
  };
}
