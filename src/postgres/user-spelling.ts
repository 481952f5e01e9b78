// The user's id as its column holds it. Rows are found by their text, since lines and tenancy compare
// texts; an id that the column's type would spell otherwise would find none of them, and say nothing.

import { byBytes, eq, ne } from './catalog-sql.js';
import type { PgClient } from './client.js';
import { builtIn, declaredText, typeText } from './column-type.js';
import type { ColumnType } from './column-type.js';
import type { LogScope } from './export-options.js';
import { quotedRelation, quoteIdentifier } from './log-table.js';
import type { LogTable } from './log-table.js';
import { userSpeltOtherwise } from './source-error.js';
import type { SourcePlace } from './source-error.js';

// Of these, values that are equal have one text, as they have of varchar, which has no equality of its
// own. Of others, such as citext and numeric, they may have many.
const canonical = ['bpchar', 'int2', 'int4', 'int8', 'name', 'oid', 'uuid'].map(builtIn);

/**
 * Checks that an id finds all rows that its column's own equality finds: a `uuid` in upper case, blanks
 * after a `char(n)` and `042` for a `bigint` would find none. For a type whose equal values may be spelt
 * in many ways, as with `citext`, the log is asked whether it holds the user's rows in another spelling.
 *
 * @param type - the column's
 * @throws BackupError `BACKUP_SOURCE_FAILED` naming the column
 */
export async function checkUserSpelling(
  client: PgClient,
  { userId, log }: LogScope,
  { type, place }: { readonly type: ColumnType; readonly place: SourcePlace },
): Promise<void> {
  const declared = declaredText(type);
  if (declared === builtIn('text') || declared === builtIn('varchar')) return;
  const otherwise = (cause?: unknown): Error =>
    userSpeltOtherwise(
      { column: log.columns.userId, type: type.modified ?? type.name },
      place,
      cause,
    );
  let spelling: Spelling;
  try {
    const values = [userId, log.schema, log.table, log.columns.userId];
    const { rows } = await client.query(spellingSql(declared), values);
    spelling = JSON.parse((rows[0] as { readonly spelling: string }).spelling) as Spelling;
  } catch (cause) {
    if (isInvalidValue(cause)) throw otherwise(cause);
    throw cause;
  }
  if (!spelling.isSame) throw otherwise();
  if (spelling.equals === null || canonical.includes(typeText(type))) return;
  const { rows } = await client.query(variantSql(log, declared, spelling.equals), [userId]);
  if ((rows[0] as { readonly is_so: string }).is_so === 'true') throw otherwise();
}

interface Spelling {
  /** Whether the column would hold the id as it is given. */
  readonly isSame: boolean;
  /** The equality operator of the type, or of what a domain is made of; null where it has none. */
  readonly equals: { readonly schema: string; readonly name: string } | null;
}

/** `$1` the id, `$2` schema, `$3` table, `$4` column. */
function spellingSql(declared: string): string {
  return `
  WITH RECURSIVE y AS (
    SELECT a.atttypid AS oid
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid ${eq} a.attrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} c.relnamespace
     WHERE n.nspname ${eq} $2::pg_catalog.text AND c.relname ${eq} $3::pg_catalog.text
       AND a.attname ${eq} $4::pg_catalog.text
     UNION
    SELECT t.typbasetype FROM pg_catalog.pg_type AS t JOIN y ON y.oid ${eq} t.oid
     WHERE t.typtype ${eq} 'd'
  )
  SELECT pg_catalog.json_build_object(
           'isSame', (($1::pg_catalog.text)::${declared})::pg_catalog.text ${byBytes} ${eq} $1::pg_catalog.text,
           'equals', (
             SELECT pg_catalog.json_build_object('schema', n.nspname, 'name', o.oprname)
               FROM y
               JOIN pg_catalog.pg_opclass AS k ON k.opcintype ${eq} y.oid AND k.opcdefault
               JOIN pg_catalog.pg_am AS m ON m.oid ${eq} k.opcmethod AND m.amname ${eq} 'btree'
               JOIN pg_catalog.pg_amop AS p
                 ON p.amopfamily ${eq} k.opcfamily AND p.amopstrategy ${eq} 3
                AND p.amoplefttype ${eq} y.oid AND p.amoprighttype ${eq} y.oid
               JOIN pg_catalog.pg_operator AS o ON o.oid ${eq} p.amopopr
               JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} o.oprnamespace)
         )::pg_catalog.text AS spelling`;
}

/** `$1` the id. */
function variantSql(
  log: LogTable,
  declared: string,
  { schema, name }: { readonly schema: string; readonly name: string },
): string {
  const column = `c.${quoteIdentifier(log.columns.userId)}`;
  const isEqual = `OPERATOR(${quoteIdentifier(schema)}.${name})`;
  return `
  SELECT (EXISTS (
           SELECT FROM ${quotedRelation(log)} AS c
            WHERE ${column} ${isEqual} ($1::pg_catalog.text)::${declared}
              AND ${column}::pg_catalog.text ${byBytes} ${ne} $1::pg_catalog.text))::pg_catalog.text AS is_so`;
}

/** Whether Postgres has said that a value is none of a type: data exceptions, and a domain's checks. */
function isInvalidValue(cause: unknown): boolean {
  const code = (cause as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^2[23]/.test(code);
}
