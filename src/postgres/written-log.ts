// What writing into the log has to know of it: its columns' types, its keys, and who may change a row
// on its way in.

import { eq, gt, le, ne } from './catalog-sql.js';
import { columnTypeSql, declaredText, typeText } from './column-type.js';
import type { ColumnType } from './column-type.js';
import type { LogTable } from './log-table.js';

/** A column that is written. */
export interface WrittenColumn {
  /** Its type as SQL, without length or precision: a cast to `char(5)` would cut, an INSERT refuses. */
  readonly type: string;
  /** Its type as SQL, as it was declared: what it holds may be less than what it is given. */
  readonly declared: string;
  /** The type that domains are made of, as SQL without length or precision; otherwise its own. */
  readonly base: string;
  readonly isNotNull: boolean;
}

/** The log as a restore writes it. */
export interface WrittenLog {
  readonly columns: ReadonlyMap<string, WrittenColumn>;
  /**
   * The columns of the smallest unique key with the event's id that refuses a second one at once:
   * neither deferrable, nor partial, nor of expressions.
   */
  readonly key: readonly string[] | undefined;
  /** Whether the log can hold an event only once: an heir's rows are no business of its parent's key. */
  readonly isUnique: boolean;
  /**
   * Whether something may change a row on its way in, or hide it: a trigger, a rule, policies that are
   * not the same for reading and for writing.
   */
  readonly mayRewrite: boolean;
}

// One JSON text, so that type parsers which the host has replaced cannot change what is read.
/** Asks for it: `$1` schema, `$2` table. */
export const writtenLogSql = `
  WITH RECURSIVE log AS (
    SELECT c.oid, c.relkind, c.relhassubclass, c.relhasrules
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} c.relnamespace
     WHERE n.nspname ${eq} $1::pg_catalog.text AND c.relname ${eq} $2::pg_catalog.text
  ), tree AS (
    SELECT oid FROM log
     UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree AS t ON t.oid ${eq} i.inhparent
  )
  SELECT pg_catalog.json_build_object(
           'columns', (
             SELECT pg_catalog.json_object_agg(a.attname, pg_catalog.json_build_object(
                      'type', ${columnTypeSql('a')},
                      'base', (
                        WITH RECURSIVE y AS (
                          SELECT a.atttypid AS oid
                           UNION
                          SELECT t.typbasetype FROM pg_catalog.pg_type AS t JOIN y ON y.oid ${eq} t.oid
                           WHERE t.typtype ${eq} 'd'
                        )
                        SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', t.typname)
                          FROM y
                          JOIN pg_catalog.pg_type AS t ON t.oid ${eq} y.oid AND t.typtype ${ne} 'd'
                          JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} t.typnamespace),
                      'isNotNull', a.attnotnull))
               FROM pg_catalog.pg_attribute AS a
              WHERE a.attrelid ${eq} log.oid AND a.attnum ${gt} 0 AND NOT a.attisdropped),
           'keys', ARRAY(
             SELECT pg_catalog.to_json(ARRAY(
                      SELECT a.attname::pg_catalog.text
                        FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                        JOIN pg_catalog.pg_attribute AS a
                          ON a.attrelid ${eq} i.indrelid AND a.attnum ${eq} k.attnum
                       WHERE k.place ${le} i.indnkeyatts))
               FROM pg_catalog.pg_index AS i
              WHERE i.indrelid ${eq} log.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                AND i.indpred IS NULL AND i.indexprs IS NULL),
           'isParent', log.relkind ${eq} 'r' AND log.relhassubclass,
           'mayRewrite', log.relhasrules
             OR EXISTS (
               SELECT FROM pg_catalog.pg_trigger AS g
                WHERE g.tgrelid ${eq} ANY (SELECT oid FROM tree) AND g.tgenabled ${ne} 'D'
                  AND (g.tgtype OPERATOR(pg_catalog.&) 7) ${eq} 7)
             OR EXISTS (
               SELECT FROM pg_catalog.pg_policy AS p
                WHERE p.polrelid ${eq} log.oid
                  AND (p.polcmd ${ne} '*' OR p.polwithcheck IS NOT NULL
                       AND (pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
                            ${eq} pg_catalog.pg_get_expr(p.polqual, p.polrelid)) IS NOT TRUE))
         )::pg_catalog.text AS facts
    FROM log`;

/** Reads the one row that {@link writtenLogSql} gives. */
export function writtenLogOf(row: unknown, { columns: { id } }: LogTable): WrittenLog {
  const { columns, keys, isParent, mayRewrite } = JSON.parse(
    (row as { readonly facts: string }).facts,
  ) as WrittenLogFacts;
  const [key] = keys.filter((one) => one.includes(id)).sort((a, b) => a.length - b.length);
  return {
    columns: new Map(
      Object.entries(columns).map(([name, { type, base, isNotNull }]) => [
        name,
        { type: typeText(type), declared: declaredText(type), base: typeText(base), isNotNull },
      ]),
    ),
    key,
    isUnique: key?.length === 1 && !isParent,
    mayRewrite,
  };
}

interface WrittenLogFacts {
  readonly columns: Readonly<
    Record<
      string,
      {
        readonly type: ColumnType;
        readonly base: Pick<ColumnType, 'schema' | 'name'>;
        readonly isNotNull: boolean;
      }
    >
  >;
  readonly keys: readonly (readonly string[])[];
  readonly isParent: boolean;
  readonly mayRewrite: boolean;
}
