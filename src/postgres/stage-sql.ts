// The statements of a restore up to its plan: lines are staged and held against the log. Nothing that
// a caller gave gets into them but quoted identifiers.

import { eq, gt, lt } from './catalog-sql.js';
import type { LogTable } from './log-table.js';
import { quotedRelation, quoteIdentifier } from './log-table.js';
import {
  again,
  lineKinds,
  sameAsLog,
  sameStaged,
  skip,
  stage,
  stageColumns,
  versionOf,
} from './stage-columns.js';

/** The statements of one restore that write nothing into the log. */
export class StageSql {
  readonly #log: LogTable;
  readonly #isOneTransaction: boolean;

  constructor(log: LogTable, isOneTransaction: boolean) {
    this.#log = log;
    this.#isOneTransaction = isOneTransaction;
  }

  /** Makes the temporary tables. `which`: for the lines, or for the log's own rows once upcast. */
  create(which: 'stage' | 'again'): string {
    const ending = this.#isOneTransaction ? ' ON COMMIT DROP' : '';
    const lines = `CREATE TEMPORARY TABLE ${bare(which === 'stage' ? stage : again)}
      (line pg_catalog.int4, ${stageColumns(this.#log)})${ending}`;
    if (which === 'again') return lines;
    // Indexed as it fills, while the server waits for lines.
    return (
      `${lines}; CREATE INDEX ON ${stage} (line); ` +
      `CREATE TEMPORARY TABLE ${bare(skip)} (line pg_catalog.int4, id pg_catalog.uuid, kind pg_catalog."char")${ending}`
    );
  }

  /** The COPY that fills one of them. */
  copy(which: 'stage' | 'again'): string {
    return `COPY ${which === 'stage' ? stage : again} FROM STDIN (FORMAT binary)`;
  }

  /** Drops what outlives a transaction. */
  readonly drop = `DROP TABLE IF EXISTS ${stage}, ${skip}, ${again}`;

  readonly indexSkipped = `CREATE INDEX IF NOT EXISTS backup_streams_skip_line ON ${skip} (line)`;
  readonly analyze = `ANALYZE ${stage} (id, line)`;
  readonly analyzeSkipped = `ANALYZE ${skip}`;
  readonly indexUpcast = `CREATE INDEX ON ${again} (line)`;
  readonly analyzeUpcast = `ANALYZE ${again}`;

  /** Whether the log has no row of a user, `$1`. */
  get isEmpty(): string {
    const userId = quoteIdentifier(this.#log.columns.userId);
    return `
    SELECT (NOT EXISTS (SELECT FROM ${quotedRelation(this.#log)} AS e WHERE e.${userId}::pg_catalog.text ${eq} $1::pg_catalog.text))::pg_catalog.text
           AS is_so`;
  }

  /** Finds lines whose event was among the lines before. */
  get findRepeated(): string {
    return `
    INSERT INTO ${skip}
    SELECT s.line, s.id, CASE WHEN ${sameStaged(this.#log, 's', 'f')} THEN '${lineKinds.repeated}' ELSE '${lineKinds.repeatedOtherwise}' END::pg_catalog."char"
      FROM (SELECT id, pg_catalog.min(line) AS line FROM ${stage} GROUP BY id HAVING pg_catalog.count(*) ${gt} 1) AS d
      JOIN ${stage} AS s ON s.id ${eq} d.id AND s.line ${gt} d.line
      JOIN ${stage} AS f ON f.line ${eq} d.line AND f.id ${eq} d.id`;
  }

  /**
   * Finds lines whose event is in the user's log. `$1`: the user. `$2`: the version below which
   * content that differs is to be compared once more, or NULL.
   *
   * @param isUnique - whether the log can hold an event only once. If not, a line is there when any
   * of the rows with its id is the same
   */
  findPresent(isUnique: boolean): string {
    const { columns } = this.#log;
    const version = versionOf(`e.${quoteIdentifier(columns.schemaVersion)}`);
    const any = (condition: string): string =>
      isUnique ? condition : `pg_catalog.bool_or(${condition})`;
    return `
    INSERT INTO ${skip}
    SELECT s.line, s.id,
           CASE WHEN ${any(sameAsLog(this.#log))} THEN '${lineKinds.present}'
                WHEN ${any(`${version} ${lt} $2::pg_catalog.int4`)} THEN '${lineKinds.undecided}'
                ELSE '${lineKinds.presentOtherwise}' END::pg_catalog."char"
      FROM ${stage} AS s
      JOIN ${quotedRelation(this.#log)} AS e ON e.${quoteIdentifier(columns.id)}::pg_catalog.uuid ${eq} s.id
     WHERE e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text
       AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line ${eq} s.line)
     ${isUnique ? '' : 'GROUP BY s.line, s.id'}`;
  }

  /** The next rows of the log to be upcast and compared: `$1` user, `$2` line after which, `$3` how many. */
  olderRows(select: readonly string[]): string {
    const { columns } = this.#log;
    return `
    SELECT ${select.map((field, index) => `${field}::pg_catalog.text AS f${index}`).join(', ')}, k.line::pg_catalog.text AS line
      FROM (SELECT line, id FROM ${skip} WHERE kind ${eq} '${lineKinds.undecided}' AND line ${gt} $2::pg_catalog.int4 ORDER BY line LIMIT $3::pg_catalog.int4) AS k
      JOIN ${quotedRelation(this.#log)} AS c ON c.${quoteIdentifier(columns.id)}::pg_catalog.uuid ${eq} k.id
     WHERE c.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text
     ORDER BY k.line`;
  }

  /** Decides what was left open: the log's rows, upcast, are held against the lines. */
  get compareUpcast(): string {
    return `
    UPDATE ${skip} AS k
       SET kind = CASE WHEN EXISTS (
             SELECT FROM ${stage} AS s JOIN ${again} AS f ON f.line ${eq} s.line
              WHERE s.line ${eq} k.line AND ${sameStaged(this.#log, 's', 'f')}) THEN '${lineKinds.present}'
             ELSE '${lineKinds.presentOtherwise}' END::pg_catalog."char"
     WHERE k.kind ${eq} '${lineKinds.undecided}'`;
  }

  readonly countKinds = `SELECT kind::pg_catalog.text AS kind, pg_catalog.count(*)::pg_catalog.text AS count FROM ${skip} GROUP BY kind`;

  /** Conflicts in the order of their lines, not of their texts: `$1` how many at most, or NULL. */
  readonly listConflicts = `
    SELECT k.line::pg_catalog.text AS line, k.id::pg_catalog.text AS id, k.kind::pg_catalog.text AS kind
      FROM ${skip} AS k
     WHERE k.kind ${eq} '${lineKinds.repeatedOtherwise}' OR k.kind ${eq} '${lineKinds.presentOtherwise}'
     ORDER BY k.line LIMIT $1::pg_catalog.int8`;
}

function bare(table: string): string {
  return table.slice('pg_temp.'.length);
}
