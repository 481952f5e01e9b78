// The usual way: pg-query-stream gives row objects with parsed JSON, a mapper makes line objects, and
// ndjson.stringify() writes them.
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import ndjson from 'ndjson';
import pg from 'pg';
import QueryStream from 'pg-query-stream';

import type { Job, Run } from '../job.js';
import { lineOf, type PeerRow } from '../peer-line.js';
import { BEGIN_SQL, SELECT_SQL, SETTINGS_SQL } from '../peer-session.js';

export function queryStream({ databaseUrl, userId }: Job): Run {
  return async (sink) => {
    const pool = new pg.Pool({ connectionString: databaseUrl });
    const client = await pool.connect();
    await client.query(BEGIN_SQL);
    await client.query(SETTINGS_SQL, [userId]);
    let rows = 0;
    const mapper = new Transform({
      objectMode: true,
      transform(row: PeerRow, _encoding, callback) {
        rows += 1;
        callback(null, lineOf(row));
      },
    });
    const stream = client.query(new QueryStream(SELECT_SQL, [userId], { batchSize: 200 }));
    await pipeline(stream, mapper, ndjson.stringify(), sink);
    await client.query('COMMIT');
    client.release();
    return { rows };
  };
}
