// What a restore does, step by step: lines are verified and staged, held against the log, and written.

import { BackupError } from '../errors.js';
import type { Archive, VerifiedLines } from '../stream/archive-port.js';
import { callHook } from '../stream/host-hook.js';
import type { PgPool } from './client.js';
import { LineStager } from './line-stager.js';
import { decideOlder } from './older-rows.js';
import { conflictError } from './restore-conflict.js';
import { bytesOf, isArchive, problemError, verifiedLinesOf } from './restore-input.js';
import type { RestoreInput } from './restore-input.js';
import { lockLog } from './restore-lock.js';
import type { RestoreProgress, RestoreRequest } from './restore-options.js';
import { archiveRefused, listedCount, reportOf } from './restore-report.js';
import type {
  PlannedCounts,
  RestoreConflict,
  RestoreReport,
  StagedFacts,
} from './restore-report.js';
import { RestoreSession } from './restore-session.js';
import { SliceWriter } from './slice-writer.js';
import { StageSql } from './stage-sql.js';

type Chunks = AsyncIterator<Uint8Array | VerifiedLines>;

/** How many lines lie between two calls of the progress hook at least. */
const progressLines = 20_000;

/** One restore: verified and staged, then planned and written. `run` may be called once. */
export class RestoreRun {
  readonly #input: RestoreInput;
  readonly #request: RestoreRequest;
  readonly #session: RestoreSession;
  readonly #sql: StageSql;
  /** Aborted when the restore has failed, so that nobody verifies on for nothing. */
  readonly #verifying = new AbortController();
  #totalCount: number | undefined;

  constructor(pool: PgPool, input: RestoreInput, request: RestoreRequest) {
    this.#input = input;
    this.#request = request;
    this.#session = new RestoreSession(pool, request.scope);
    this.#sql = new StageSql(request.scope.log, request.batchSize === undefined || request.dryRun);
  }

  async run(): Promise<RestoreReport> {
    try {
      return await this.#run();
    } catch (error) {
      this.#verifying.abort();
      throw this.#session.fail(error);
    }
  }

  async #run(): Promise<RestoreReport> {
    const staged = await this.#verifyAndStage();
    if ('dryRun' in staged) return staged;
    await this.#enterPlan();
    return (await this.#writeAllNew(staged)) ?? this.#planAndWrite(staged);
  }

  /** Into an empty log: whether all lines are new is found out fastest by writing them. */
  async #writeAllNew(staged: StagedFacts): Promise<RestoreReport | undefined> {
    const { dryRun, batchSize } = this.#request;
    // Committed batches could not be taken back.
    if (dryRun || batchSize !== undefined || !(await this.#isEmptyAndKeyed())) return undefined;
    const areNew = await this.#writer().writeAllNew(staged.lineCount, this.#onSlice);
    if (!areNew) return undefined;
    this.#session.release();
    const { stagedCount: newCount } = staged;
    return reportOf(staged, nothingThere, { dryRun, newCount, stops: false });
  }

  async #planAndWrite(staged: StagedFacts): Promise<RestoreReport> {
    const planned = await this.#plan();
    const { dryRun, onConflict } = this.#request;
    const stops = onConflict === 'stop' && planned.conflictCount > 0;
    const skipped = planned.presentCount + planned.repeatedCount + planned.conflictCount;
    if (dryRun) {
      await this.#writer().prepare();
      await this.#session.rollBack();
      return reportOf(staged, planned, { dryRun, newCount: staged.stagedCount - skipped, stops });
    }
    const [first] = planned.conflicts;
    if (stops && first !== undefined) throw conflictError(first, planned.conflictCount);
    const written = await this.#writer().write(
      { lineCount: staged.lineCount, newCount: staged.stagedCount - skipped, skips: skipped > 0 },
      this.#onSlice,
    );
    this.#session.release();
    const { newCount, lateCount, lateConflicts } = written;
    const final = {
      ...planned,
      presentCount: planned.presentCount + lateCount,
      conflictCount: planned.conflictCount + lateConflicts.length,
      conflicts: [...planned.conflicts, ...lateConflicts],
    };
    return reportOf(staged, final, { dryRun, newCount, stops: false });
  }

  /** @returns what was staged, or a dry run's report of an archive that is not what it should be */
  async #verifyAndStage(): Promise<StagedFacts | RestoreReport> {
    const input = this.#input;
    if (!isArchive(input)) return this.#openAndStage(bytesOf(input));
    await this.#progress({ phase: 'verify', lineCount: 0 });
    this.#totalCount = input.manifest.eventCount;
    const { dryRun, verify, maxDepth } = this.#request;
    // In one pass: a stage is not the log, and the writing waits for the verdict.
    if (!dryRun && this.#isExpected(input)) {
      return this.#openAndStage(verifiedLinesOf(input, { ...verify, maxDepth }));
    }
    const refusal = await this.#session.host(this.#verdictOf(input));
    if (refusal === undefined) return this.#openAndStage(bytesOf(input));
    this.#session.release();
    return refusal;
  }

  /** Whether it makes sense to stage the archive before it is verified. */
  #isExpected({ manifest }: Archive): boolean {
    const { scope, remapUser, verify } = this.#request;
    const { expectArchiveId = manifest.archiveId } = verify;
    return (
      (remapUser || manifest.userId === scope.userId) && manifest.archiveId === expectArchiveId
    );
  }

  async #verdictOf(archive: Archive): Promise<RestoreReport | undefined> {
    const { verify, dryRun } = this.#request;
    const { signal } = this.#verifying;
    const { ok, problems, problemCount } = await archive.verify({
      ...verify,
      signal: verify.signal === undefined ? signal : AbortSignal.any([verify.signal, signal]),
    });
    if (ok) return undefined;
    const [first] = problems;
    if (first === undefined || !dryRun) throw problemError(first, problemCount);
    return archiveRefused(problems, problemCount);
  }

  async #openAndStage(chunks: Chunks): Promise<StagedFacts> {
    await this.#session.open();
    return this.#stage(chunks);
  }

  async #stage(chunks: Chunks): Promise<StagedFacts> {
    const session = this.#session;
    session.enter('stage', 0);
    await session.query(this.#sql.create('stage'));
    const copy = await session.copyIn(this.#sql.copy('stage'));
    const input = this.#input;
    const longest = isArchive(input) ? input.manifest.maxLineBytes : undefined;
    const stager = new LineStager(this.#request, copy, this.#request.maxLineBytes ?? longest);
    let told = 0;
    try {
      for (;;) {
        const next = await session.read(chunks.next());
        if (next.done === true) break;
        const { value: chunk } = next;
        await this.#fed(
          chunk instanceof Uint8Array ? stager.feed(chunk) : stager.feedVerified(chunk),
        );
        session.enter('stage', stager.lineCount);
        if (stager.lineCount - told < progressLines) continue;
        told = stager.lineCount;
        await this.#progress({ phase: 'stage', lineCount: told });
      }
    } catch (error) {
      // Not waited for: a generator returns only after its pending next(), which may never come.
      void Promise.resolve(chunks.return?.()).catch(() => undefined);
      throw error;
    }
    await session.answer(stager.finish());
    await this.#progress({ phase: 'stage', lineCount: stager.lineCount });
    return stager.facts();
  }

  // What is wrong with a line is thrown as it is; what the driver throws is typed.
  async #fed(feeding: Promise<void>): Promise<void> {
    this.#session.expectDatabase();
    try {
      await this.#session.race(feeding);
    } catch (error) {
      throw error instanceof BackupError ? error : this.#session.failFrom(error);
    }
  }

  async #enterPlan(): Promise<void> {
    const session = this.#session;
    const { lineCount } = session.place;
    session.enter('plan', lineCount);
    await this.#progress({ phase: 'plan', lineCount });
    await lockLog(session, this.#request);
    await session.query(this.#sql.analyze, undefined, true);
  }

  /** Whether what is not new would be refused by the log itself: nothing else is there to be found. */
  async #isEmptyAndKeyed(): Promise<boolean> {
    const { userId, log } = this.#request.scope;
    const values = [userId, log.schema, log.table, log.columns.id];
    const { rows } = await this.#session.query(this.#sql.isEmptyAndKeyed, values, true);
    return (rows[0] as { readonly is_so: string }).is_so === 'true';
  }

  #writer(): SliceWriter {
    return new SliceWriter(this.#session, this.#request, this.#sql);
  }

  async #plan(): Promise<PlannedCounts> {
    const session = this.#session;
    const { scope, upcaster, onConflict } = this.#request;
    const sql = this.#sql;
    session.enter('plan', session.place.lineCount);
    await session.query(sql.findRepeated, undefined, true);
    await session.query(sql.findPresent, [scope.userId, upcaster?.current ?? null], true);
    let kinds = await this.#countKinds();
    if (upcaster !== undefined && (kinds.get('u') ?? 0) > 0) {
      await decideOlder(session, { scope, upcaster, sql });
      kinds = await this.#countKinds();
    }
    const most = onConflict === 'report' ? null : listedCount;
    const { rows } = await session.query(sql.listConflicts, [most]);
    const count = (kind: string): number => kinds.get(kind) ?? 0;
    return {
      presentCount: count('p'),
      repeatedCount: count('r'),
      conflictCount: count('c') + count('x'),
      conflicts: (rows as ConflictRow[]).map(conflictOf),
    };
  }

  async #countKinds(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#session.query(this.#sql.countKinds);
    const counts = rows as { readonly kind: string; readonly count: string }[];
    return new Map(counts.map(({ kind, count }) => [kind, Number(count)]));
  }

  readonly #onSlice = (lineCount: number): Promise<void> =>
    this.#progress({ phase: 'write', lineCount });

  async #progress(progress: RestoreProgress): Promise<void> {
    const { onProgress, hookTimeoutMs } = this.#request;
    if (onProgress === undefined) return;
    const total = this.#totalCount === undefined ? {} : { totalCount: this.#totalCount };
    const { lineCount: lineNumber } = progress;
    const call = { hook: 'onProgress', lineNumber, limitMs: hookTimeoutMs } as const;
    await this.#session.host(callHook(() => onProgress({ ...progress, ...total }), call));
  }
}

const nothingThere: PlannedCounts = {
  presentCount: 0,
  repeatedCount: 0,
  conflictCount: 0,
  conflicts: [],
};

interface ConflictRow {
  readonly line: string;
  readonly id: string;
  readonly kind: string;
}

function conflictOf({ line, id, kind }: ConflictRow): RestoreConflict {
  return {
    lineNumber: Number(line),
    eventId: id,
    reason: kind === 'x' ? 'repeated' : 'other-content',
  };
}
