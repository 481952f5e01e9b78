// postgres.js: its cursor gives arrays of rows with parsed JSON, and JSON.stringify makes the lines.
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import postgres from 'postgres';

import type { Job, Run } from '../job.js';
import { lineOf, type PeerRow } from '../peer-line.js';
import { SELECT_SQL, SETTINGS_SQL } from '../peer-session.js';

export function postgresCursor({ databaseUrl, userId }: Job): Run {
  return async (sink) => {
    const sql = postgres(databaseUrl);
    let rows = 0;
    await sql.begin('ISOLATION LEVEL REPEATABLE READ READ ONLY', async (transaction) => {
      await transaction.unsafe(SETTINGS_SQL, [userId]);
      const cursor = transaction.unsafe<PeerRow[]>(SELECT_SQL, [userId]).cursor(500);
      for await (const batch of cursor) {
        rows += batch.length;
        const text = batch.map((row) => `${JSON.stringify(lineOf(row))}\n`).join('');
        if (!sink.write(text)) await once(sink, 'drain');
      }
    });
    sink.end();
    await finished(sink);
    return { rows };
  };
}
