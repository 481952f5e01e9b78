// The statements of a restore: lines are staged in a temporary table of fixed types, held against
// the log, and written from there. Nothing that a caller gave gets into them but quoted identifiers.

import type { ColumnTypes } from './column-types.js';
import type { LogMember, LogTable } from './log-table.js';
import { quotedRelation, quoteIdentifier } from './log-table.js';

const stage = 'pg_temp.backup_streams_stage';
const again = 'pg_temp.backup_streams_again';
const skip = 'pg_temp.backup_streams_skip';

// Where each of a row's members stands in the stage. Texts compare by their bytes, whatever the
// database's collation thinks equal.
const staged: readonly (readonly [LogMember, string, string])[] = [
  ['id', 'id', 'uuid'],
  ['appId', 'app', 'text COLLATE "C"'],
  ['tableName', 'tab', 'text COLLATE "C"'],
  ['recordId', 'rec', 'text COLLATE "C"'],
  ['op', 'op', 'text COLLATE "C"'],
  ['data', 'data', 'jsonb'],
  ['fieldTimestamps', 'stamps', 'jsonb'],
  ['clientId', 'client', 'text COLLATE "C"'],
  ['createdAt', 'at', 'timestamptz'],
  ['schemaVersion', 'version', 'int4'],
];

/** The statements of one restore. */
export class StageSql {
  readonly #log: LogTable;
  readonly #isOneTransaction: boolean;

  constructor(log: LogTable, isOneTransaction: boolean) {
    this.#log = log;
    this.#isOneTransaction = isOneTransaction;
  }

  /** Makes the temporary tables. `which`: for the lines, or for the log's own rows once upcast. */
  create(which: 'stage' | 'again'): string {
    const columns = staged.map(([, name, type]) => `${name} ${type}`);
    const extra = this.#log.extraColumns.map((_, index) => `x${index} jsonb`);
    const ending = this.#isOneTransaction ? ' ON COMMIT DROP' : '';
    const lines = `CREATE TEMPORARY TABLE ${bare(which === 'stage' ? stage : again)}
      (line int4, ${[...columns, ...extra].join(', ')})${ending}`;
    if (which === 'again') return lines;
    // Indexed as it fills, while the server waits for lines.
    return (
      `${lines}; CREATE INDEX ON ${stage} (line); ` +
      `CREATE TEMPORARY TABLE ${bare(skip)} (line int4, id uuid, kind "char")${ending}`
    );
  }

  /** The COPY that fills one of them. */
  copy(which: 'stage' | 'again'): string {
    return `COPY ${which === 'stage' ? stage : again} FROM STDIN (FORMAT binary)`;
  }

  /** Drops what outlives a transaction. */
  readonly drop = `DROP TABLE IF EXISTS ${stage}, ${skip}, ${again}`;

  readonly indexSkipped = `CREATE INDEX ON ${skip} (line)`;
  readonly analyze = `ANALYZE ${stage} (id, line)`;
  readonly analyzeSkipped = `ANALYZE ${skip}`;

  /**
   * Whether the log has no row of a user, and a key that refuses an id which is taken at once: `$1` the
   * user, `$2` schema, `$3` table, `$4` the column of the id.
   */
  get isEmptyAndKeyed(): string {
    const userId = quoteIdentifier(this.#log.columns.userId);
    return `
    SELECT (NOT EXISTS (SELECT FROM ${quotedRelation(this.#log)} AS e WHERE e.${userId}::text = $1::text)
       AND EXISTS (
         SELECT FROM pg_catalog.pg_index AS i
           JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
           JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
          WHERE n.nspname = $2::text AND c.relname = $3::text AND a.attname = $4::text
            AND i.indisunique AND i.indimmediate AND i.indisvalid
            AND i.indnkeyatts = 1 AND i.indpred IS NULL))::text AS is_so`;
  }

  /** Finds lines whose event was among the lines before. */
  get findRepeated(): string {
    return `
    INSERT INTO ${skip}
    SELECT s.line, s.id, CASE WHEN ${this.#sameStaged('s', 'f')} THEN 'r' ELSE 'x' END::"char"
      FROM (SELECT id, min(line) AS line FROM ${stage} GROUP BY id HAVING count(*) > 1) AS d
      JOIN ${stage} AS s ON s.id = d.id AND s.line > d.line
      JOIN ${stage} AS f ON f.line = d.line AND f.id = d.id`;
  }

  /**
   * Finds lines whose event is in the user's log. `$1`: the user. `$2`: the version below which
   * content that differs is to be compared once more, or NULL.
   */
  get findPresent(): string {
    const { columns } = this.#log;
    const version = versionOf(`e.${quoteIdentifier(columns.schemaVersion)}`);
    return `
    INSERT INTO ${skip}
    SELECT s.line, s.id,
           CASE WHEN ${this.#sameAsLog()} THEN 'p' WHEN ${version} < $2::int4 THEN 'u' ELSE 'c' END::"char"
      FROM ${stage} AS s
      JOIN ${quotedRelation(this.#log)} AS e ON e.${quoteIdentifier(columns.id)}::uuid = s.id
     WHERE e.${quoteIdentifier(columns.userId)}::text = $1::text
       AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line = s.line)`;
  }

  /** The next rows of the log to be upcast and compared: `$1` user, `$2` line after which, `$3` how many. */
  olderRows(select: readonly string[]): string {
    const { columns } = this.#log;
    return `
    SELECT ${select.map((field, index) => `${field}::text AS f${index}`).join(', ')}, k.line::text AS line
      FROM ${skip} AS k
      JOIN ${quotedRelation(this.#log)} AS c ON c.${quoteIdentifier(columns.id)}::uuid = k.id
     WHERE k.kind = 'u' AND k.line > $2::int4 AND c.${quoteIdentifier(columns.userId)}::text = $1::text
     ORDER BY k.line LIMIT $3::int4`;
  }

  /** Decides what was left open: the log's rows, upcast, are held against the lines. */
  get compareUpcast(): string {
    return `
    UPDATE ${skip} AS k
       SET kind = CASE WHEN EXISTS (
             SELECT FROM ${stage} AS s JOIN ${again} AS f ON f.line = s.line
              WHERE s.line = k.line AND ${this.#sameStaged('s', 'f')}) THEN 'p' ELSE 'c' END::"char"
     WHERE k.kind = 'u'`;
  }

  readonly countKinds = `SELECT kind::text AS kind, count(*)::text AS count FROM ${skip} GROUP BY kind`;

  /** Conflicts in the order of their lines: `$1` how many at most, or NULL. */
  readonly listConflicts = `
    SELECT line::text AS line, id::text AS id, kind::text AS kind
      FROM ${skip} WHERE kind IN ('x', 'c') ORDER BY line LIMIT $1::int8`;

  /** How many lines of a slice are to be written: `$1` exclusive, `$2` inclusive. */
  countSlice(skips: boolean): string {
    return `SELECT count(*)::text AS count FROM ${stage} AS s WHERE ${inSlice('$1', '$2', skips)}`;
  }

  /** Writes a slice: `$1` user, `$2` and `$3` as in {@link countSlice}. */
  insertSlice(
    types: ColumnTypes,
    { skips, tolerates }: { readonly skips: boolean; readonly tolerates: boolean },
  ): string {
    const { columns, extraColumns } = this.#log;
    const values = new Map<string, string>([[columns.userId, '$1::text']]);
    for (const [member, name] of staged) {
      // As the column's own default: an export leaves out both.
      values.set(
        columns[member],
        member === 'fieldTimestamps' ? `coalesce(s.${name}, '{}')` : `s.${name}`,
      );
    }
    for (const [index, [, column]] of extraColumns.entries()) {
      values.set(column, this.#extraValue(column, `s.x${index}`, types));
    }
    const names = [...values.keys()].map(quoteIdentifier);
    const cast = [...values].map(
      ([column, value]) => `(${value})::${types.get(column)?.type ?? 'text'}`,
    );
    return `
    INSERT INTO ${quotedRelation(this.#log)} (${names.join(', ')})
    SELECT ${cast.join(', ')} FROM ${stage} AS s
     WHERE ${inSlice('$2', '$3', skips)} ORDER BY s.line
    ${tolerates ? 'ON CONFLICT DO NOTHING' : ''}`;
  }

  /**
   * For each column that has a length or a precision: the first line whose value would not be in it as
   * it is in the line.
   */
  findUnheld(types: ColumnTypes): readonly { readonly column: string; readonly text: string }[] {
    const { columns, extraColumns } = this.#log;
    const values = new Map<string, readonly [written: string, given: string]>();
    for (const [member, name] of staged) {
      const column = columns[member];
      const narrow = types.get(column)?.narrow;
      if (narrow) values.set(column, [`(s.${name})::${narrow}`, `s.${name}`]);
    }
    for (const [index, [, column]] of extraColumns.entries()) {
      if (!types.get(column)?.narrow) continue;
      values.set(column, [
        `to_jsonb(${this.#extraValue(column, `s.x${index}`, types)})`,
        `s.x${index}`,
      ]);
    }
    return [...values].map(([column, [written, given]]) => ({
      column,
      text: `SELECT min(s.line)::text AS line FROM ${stage} AS s
              WHERE ${given} IS NOT NULL
                AND (${written})::text COLLATE "C" IS DISTINCT FROM (${given})::text COLLATE "C"`,
    }));
  }

  /**
   * What became of a slice's lines of which some were not taken: lines whose event is not the
   * user's (`f`) or has other content (`c`). Parameters as in {@link insertSlice}.
   */
  findLost(skips: boolean): string {
    const { columns } = this.#log;
    return `
    SELECT s.line::text AS line, s.id::text AS id,
           CASE WHEN e.${quoteIdentifier(columns.id)} IS NULL THEN 'f' ELSE 'c' END AS kind
      FROM ${stage} AS s
      LEFT JOIN ${quotedRelation(this.#log)} AS e
        ON e.${quoteIdentifier(columns.id)}::uuid = s.id
       AND e.${quoteIdentifier(columns.userId)}::text = $1::text
     WHERE ${inSlice('$2', '$3', skips)}
       AND (e.${quoteIdentifier(columns.id)} IS NULL OR (${this.#sameAsLog()}) IS NOT TRUE)
     ORDER BY s.line`;
  }

  // to_jsonb's way back. A record knows how for every type; jsonb itself must not lose its null.
  #extraValue(column: string, value: string, types: ColumnTypes): string {
    if (types.get(column)?.type === 'jsonb') return value;
    const name = `'${column.replaceAll("'", "''")}'`;
    const literal = column.includes('\\') ? `E${name.replaceAll('\\', '\\\\')}` : name;
    return (
      `(jsonb_populate_record(NULL::${quotedRelation(this.#log)}, ` +
      `jsonb_build_object(${literal}, ${value}))).${quoteIdentifier(column)}`
    );
  }

  /** Whether the exported lines of staged line `s` and the log's row `e` are identical. */
  #sameAsLog(): string {
    const { columns, extraColumns } = this.#log;
    const parts = staged
      .filter(([member]) => member !== 'id')
      .map(([member, name]) => {
        const column = `e.${quoteIdentifier(columns[member])}`;
        if (member === 'data' || member === 'fieldTimestamps') {
          return sameJson(`s.${name}`, presentJson(`${column}::jsonb`));
        }
        if (member === 'schemaVersion') return `${versionOf(column)} = s.${name}`;
        if (member === 'createdAt') return `${column}::timestamptz = s.${name}`;
        return `${column}::text COLLATE "C" = s.${name}`;
      });
    const extra = extraColumns.map(([, column], index) =>
      sameJson(`s.x${index}`, `to_jsonb(e.${quoteIdentifier(column)})`),
    );
    return [...parts, ...extra].join(' AND ');
  }

  #sameStaged(a: string, b: string): string {
    const parts = staged.map(([member, name]) =>
      member === 'data' || member === 'fieldTimestamps'
        ? sameJson(`${a}.${name}`, `${b}.${name}`)
        : `${a}.${name} = ${b}.${name}`,
    );
    const extra = this.#log.extraColumns.map((_, index) =>
      sameJson(`${a}.x${index}`, `${b}.x${index}`),
    );
    return [...parts, ...extra].join(' AND ');
  }
}

function bare(table: string): string {
  return table.slice('pg_temp.'.length);
}

function inSlice(after: string, until: string, skips: boolean): string {
  const slice = `s.line > ${after}::int4 AND s.line <= ${until}::int4`;
  return skips ? `${slice} AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line = s.line)` : slice;
}

function versionOf(column: string): string {
  return `greatest(coalesce(${column}::int4, 1), 1)`;
}

// An export leaves these out, so they count as none.
function presentJson(value: string): string {
  return `CASE WHEN ${value} IN ('null', '{}') THEN NULL ELSE ${value} END`;
}

// Texts must be identical: for jsonb's own equality 1.0 is 1.00. Values with the same bytes have the
// same text, and are the ordinary case (PostgreSQL manual, section 9.25.6).
function sameJson(a: string, b: string): string {
  return `(ROW(${a})::record OPERATOR(pg_catalog.*=) ROW(${b})::record OR (${a})::text COLLATE "C" IS NOT DISTINCT FROM (${b})::text)`;
}
