// What the server's catalogs say of the log, of the role that reads it, and of what stands between.

import { eq, gt } from './catalog-sql.js';
import type { PgClient } from './client.js';
import { columnTypeSql } from './column-type.js';
import type { ColumnType } from './column-type.js';
import type { LogTable } from './log-table.js';
import { spellingReads } from './session-settings.js';

/** A policy that decides which rows this role reads. */
export interface PolicyFacts {
  readonly isPermissive: boolean;
  /** Settings of the host's own that it reads and that are not set, or empty; one may come twice. */
  readonly emptySettings: readonly string[];
}

/** The log, as its catalogs and this session describe it. */
export interface LogFacts {
  /** `pg_class.relkind` */
  readonly kind: string;
  readonly isEnabled: boolean;
  readonly isForced: boolean;
  readonly isActive: boolean;
  readonly isSuperuser: boolean;
  readonly bypasses: boolean;
  readonly isOwner: boolean;
  readonly encoding: string;
  readonly columns: readonly string[];
  /** The type of the column that holds the user; null where there is no such column. */
  readonly userType: ColumnType | null;
  readonly policies: readonly PolicyFacts[];
  /** What `spellingReads` gave. */
  readonly spelling: readonly unknown[];
}

// A policy that reads its setting in a function shows no name. Without a backslash, which a literal
// would take otherwise where standard_conforming_strings is off.
const settingName =
  "current_setting[(]''([A-Za-z_][A-Za-z0-9_$]*(?:[.][A-Za-z_][A-Za-z0-9_$]*)+)''::";

const policiesSql = `ARRAY(
             SELECT pg_catalog.json_build_object(
                      'isPermissive', p.polpermissive,
                      'emptySettings', ARRAY(
                        SELECT m.names[1]
                          FROM pg_catalog.regexp_matches(
                                 pg_catalog.pg_get_expr(p.polqual, p.polrelid), '${settingName}', 'g') AS m (names)
                         WHERE coalesce(pg_catalog.current_setting(m.names[1], true), '') ${eq} ''))
               FROM pg_catalog.pg_policy AS p
              WHERE p.polrelid ${eq} c.oid AND (p.polcmd ${eq} 'r' OR p.polcmd ${eq} '*')
                AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS o (oid)
                             WHERE o.oid ${eq} 0 OR pg_catalog.pg_has_role(o.oid, 'USAGE')))`;

// One JSON text, so that type parsers which the host has replaced cannot change what is read. Sent
// without its indentation, a fifth of it: every export waits for it.
const factsSql = `
  SELECT pg_catalog.json_build_object(
           'kind', c.relkind::pg_catalog.text,
           'isEnabled', c.relrowsecurity,
           'isForced', c.relforcerowsecurity,
           'isActive', pg_catalog.row_security_active(c.oid),
           'isSuperuser', r.rolsuper,
           'bypasses', r.rolbypassrls,
           'isOwner', pg_catalog.pg_has_role(c.relowner, 'USAGE'),
           'encoding', pg_catalog.current_setting('server_encoding'),
           'columns', ARRAY(SELECT a.attname::pg_catalog.text
                              FROM pg_catalog.pg_attribute AS a
                             WHERE a.attrelid ${eq} c.oid AND a.attnum ${gt} 0 AND NOT a.attisdropped),
           'userType', (SELECT ${columnTypeSql('a')}
                          FROM pg_catalog.pg_attribute AS a
                         WHERE a.attrelid ${eq} c.oid AND a.attname ${eq} $3::pg_catalog.text
                           AND a.attnum ${gt} 0 AND NOT a.attisdropped),
           'policies', ${policiesSql},
           'spelling', pg_catalog.json_build_array(${spellingReads.join(', ')})
         )::pg_catalog.text AS facts
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} c.relnamespace
    JOIN pg_catalog.pg_roles AS r ON r.rolname ${eq} current_user
   WHERE n.nspname ${eq} $1::pg_catalog.text AND c.relname ${eq} $2::pg_catalog.text`.replace(
  /\s+/g,
  ' ',
);

/** Looks the log up; undefined where there is none. */
export async function readLogFacts(
  client: PgClient,
  { schema, table, columns }: LogTable,
): Promise<LogFacts | undefined> {
  const { rows } = await client.query(factsSql, [schema, table, columns.userId]);
  const row = rows[0] as { readonly facts: string } | undefined;
  return row === undefined ? undefined : (JSON.parse(row.facts) as LogFacts);
}
