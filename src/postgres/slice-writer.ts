// Writes what was planned, slice by slice: each statement is short enough to be watched, and a slice
// that meets an id which is taken meanwhile is looked at more closely.

import type { PgResult } from './client.js';
import { conflictError, conflictOf } from './restore-conflict.js';
import { lockLog, unlockLog } from './restore-lock.js';
import type { RestoreRequest } from './restore-options.js';
import { listedOf } from './restore-report.js';
import type { RestoreConflict } from './restore-report.js';
import type { RestoreSession } from './restore-session.js';
import { rowsRewritten, valueUnheld } from './sink-error.js';
import { SliceSql } from './slice-sql.js';
import type { SkippedRow } from './stage-columns.js';
import type { StageSql } from './stage-sql.js';
import type { WrittenLog } from './written-log.js';

/** How many lines are written by one statement, and of how many bytes; fewer where they are long. */
const mostSliceLines = 20_000;
const sliceBytes = 32 * 1024 * 1024;
const maxRetries = 3;
// Deadlock and serialization failure: the same statement may succeed the next time.
const passing: ReadonlySet<unknown> = new Set(['40P01', '40001']);
const uniqueViolation = '23505';

/** What is to be written. */
export interface StagedLog {
  readonly lineCount: number;
  /** How long the staged lines are together. */
  readonly byteCount: number;
}

/** What was written, and what was not because others wrote it after planning. */
export interface WrittenCounts {
  readonly newCount: number;
  readonly lateCount: number;
  readonly lateConflictCount: number;
  /** As many of them as a report lists at most. */
  readonly lateConflicts: readonly RestoreConflict[];
}

/** What writes, and where to. */
export interface SliceWriterParts {
  readonly session: RestoreSession;
  readonly request: RestoreRequest;
  readonly sql: StageSql;
  readonly written: WrittenLog;
}

interface Slice {
  readonly after: number;
  readonly until: number;
}

/** Writes the lines of one restore. */
export class SliceWriter {
  readonly #session: RestoreSession;
  readonly #request: RestoreRequest;
  readonly #stageSql: StageSql;
  readonly #log: WrittenLog;
  readonly #lineCount: number;
  readonly #sliceLines: number;
  #sql: SliceSql;
  #skips = false;
  #newCount = 0;
  #lateCount = 0;
  #lateConflictCount = 0;
  readonly #lateConflicts: RestoreConflict[] = [];

  constructor(
    { session, request, sql, written }: SliceWriterParts,
    { lineCount, byteCount }: StagedLog,
  ) {
    this.#session = session;
    this.#request = request;
    this.#stageSql = sql;
    this.#log = written;
    this.#lineCount = lineCount;
    const averageBytes = Math.max(1, byteCount / Math.max(1, lineCount));
    const fitting = Math.max(1, Math.floor(sliceBytes / averageBytes));
    this.#sliceLines = Math.min(mostSliceLines, fitting);
    this.#sql = new SliceSql(request.scope.log, written, false);
  }

  /**
   * Looks at the log's columns before anything is written.
   *
   * @throws BackupError `BACKUP_SINK_FAILED` for a column that would hold another value than a line
   * has for it: Postgres would round it, cut it or spell it otherwise, and say nothing
   */
  async prepare(): Promise<void> {
    const session = this.#session;
    for (const { column, text } of this.#sql.findUnheld()) {
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
  async writeAllNew(onSlice: (lineCount: number) => Promise<void>): Promise<boolean> {
    const session = this.#session;
    await this.prepare();
    await session.query('SAVEPOINT backup_streams_all');
    for (let after = 0; after < this.#lineCount;) {
      const until = Math.min(after + this.#sliceLines, this.#lineCount);
      session.enter('write', after);
      if (!(await this.#isWritten({ after, until }))) {
        await session.query('ROLLBACK TO SAVEPOINT backup_streams_all');
        return false;
      }
      await onSlice(until);
      after = until;
    }
    await session.commit(this.#lineCount);
    return true;
  }

  /**
   * Writes and commits what planning has not marked. `onSlice` is called after each slice with the
   * lines passed over.
   *
   * @param planned - how many lines are to be written, and how many are marked
   */
  async write(
    { newCount, skippedCount }: { readonly newCount: number; readonly skippedCount: number },
    onSlice: (lineCount: number) => Promise<void>,
  ): Promise<WrittenCounts> {
    const session = this.#session;
    await this.prepare();
    const end = newCount === 0 ? 0 : this.#lineCount;
    if (skippedCount > 0 && end > 0) {
      await session.query(this.#stageSql.indexSkipped, undefined, true);
      await session.query(this.#stageSql.analyzeSkipped, undefined, true);
    }
    this.#skips = skippedCount > 0;
    this.#sql = new SliceSql(this.#request.scope.log, this.#log, this.#skips);
    const { batchSize = Infinity } = this.#request;
    let committed = 0;
    for (let after = 0; after < end;) {
      const until = Math.min(after + this.#sliceLines, committed + batchSize, end);
      session.enter('write', after);
      await this.#writeSlice({ after, until });
      if (until === committed + batchSize && until < end) {
        await session.commit(until);
        await session.begin();
        await lockLog(session, this.#request);
        committed = until;
      }
      await onSlice(until);
      after = until;
    }
    if (this.#request.batchSize !== undefined) {
      await session.query(this.#stageSql.drop);
      await unlockLog(session, this.#request);
    }
    await session.commit(this.#lineCount);
    return {
      newCount: this.#newCount,
      lateCount: this.#lateCount,
      lateConflictCount: this.#lateConflictCount,
      lateConflicts: this.#lateConflicts,
    };
  }

  async #isWritten(slice: Slice): Promise<boolean> {
    try {
      return (await this.#attempt(slice, false)) === slice.until - slice.after;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (code === uniqueViolation || passing.has(code)) return false;
      throw this.#session.failFrom(error);
    }
  }

  async #writeSlice(slice: Slice): Promise<void> {
    const session = this.#session;
    const { after, until } = slice;
    const expected = this.#skips
      ? await this.#count(this.#sql.countSlice, [after, until])
      : until - after;
    if (expected === 0) return;
    // A trigger may put a row elsewhere, where it is seen and was not taken: that is no late one.
    const heldCount = this.#log.mayRewrite
      ? await this.#count(this.#sql.countHeld, this.#valuesOf(slice))
      : expected;
    await session.query('SAVEPOINT backup_streams_slice');
    const takenCount = await this.#insert(slice);
    await session.query('RELEASE SAVEPOINT backup_streams_slice');
    const lostCount = takenCount < expected ? await this.#explain(slice) : 0;
    const lateCount = Math.min(heldCount, expected - takenCount - lostCount);
    this.#newCount += expected - lostCount - lateCount;
    this.#lateCount += lateCount;
  }

  /** A plain INSERT is the fastest; only where an id is taken is every row asked about. */
  async #insert(slice: Slice): Promise<number> {
    let tolerates = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#attempt(slice, tolerates);
      } catch (error) {
        const { code } = error as { readonly code?: unknown };
        // Some other key of the host's is not for a conflict policy to pass over.
        const isTaken: boolean =
          code === uniqueViolation && !tolerates && this.#log.key !== undefined;
        if (!isTaken && !(passing.has(code) && attempt < maxRetries))
          throw this.#session.failFrom(error);
        await this.#session.query('ROLLBACK TO SAVEPOINT backup_streams_slice');
        tolerates ||= isTaken;
      }
    }
  }

  /** @returns how many rows were taken, all of them as the lines say */
  async #attempt(slice: Slice, tolerates: boolean): Promise<number> {
    const session = this.#session;
    const result = await session.attempt(this.#sql.insert(tolerates), this.#valuesOf(slice));
    if (!this.#log.mayRewrite) return (result as PgResult & { readonly rowCount: number }).rowCount;
    const { taken, kept } = result.rows[0] as { readonly taken: string; readonly kept: string };
    if (taken !== kept) throw rowsRewritten(session.place, session.hasCommitted);
    return Number(taken);
  }

  /** Some lines were not taken: they are there by now, or they cannot be. @returns how many cannot */
  async #explain(slice: Slice): Promise<number> {
    const session = this.#session;
    const { rows } = await session.query(this.#sql.findLost, this.#valuesOf(slice));
    const conflicts = (rows as SkippedRow[]).map(conflictOf);
    const fatal = conflicts.find(
      ({ reason }) => reason === 'unavailable' || this.#request.onConflict === 'stop',
    );
    if (fatal !== undefined) throw conflictError(fatal, conflicts.length, session.hasCommitted);
    this.#lateConflictCount += conflicts.length;
    const room = listedOf(this.#request) - this.#lateConflicts.length;
    this.#lateConflicts.push(...conflicts.slice(0, room));
    return conflicts.length;
  }

  async #count(text: string, values: unknown[]): Promise<number> {
    const { rows } = await this.#session.query(text, values);
    return Number((rows[0] as { readonly count: string }).count);
  }

  #valuesOf({ after, until }: Slice): unknown[] {
    return [this.#request.scope.userId, after, until];
  }
}
