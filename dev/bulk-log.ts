// Very many rows of one user for benchmarks, made inside the server: the same arguments give the same rows.
import type { Queryable } from './sample-log.js';

/** How long the lines are: about 215 bytes, about 540 bytes, or 5 MB. */
export type BulkSize = 'small' | 'ordinary' | 'fat';

/** Options of {@link insertBulkRows}. */
export interface BulkRowsOptions {
  readonly userId: string;
  readonly count: number;
  /** Default: 'ordinary'. */
  readonly size?: BulkSize;
  /** Number of the first row; rows of one user and size with different numbers are different. Default: 1. */
  readonly firstNumber?: number;
}

/**
 * Inserts `count` rows of one user into `sync_changes`, half of them inserts, four tenths updates and one tenth
 * deletes (`fat` rows are inserts). Connect as a role that row-level security does not hold back.
 */
export async function insertBulkRows(db: Queryable, options: BulkRowsOptions): Promise<void> {
  const { userId, count, size = 'ordinary', firstNumber = 1 } = options;
  await db.query(BULK_SQL[size], [userId, firstNumber, firstNumber + count - 1]);
}

/** Every 50th row has the time of the row before it. */
const CREATED_AT = `timestamptz '2026-01-01 00:00:00Z' + (n - (n % 50 = 0)::int) * interval '1.000003 seconds'`;

// $1 user, $2 and $3 first and last number. `h` is the row's hash, from which everything else is cut.
const NUMBERED = `
  SELECT n, md5($1::text || ':' || n) AS h
  FROM generate_series($2::int8, $3::int8) AS n`;

const SMALL_SQL = `
  INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
  SELECT h::uuid, 'todo', 'tasks', 't' || n % 1000, $1,
         (ARRAY['insert', 'insert', 'insert', 'insert', 'insert', 'update', 'update', 'update', 'update', 'delete'])[(n - 1) % 10 + 1],
         jsonb_build_object('title', left(h, 12)), 'c1', ${CREATED_AT}
  FROM (${NUMBERED}) AS numbered`;

// Words, so that it compresses as text does, and base64 of hashes, so that it compresses as ciphertext does.
const ORDINARY_SQL = `
  INSERT INTO sync_changes
    (id, app_id, table_name, record_id, user_id, op, data, field_timestamps, client_id, created_at, schema_version)
  SELECT h::uuid,
         (ARRAY['todo', 'notes', 'calendar', 'chat'])[r % 4 + 1],
         (ARRAY['tasks', 'notes', 'events', 'messages'])[r % 4 + 1],
         md5('record:' || r)::uuid::text,
         $1,
         CASE WHEN k < 5 THEN 'insert' WHEN k < 9 THEN 'update' ELSE 'delete' END,
         CASE
           WHEN k < 5 THEN jsonb_build_object(
             'title', words || ' ' || n,
             'notes', words || ', ' || left(h, 6) || ' – ' || more || '. ' || words || ' / ' || more,
             'secret', 'enc:1:' || iv || '.' || ciphertext,
             'completed', n % 3 = 0,
             'priority', n % 7,
             'amount', n * 1000003 / 100.0)
           WHEN k < 9 THEN jsonb_build_object(
             'title', words || ' ' || n,
             'secret', 'enc:1:' || iv || '.' || ciphertext,
             'completed', n % 2 = 0)
           ELSE jsonb_build_object('deletedAt', '2026-04-14T10:06:00.000Z')
         END,
         CASE WHEN k BETWEEN 5 AND 8 THEN
           jsonb_build_object('title', stamp, 'secret', stamp, 'completed', stamp)
         ELSE '{}' END,
         'client-' || left(md5($1 || n % 5), 16), ${CREATED_AT}, n % 3 + 1
  FROM (${NUMBERED}) AS numbered,
       LATERAL (SELECT (n - 1) % 10 AS k) AS kind,
       LATERAL (SELECT
         n - CASE WHEN k < 5 THEN 0 ELSE 5 END AS r, -- the row that inserted the record
         encode(decode(left(md5(h || 'iv'), 24), 'hex'), 'base64') AS iv,
         replace(encode(decode(h || md5(h) || md5(h || 'x') || md5(h || 'y'), 'hex'), 'base64'), E'\\n', '') AS ciphertext,
         '2026-03-' || lpad((n % 28 + 1)::text, 2, '0') || 'T10:05:00.' || lpad((n % 1000)::text, 3, '0') || 'Z' AS stamp,
         (ARRAY['Buy milk', 'Call the plumber', 'Größe prüfen', 'Water the plants', 'Pay rent', 'Read the paper', 'Plan the trip', '買い物'])[n % 8 + 1]
           || ' ' || (ARRAY['today', 'tomorrow', 'before Friday', 'with Anna', 'again', 'for the flat', 'in town'])[n % 7 + 1] AS words,
         (ARRAY['ask Ben', 'see the list', 'not urgent', 'nach 18 Uhr', 'half done', 'needs a car', 'done by noon', 'twice', 'no sugar'])[n % 9 + 1] AS more
       ) AS parts`;

// The pattern repeats every 64,000 bytes, which neither Postgres nor deflate can see, so it stays fat.
const FAT_SQL = `
  INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
  SELECT h::uuid, 'files', 'attachments', 'file-' || n, $1, 'insert',
         jsonb_build_object('blob', left(repeat(pattern, 79), 5000000)), 'client-a', ${CREATED_AT}
  FROM (${NUMBERED}) AS numbered,
       LATERAL (SELECT replace(encode(decode(string_agg(md5(h || j), '' ORDER BY j), 'hex'), 'base64'), E'\\n', '') AS pattern
                FROM generate_series(1, 3000) AS j) AS made`;

const BULK_SQL: Readonly<Record<BulkSize, string>> = {
  small: SMALL_SQL,
  ordinary: ORDINARY_SQL,
  fat: FAT_SQL,
};

/**
 * How many bytes a user's whole log has as JSON Lines, counted inside the server by the rules of the format:
 * what an export can be held against without a second export.
 */
export async function measureJsonlBytes(
  db: { query(text: string, values: unknown[]): Promise<{ rows: { bytes: string }[] }> },
  userId: string,
): Promise<number> {
  const { rows } = await db.query(MEASURE_SQL, [userId]);
  return Number(rows[0]?.bytes);
}

const MEASURE_SQL = `
  SELECT coalesce(sum(
    octet_length('{"eventId":"","schemaVersion":,"appId":,"table":,"id":,"op":"","clientId":,"createdAt":"T"}') + 1
    + 36 + length(greatest(schema_version, 1)::text)
    + octet_length(to_json(app_id)::text) + octet_length(to_json(table_name)::text)
    + octet_length(to_json(record_id)::text) + length(op) + octet_length(to_json(client_id)::text)
    + CASE WHEN data IS NULL OR data IN ('null', '{}') THEN 0 ELSE length(',"data":') + octet_length(data::text) END
    + CASE WHEN field_timestamps IS NULL OR field_timestamps IN ('null', '{}') THEN 0
      ELSE length(',"fieldTimestamps":') + octet_length(field_timestamps::text) END
    + length('2026-01-01') + length('00:00:00Z')
    + CASE WHEN date_part('microseconds', created_at)::int8 % 1000000 = 0 THEN 0
      ELSE 1 + length(rtrim(to_char(created_at, 'US'), '0')) END
  ), 0)::text AS bytes
  FROM sync_changes
  WHERE user_id = $1`;
