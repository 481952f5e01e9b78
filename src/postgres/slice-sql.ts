// The statements that write a restore's lines into the log, slice by slice, and see to it that what is
// written is what the lines say.

import { byBytes, eq } from './catalog-sql.js';
import type { LogTable } from './log-table.js';
import { quotedRelation, quoteIdentifier } from './log-table.js';
import { inSlice, lineKinds, sameAsLog, stage, staged } from './stage-columns.js';
import { builtIn } from './column-type.js';
import type { WrittenLog } from './written-log.js';

/**
 * The statements of one restore that write. Parameters, unless they say otherwise: `$1` the user, `$2` the
 * line before the slice, `$3` its last line.
 */
export class SliceSql {
  readonly #log: LogTable;
  readonly #written: WrittenLog;
  readonly #slice: string;

  /** @param skips - whether planning has marked lines that are not written */
  constructor(log: LogTable, written: WrittenLog, skips: boolean) {
    this.#log = log;
    this.#written = written;
    this.#slice = inSlice('$2', '$3', skips);
    this.countSlice = `
    SELECT pg_catalog.count(*)::pg_catalog.text AS count FROM ${stage} AS s WHERE ${inSlice('$1', '$2', skips)}`;
  }

  /** How many lines of a slice are to be written: `$1` the line before it, `$2` its last line. */
  readonly countSlice: string;

  /**
   * Writes a slice. Where rows may be changed on their way in, its one row tells how many were taken
   * (`taken`) and how many of these are what their lines say (`kept`).
   *
   * @param tolerates - leaves out lines whose event's key is taken, instead of failing
   */
  insert(tolerates: boolean): string {
    const { columns, extraColumns } = this.#log;
    const { key = [], mayRewrite } = this.#written;
    const values = this.#values();
    const names = [...values.keys()].map(quoteIdentifier);
    const insert = `
    INSERT INTO ${quotedRelation(this.#log)} (${names.join(', ')})
    SELECT ${[...values].map(([column, value]) => this.#cast(column, value)).join(', ')}
      FROM ${stage} AS s WHERE ${this.#slice} ORDER BY s.line
    ${tolerates ? `ON CONFLICT (${key.map(quoteIdentifier).join(', ')}) DO NOTHING` : ''}`;
    if (!mayRewrite) return insert;
    const read = new Set([...Object.values(columns), ...extraColumns.map(([, column]) => column)]);
    return `
    WITH e AS (${insert} RETURNING ${[...read].map(quoteIdentifier).join(', ')})
    SELECT (SELECT pg_catalog.count(*) FROM e)::pg_catalog.text AS taken,
           pg_catalog.count(*)::pg_catalog.text AS kept
      FROM e JOIN ${stage} AS s ON s.id ${eq} e.${quoteIdentifier(columns.id)}::pg_catalog.uuid
     WHERE ${this.#slice} AND e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text
       AND ${sameAsLog(this.#log)}`;
  }

  /**
   * For each column of another type than its staged values have: the first line whose value would be
   * another one there.
   */
  findUnheld(): readonly { readonly column: string; readonly text: string }[] {
    const { columns, extraColumns } = this.#log;
    const found: { column: string; written: string; given: string }[] = [];
    for (const [member, name, type] of staged) {
      const column = columns[member];
      if (this.#isOf(column, lossless[type] ?? [])) continue;
      const given = `s.${name}`;
      const declared = this.#written.columns.get(column)?.declared ?? `pg_catalog.${type}`;
      found.push({ column, given, written: `((${given})::${declared})::pg_catalog.${type}` });
    }
    for (const [index, [, column]] of extraColumns.entries()) {
      if (this.#isOf(column, ['jsonb'])) continue;
      const given = `s.x${index}`;
      found.push({
        column,
        given,
        written: `pg_catalog.to_jsonb(${this.#extraValue(column, given)})`,
      });
    }
    return found.map(({ column, written, given }) => ({
      column,
      text: `SELECT pg_catalog.min(s.line)::pg_catalog.text AS line FROM ${stage} AS s
              WHERE ${given} IS NOT NULL
                AND ((${written})::pg_catalog.text ${byBytes} ${eq} (${given})::pg_catalog.text) IS NOT TRUE`,
    }));
  }

  /** How many lines of a slice are in the log with the same content. */
  get countHeld(): string {
    return `
    SELECT pg_catalog.count(*)::pg_catalog.text AS count FROM ${stage} AS s
     WHERE ${this.#slice} AND EXISTS (${this.#ofLine} AND ${sameAsLog(this.#log)})`;
  }

  /**
   * What became of a slice's lines of which some were not taken: those that are not in the user's log, and
   * those that are there with other content.
   */
  get findLost(): string {
    return `
    SELECT s.line::pg_catalog.text AS line, s.id::pg_catalog.text AS id,
           CASE WHEN EXISTS (${this.#ofLine}) THEN '${lineKinds.presentOtherwise}' ELSE '${lineKinds.unavailable}' END AS kind
      FROM ${stage} AS s
     WHERE ${this.#slice} AND NOT EXISTS (${this.#ofLine} AND ${sameAsLog(this.#log)})
     ORDER BY s.line`;
  }

  /** The user's rows with the event of line `s`. */
  get #ofLine(): string {
    const { columns } = this.#log;
    return `SELECT FROM ${quotedRelation(this.#log)} AS e
             WHERE e.${quoteIdentifier(columns.id)}::pg_catalog.uuid ${eq} s.id
               AND e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text`;
  }

  /** What is written into each column. */
  #values(): ReadonlyMap<string, string> {
    const { columns, extraColumns } = this.#log;
    const values = new Map<string, string>([[columns.userId, '$1::pg_catalog.text']]);
    for (const [member, name] of staged) {
      // An export leaves out {} and NULL alike.
      const isObject =
        member === 'fieldTimestamps' ||
        (member === 'data' && this.#written.columns.get(columns.data)?.isNotNull === true);
      values.set(columns[member], isObject ? `coalesce(s.${name}, '{}')` : `s.${name}`);
    }
    for (const [index, [, column]] of extraColumns.entries()) {
      values.set(column, this.#extraValue(column, `s.x${index}`));
    }
    return values;
  }

  #cast(column: string, value: string): string {
    return `(${value})::${this.#written.columns.get(column)?.type ?? builtIn('text')}`;
  }

  #isOf(column: string, types: readonly string[]): boolean {
    const declared = this.#written.columns.get(column)?.declared;
    return types.some((type) => declared === builtIn(type));
  }

  // to_jsonb's way back. A record knows how for every type; JSON itself must not lose its null.
  #extraValue(column: string, value: string): string {
    const { base = '', declared = builtIn('text') } = this.#written.columns.get(column) ?? {};
    if ([builtIn('jsonb'), builtIn('json')].includes(base)) {
      return `(${value})::${base}::${declared}`;
    }
    const name = `'${column.replaceAll("'", "''")}'`;
    const literal = column.includes('\\') ? `E${name.replaceAll('\\', '\\\\')}` : name;
    return (
      `(pg_catalog.jsonb_populate_record(NULL::${quotedRelation(this.#log)}, ` +
      `pg_catalog.jsonb_build_object(${literal}, ${value}))).${quoteIdentifier(column)}`
    );
  }
}

// Types of columns that hold every value of a staged type.
const lossless: Readonly<Record<string, readonly string[]>> = {
  uuid: ['uuid', 'text', 'varchar'],
  text: ['text', 'varchar'],
  jsonb: ['jsonb', 'json'],
  timestamptz: ['timestamptz'],
  int4: ['int4', 'int8', 'numeric'],
};
