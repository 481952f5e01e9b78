// pg-copy-streams with lines built by the server. CSV with a quote and a delimiter that no JSON text holds
// hands the text on as it is; COPY's text format would double every backslash.
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';

import type { Job, Run } from '../job.js';
import { BEGIN_SQL, SETTINGS_SQL } from '../peer-session.js';

export function copyStream({ databaseUrl, userId }: Job): Run {
  return async (sink) => {
    const pool = new pg.Pool({ connectionString: databaseUrl });
    const client = await pool.connect();
    await client.query(BEGIN_SQL);
    await client.query(SETTINGS_SQL, [userId]);
    const stream = client.query(copyTo(linesSql(client.escapeLiteral(userId))));
    await pipeline(stream, sink);
    // The count comes after the data, with the command's completion.
    await client.query('COMMIT');
    client.release();
    return { rows: stream.rowCount };
  };
}

function linesSql(userLiteral: string): string {
  return `
    COPY (
      SELECT row_to_json(line) FROM (
        SELECT id AS "eventId", greatest(schema_version, 1) AS "schemaVersion", app_id AS "appId",
               table_name AS "table", record_id AS "id", op, data, field_timestamps AS "fieldTimestamps",
               client_id AS "clientId", created_at AS "createdAt"
        FROM sync_changes
        WHERE user_id = ${userLiteral}
        ORDER BY created_at, sync_changes.id
      ) AS line
    ) TO STDOUT (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')`;
}
