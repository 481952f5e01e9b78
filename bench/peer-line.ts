// The mapper that one writes by hand where there is no library: a row of values to the object of its line.

/** A row of `sync_changes` as pg and postgres.js give it. */
export interface PeerRow {
  readonly id: string;
  readonly app_id: string;
  readonly table_name: string;
  readonly record_id: string;
  readonly user_id: string;
  readonly op: string;
  readonly data: object | null;
  readonly field_timestamps: object | null;
  readonly client_id: string;
  readonly created_at: Date;
  readonly schema_version: number | null;
}

/** The line of a row. */
export function lineOf(row: PeerRow): Record<string, unknown> {
  const line: Record<string, unknown> = {
    eventId: row.id,
    schemaVersion: Math.max(row.schema_version ?? 1, 1),
    appId: row.app_id,
    table: row.table_name,
    id: row.record_id,
    op: row.op,
  };
  if (isFilled(row.data)) line['data'] = row.data;
  if (isFilled(row.field_timestamps)) line['fieldTimestamps'] = row.field_timestamps;
  line['clientId'] = row.client_id;
  line['createdAt'] = row.created_at.toISOString();
  return line;
}

function isFilled(value: object | null): boolean {
  return value !== null && Object.keys(value).length > 0;
}
