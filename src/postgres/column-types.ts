// The types of the log's columns, as far as writing into them has to know.

/** The type of a column, as SQL. */
export interface ColumnType {
  /** Without length or precision: a cast to `char(5)` would cut what does not fit, an INSERT refuses it. */
  readonly type: string;
  /** With them, where it has any: what it holds may be less than what it is given. */
  readonly narrow: string | null;
}

/** The type of each of the log's columns, by its name. */
export type ColumnTypes = ReadonlyMap<string, ColumnType>;

/**
 * Asks for the types: `$1` schema, `$2` table. A domain counts as narrow, since what it is made of may
 * be.
 */
export const columnTypesSql = `
  SELECT json_object_agg(a.attname, json_build_object(
           'type', format_type(a.atttypid, -1),
           'narrow', CASE WHEN a.atttypmod <> -1 OR y.typtype = 'd'
                          THEN format_type(a.atttypid, a.atttypmod) END))::text AS types
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
   WHERE n.nspname = $1::text AND c.relname = $2::text AND a.attnum > 0 AND NOT a.attisdropped`;

/** Reads the one row that {@link columnTypesSql} gives. */
export function columnTypesOf(row: unknown): ColumnTypes {
  const { types } = row as { readonly types: string };
  return new Map(Object.entries(JSON.parse(types) as Record<string, ColumnType>));
}
