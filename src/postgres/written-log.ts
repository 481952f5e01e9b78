// What writing into the log has to know of it: its columns' types, its keys, and who may change a row
// on its way in.

import type { LogTable } from './log-table.js';

/** A column that is written. */
export interface WrittenColumn {
  /** Its type as SQL, without length or precision: a cast to `char(5)` would cut, an INSERT refuses. */
  readonly type: string;
  /** Its type as it was declared: what it holds may be less than what it is given. */
  readonly declared: string;
  /** The type that domains are made of; otherwise its own. */
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
    SELECT c.oid, c.relhasrules
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1::text AND c.relname = $2::text
  ), tree AS (
    SELECT oid FROM log
     UNION
    SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree AS t ON t.oid = i.inhparent
  )
  SELECT json_build_object(
           'columns', (
             SELECT json_object_agg(a.attname, json_build_object(
                      'type', format_type(a.atttypid, -1),
                      'declared', format_type(a.atttypid, a.atttypmod),
                      'base', (
                        WITH RECURSIVE y AS (
                          SELECT a.atttypid AS oid
                           UNION
                          SELECT t.typbasetype FROM pg_catalog.pg_type AS t JOIN y ON y.oid = t.oid
                           WHERE t.typtype = 'd'
                        )
                        SELECT format_type(y.oid, -1) FROM y
                          JOIN pg_catalog.pg_type AS t ON t.oid = y.oid AND t.typtype <> 'd'),
                      'isNotNull', a.attnotnull))
               FROM pg_catalog.pg_attribute AS a
              WHERE a.attrelid = log.oid AND a.attnum > 0 AND NOT a.attisdropped),
           'keys', ARRAY(
             SELECT to_json(ARRAY(
                      SELECT a.attname::text
                        FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
                        JOIN pg_catalog.pg_attribute AS a
                          ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                       WHERE k.place <= i.indnkeyatts))
               FROM pg_catalog.pg_index AS i
              WHERE i.indrelid = log.oid AND i.indisunique AND i.indimmediate AND i.indisvalid
                AND i.indpred IS NULL AND i.indexprs IS NULL),
           'mayRewrite', log.relhasrules
             OR EXISTS (
               SELECT FROM pg_catalog.pg_trigger AS g
                WHERE g.tgrelid IN (SELECT oid FROM tree) AND g.tgenabled <> 'D' AND g.tgtype & 7 = 7)
             OR EXISTS (
               SELECT FROM pg_catalog.pg_policy AS p
                WHERE p.polrelid = log.oid
                  AND (p.polcmd <> '*' OR p.polwithcheck IS NOT NULL
                       AND pg_get_expr(p.polwithcheck, p.polrelid)
                           IS DISTINCT FROM pg_get_expr(p.polqual, p.polrelid)))
         )::text AS facts
    FROM log`;

/** Reads the one row that {@link writtenLogSql} gives. */
export function writtenLogOf(row: unknown, { columns: { id } }: LogTable): WrittenLog {
  const { columns, keys, mayRewrite } = JSON.parse(
    (row as { readonly facts: string }).facts,
  ) as WrittenLogFacts;
  const withId = keys.filter((key) => key.includes(id));
  return {
    columns: new Map(Object.entries(columns)),
    key: withId.sort((a, b) => a.length - b.length)[0],
    mayRewrite,
  };
}

/** Whether the log refuses at once an event's id that is there already. */
export function isKeyedById({ key }: WrittenLog): boolean {
  return key?.length === 1;
}

interface WrittenLogFacts {
  readonly columns: Readonly<Record<string, WrittenColumn>>;
  readonly keys: readonly (readonly string[])[];
  readonly mayRewrite: boolean;
}
