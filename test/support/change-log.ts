// Logs to export, made in the server, and what must come out of them.
import type { TestDatabase } from './database.js';
import type { RowText } from '../../dev/row-text.js';

/** What {@link fillLog} makes. */
export interface FillOptions {
  /** Default: 'user-1'. */
  readonly userId?: string;
  /** How many rows. */
  readonly rowCount: number;
  /** About how long the data of each row is. Default: 20. */
  readonly dataBytes?: number;
}

/** Whose rows tests export unless they say otherwise. */
export const USER = 'user-1';
/** The neighbour whose rows must never be seen. */
export const STRANGER = 'user-2';

/** Far more than sockets, pipes and streams hold together: the server is still busy with it when a reader stops. */
export const LONG_LOG = { rowCount: 400, dataBytes: 50_000 } as const;

/** An event id that says which row it belongs to. */
export function eventIdOf(rowNumber: number): string {
  return `00000000-0000-4000-8000-${rowNumber.toString(16).padStart(12, '0')}`;
}

/** A text that is in every row of this user and nowhere else. */
export function canaryOf(userId: string): string {
  return `canary-${Buffer.from(userId).toString('hex')}-9e1c7b5d`;
}

/** One row, with whatever the test is about. */
export function rowOf(rowNumber: number, changes: Partial<RowText> = {}): RowText {
  const second = String(rowNumber % 60).padStart(2, '0');
  const minute = String(Math.floor(rowNumber / 60) % 60).padStart(2, '0');
  return {
    id: eventIdOf(rowNumber),
    app_id: 'todo',
    table_name: 'tasks',
    record_id: `row-${String(rowNumber)}`,
    user_id: USER,
    op: 'insert',
    data: JSON.stringify({ canary: canaryOf(changes.user_id ?? USER) }),
    field_timestamps: null,
    client_id: 'client-a',
    created_at: `2026-04-14T10:${minute}:${second}Z`,
    schema_version: 1,
    ...changes,
  };
}

/**
 * Inserts rows 1 … `rowCount` of a user: record ids `row-1` …, a second apart, canaries in their data. Event ids
 * are those of {@link eventIdOf} for {@link USER}, and others for everybody else.
 */
export async function fillLog(db: TestDatabase, options: FillOptions): Promise<void> {
  const { userId = USER, rowCount, dataBytes = 20 } = options;
  await db.admin.query(
    `INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, client_id, created_at)
     SELECT (CASE WHEN $1 = '${USER}' THEN '00000000' ELSE lpad(to_hex(hashtext($1)), 8, '0') END
               || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
            'todo', 'tasks', 'row-' || n, $1, 'insert',
            jsonb_build_object('canary', $2::text, 'filler', repeat('x', $4)),
            'client-a', timestamptz '2026-01-01Z' + n * interval '1 second'
     FROM generate_series(1, $3) AS n`,
    [userId, canaryOf(userId), rowCount, dataBytes],
  );
  await db.admin.query('ANALYZE sync_changes');
}

/** The lines of an export, without their newlines. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('The text does not end with a newline');
  return lines;
}

/** The event ids of an export, in its order. */
export function eventIdsOf(text: string): readonly string[] {
  return linesOf(text).map((line) => (JSON.parse(line) as { readonly eventId: string }).eventId);
}

/** Event ids 1 … `rowCount`. */
export function eventIdsUpTo(rowCount: number): readonly string[] {
  return Array.from({ length: rowCount }, (_, index) => eventIdOf(index + 1));
}

/** The event ids that the table holds for a user, in the log's order, as the superuser sees them. */
export async function eventIdsInLog(db: TestDatabase, userId = USER): Promise<readonly string[]> {
  const { rows } = await db.admin.query<{ id: string }>(
    'SELECT id FROM sync_changes WHERE user_id = $1 ORDER BY created_at, id',
    [userId],
  );
  return rows.map((row) => row.id);
}
