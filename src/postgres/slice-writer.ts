// Writes what was planned, slice by slice: each statement is short enough to be watched, and a slice
// that meets an id which is taken meanwhile is looked at more closely.

import type { PgResult } from './client.js';
import { columnTypesOf, columnTypesSql } from './column-types.js';
import type { ColumnTypes } from './column-types.js';
import { conflictError } from './restore-conflict.js';
import { lockLog } from './restore-lock.js';
import type { RestoreRequest } from './restore-options.js';
import type { RestoreConflict } from './restore-report.js';
import type { RestoreSession } from './restore-session.js';
import { valueUnheld } from './sink-error.js';
import type { StageSql } from './stage-sql.js';

/** How many lines are written by one statement. */
const sliceLines = 20_000;
const maxRetries = 3;
// Deadlock and serialization failure: the same statement may succeed the next time.
const passing: ReadonlySet<unknown> = new Set(['40P01', '40001']);
const uniqueViolation = '23505';

/** What is to be written. */
export interface PlannedWrite {
  readonly lineCount: number;
  readonly newCount: number;
  /** Whether planning has marked lines that are not written. */
  readonly skips: boolean;
}

/** What was written, and what was not because others wrote it after planning. */
export interface WrittenCounts {
  readonly newCount: number;
  readonly lateCount: number;
  readonly lateConflicts: readonly RestoreConflict[];
}

interface Slice {
  readonly after: number;
  readonly until: number;
}

/** Writes the lines of one restore. */
export class SliceWriter {
  readonly #session: RestoreSession;
  readonly #request: RestoreRequest;
  readonly #sql: StageSql;
  #types: ColumnTypes = new Map();
  #skips = false;
  #newCount = 0;
  #lateCount = 0;
  readonly #lateConflicts: RestoreConflict[] = [];

  constructor(session: RestoreSession, request: RestoreRequest, sql: StageSql) {
    this.#session = session;
    this.#request = request;
    this.#sql = sql;
  }

  /**
   * Looks at the log's columns before anything is written.
   *
   * @throws BackupError `BACKUP_SINK_FAILED` for a column whose length or precision is not enough for a
   * line's value: Postgres would round it, or cut it, and say nothing
   */
  async prepare(): Promise<void> {
    const session = this.#session;
    this.#types = await this.#columnTypes();
    for (const { column, text } of this.#sql.findUnheld(this.#types)) {
      const { rows } = await session.query(text, undefined, true);
      const { line } = rows[0] as { readonly line: string | null };
      if (line !== null) throw session.fail(valueUnheld(column, Number(line), session.place));
    }
  }

  /**
   * Writes and commits all lines as new ones, in one transaction. `onSlice` as in {@link write}.
   *
   * @returns false when a line was not taken as one; then nothing is written
   */
  async writeAllNew(
    lineCount: number,
    onSlice: (lineCount: number) => Promise<void>,
  ): Promise<boolean> {
    const session = this.#session;
    await this.prepare();
    await session.query('SAVEPOINT backup_streams_all');
    for (let after = 0; after < lineCount; after += sliceLines) {
      const until = Math.min(after + sliceLines, lineCount);
      session.enter('write', after);
      if (!(await this.#isWritten({ after, until }))) {
        await session.query('ROLLBACK TO SAVEPOINT backup_streams_all');
        return false;
      }
      await onSlice(until);
    }
    await session.commit(lineCount);
    return true;
  }

  /** Writes and commits. `onSlice` is called after each slice with the lines passed over. */
  async write(
    { lineCount, newCount, skips }: PlannedWrite,
    onSlice: (lineCount: number) => Promise<void>,
  ): Promise<WrittenCounts> {
    const session = this.#session;
    const { batchSize } = this.#request;
    this.#skips = skips;
    await this.prepare();
    const end = newCount === 0 ? 0 : lineCount;
    if (skips && end > 0) {
      await session.query(this.#sql.indexSkipped, undefined, true);
      await session.query(this.#sql.analyzeSkipped, undefined, true);
    }
    const step = Math.min(batchSize ?? sliceLines, sliceLines);
    let uncommitted = 0;
    for (let after = 0; after < end; after += step) {
      const until = Math.min(after + step, end);
      session.enter('write', after);
      await this.#writeSlice({ after, until });
      uncommitted += until - after;
      if (batchSize !== undefined && uncommitted >= batchSize && until < end) {
        await session.commit(until);
        await session.begin();
        await lockLog(session, this.#request);
        uncommitted = 0;
      }
      await onSlice(until);
    }
    if (batchSize !== undefined) await session.query(this.#sql.drop);
    await session.commit(lineCount);
    return {
      newCount: this.#newCount,
      lateCount: this.#lateCount,
      lateConflicts: this.#lateConflicts,
    };
  }

  async #isWritten({ after, until }: Slice): Promise<boolean> {
    const text = this.#sql.insertSlice(this.#types, { skips: false, tolerates: false });
    try {
      return (await this.#attempt(text, { after, until })) === until - after;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (code === uniqueViolation || passing.has(code)) return false;
      throw this.#session.failFrom(error);
    }
  }

  async #writeSlice(slice: Slice): Promise<void> {
    const session = this.#session;
    const { after, until } = slice;
    const expected = this.#skips ? await this.#countSlice(slice) : until - after;
    if (expected === 0) return;
    await session.query('SAVEPOINT backup_streams_slice');
    const rowCount = await this.#insert(slice);
    await session.query('RELEASE SAVEPOINT backup_streams_slice');
    this.#newCount += rowCount;
    if (rowCount < expected) await this.#explain(slice, expected - rowCount);
  }

  /** A plain INSERT is the fastest; only where an id is taken is every row asked about. */
  async #insert(slice: Slice): Promise<number> {
    let tolerates = false;
    for (let attempt = 0; ; attempt += 1) {
      const text = this.#sql.insertSlice(this.#types, { skips: this.#skips, tolerates });
      try {
        return await this.#attempt(text, slice);
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        const isTaken: boolean = code === uniqueViolation && !tolerates;
        if (!isTaken && !(passing.has(code) && attempt < maxRetries))
          throw this.#session.failFrom(error);
        await this.#session.query('ROLLBACK TO SAVEPOINT backup_streams_slice');
        tolerates ||= isTaken;
      }
    }
  }

  async #attempt(text: string, { after, until }: Slice): Promise<number> {
    const values = [this.#request.scope.userId, after, until];
    const result = await this.#session.attempt(text, values);
    return (result as PgResult & { readonly rowCount: number }).rowCount;
  }

  /** Some lines were not taken: they are there by now, or they cannot be. */
  async #explain({ after, until }: Slice, missingCount: number): Promise<void> {
    const { userId } = this.#request.scope;
    const { rows } = await this.#session.query(this.#sql.findLost(this.#skips), [
      userId,
      after,
      until,
    ]);
    const lost = rows as { readonly line: string; readonly id: string; readonly kind: string }[];
    const conflicts = lost.map(({ line, id, kind }) => ({
      lineNumber: Number(line),
      eventId: id,
      reason: kind === 'f' ? ('unavailable' as const) : ('other-content' as const),
    }));
    const fatal = conflicts.find(
      ({ reason }) => reason === 'unavailable' || this.#request.onConflict === 'stop',
    );
    if (fatal !== undefined) throw conflictError(fatal, conflicts.length);
    this.#lateConflicts.push(...conflicts);
    this.#lateCount += missingCount - conflicts.length;
  }

  async #countSlice({ after, until }: Slice): Promise<number> {
    const { rows } = await this.#session.query(this.#sql.countSlice(true), [after, until]);
    return Number((rows[0] as { readonly count: string }).count);
  }

  async #columnTypes(): Promise<ColumnTypes> {
    const { log } = this.#request.scope;
    const { rows } = await this.#session.query(columnTypesSql, [log.schema, log.table]);
    return columnTypesOf(rows[0]);
  }
}
