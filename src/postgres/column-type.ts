// Types of the log's columns as SQL that means the same type whatever the search path is.

import { eq, ge } from './catalog-sql.js';
import { quoteIdentifier } from './log-table.js';

/** A type as {@link columnTypeSql} tells it. */
export interface ColumnType {
  readonly schema: string;
  readonly name: string;
  /** With its length or precision, where it has one: `character varying(20)`. */
  readonly modified: string | null;
}

/**
 * Asks for the {@link ColumnType} of a `pg_attribute` as json. A type with a length or precision is
 * spelt by the server, in the way that the search path of the moment asks for: how it is written out
 * differs from type to type. Those of PostgreSQL's own are key words, which no search path changes.
 *
 * @param attribute - what the `pg_attribute` is called in the query
 */
export function columnTypeSql(attribute: string): string {
  return `(
    SELECT pg_catalog.json_build_object(
             'schema', tn.nspname, 'name', tt.typname,
             'modified', CASE WHEN ${attribute}.atttypmod ${ge} 0
                              THEN pg_catalog.format_type(${attribute}.atttypid, ${attribute}.atttypmod) END)
      FROM pg_catalog.pg_type AS tt
      JOIN pg_catalog.pg_namespace AS tn ON tn.oid ${eq} tt.typnamespace
     WHERE tt.oid ${eq} ${attribute}.atttypid)`;
}

/** A type as SQL, without length or precision: a cast to `char(5)` would cut. */
export function typeText({ schema, name }: Pick<ColumnType, 'schema' | 'name'>): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A type as SQL, as it was declared. */
export function declaredText(type: ColumnType): string {
  return type.modified ?? typeText(type);
}

/** What {@link typeText} gives for a type of PostgreSQL's own: `builtIn('int4')`. */
export function builtIn(name: string): string {
  return typeText({ schema: 'pg_catalog', name });
}
