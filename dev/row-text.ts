// A row of the change log as SQL text: the shape in which samples, tests and vectors write rows down.

/** One row of `sync_changes`; every value is what Postgres reads as that column's text. */
export interface RowText {
  readonly id: string;
  readonly app_id: string;
  readonly table_name: string;
  readonly record_id: string;
  readonly user_id: string;
  readonly op: string;
  readonly data: string | null;
  readonly field_timestamps: string | null;
  readonly client_id: string;
  readonly created_at: string;
  readonly schema_version: number | null;
}

const COLUMN_TYPES: Readonly<Record<keyof RowText, string>> = {
  id: 'uuid',
  app_id: 'text',
  table_name: 'text',
  record_id: 'text',
  user_id: 'text',
  op: 'text',
  data: 'jsonb',
  field_timestamps: 'jsonb',
  client_id: 'text',
  created_at: 'timestamptz',
  schema_version: 'int4',
};

/** One INSERT of many rows: each column goes in as an array of texts and is cast in the server. */
export function insertRowsQuery(rows: readonly RowText[]): {
  readonly text: string;
  readonly values: (string | null)[][];
} {
  const columns = Object.keys(COLUMN_TYPES) as (keyof RowText)[];
  const casts = columns.map((column) => `${column}::${COLUMN_TYPES[column]}`);
  const arrays = columns.map((_, index) => `$${String(index + 1)}::text[]`);
  return {
    text: `INSERT INTO sync_changes (${columns.join(', ')}) SELECT ${casts.join(', ')} FROM unnest(${arrays.join(', ')}) AS input(${columns.join(', ')})`,
    values: columns.map((column) =>
      rows.map((row) => (row[column] === null ? null : String(row[column]))),
    ),
  };
}
