// What a restore does, step by step: lines are verified and staged, held against the log, and written.

import { BackupError } from '../errors.js';
import type { Archive, VerifiedLines } from '../stream/archive-port.js';
import { closeUnread } from '../stream/unread-source.js';
import { callHook } from '../stream/host-hook.js';
import type { PgPool } from './client.js';
import { LineStager } from './line-stager.js';
import { conflictError } from './restore-conflict.js';
import { bytesOf, isArchive, problemError, verifiedLinesOf } from './restore-input.js';
import type { InputPiece, RestoreInput } from './restore-input.js';
import { lockLog, lockLogForBatches } from './restore-lock.js';
import type { RestoreProgress, RestoreRequest } from './restore-options.js';
import { planRestore } from './restore-plan.js';
import { archiveRefused, listedOf, reportOf } from './restore-report.js';
import type { PlannedCounts, RestoreReport, StagedFacts } from './restore-report.js';
import { RestoreSession } from './restore-session.js';
import { SliceWriter } from './slice-writer.js';
import { StageSql } from './stage-sql.js';
import { writtenLogOf, writtenLogSql } from './written-log.js';
import type { WrittenLog } from './written-log.js';

/** What was staged, or a dry run's report of an archive that is not what it should be. */
type Staging =
  | { readonly staged: StagedFacts; readonly refusal?: never }
  | { readonly staged?: never; readonly refusal: RestoreReport };

type ChunkIterator = AsyncIterator<InputPiece | VerifiedLines>;

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
  #isBegun = false;

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
      // What was being read has been left by then; an archive stays open.
      if (!this.#isBegun && !isArchive(this.#input)) closeUnread(this.#input);
      throw this.#session.fail(error);
    }
  }

  async #run(): Promise<RestoreReport> {
    const { staged, refusal } = await this.#verifyAndStage();
    if (staged === undefined) return refusal;
    const written = await this.#enterPlan();
    return (await this.#writeAllNew(staged, written)) ?? this.#planAndWrite(staged, written);
  }

  /** Into an empty log: whether all lines are new is found out fastest by writing them. */
  async #writeAllNew(staged: StagedFacts, written: WrittenLog): Promise<RestoreReport | undefined> {
    const { dryRun, batchSize } = this.#request;
    // Committed batches could not be taken back, and only a key tells of an id that is taken.
    if (dryRun || batchSize !== undefined || !written.isUnique) return undefined;
    if (!(await this.#isEmpty())) return undefined;
    const areNew = await this.#writer(staged, written).writeAllNew(this.#onSlice);
    if (!areNew) return undefined;
    this.#session.release();
    const { stagedCount: newCount } = staged;
    return reportOf(staged, nothingThere, { dryRun, newCount, stops: false });
  }

  async #planAndWrite(staged: StagedFacts, written: WrittenLog): Promise<RestoreReport> {
    const plan = { request: this.#request, sql: this.#sql, isUnique: written.isUnique };
    const planned = await planRestore(this.#session, plan);
    const writer = this.#writer(staged, written);
    const { dryRun, onConflict } = this.#request;
    const stops = onConflict === 'stop' && planned.conflictCount > 0;
    const skippedCount = planned.presentCount + planned.repeatedCount + planned.conflictCount;
    const newCount = staged.stagedCount - skippedCount;
    if (dryRun) {
      await writer.prepare();
      await this.#session.rollBack();
      return reportOf(staged, planned, { dryRun, newCount, stops });
    }
    const [first] = planned.conflicts;
    if (stops && first !== undefined) throw conflictError(first, planned.conflictCount);
    const done = await writer.write({ newCount, skippedCount }, this.#onSlice);
    this.#session.release();
    const final = {
      ...planned,
      presentCount: planned.presentCount + done.lateCount,
      conflictCount: planned.conflictCount + done.lateConflictCount,
      conflicts: [...planned.conflicts, ...done.lateConflicts].slice(0, listedOf(this.#request)),
    };
    return reportOf(staged, final, { dryRun, newCount: done.newCount, stops: false });
  }

  async #verifyAndStage(): Promise<Staging> {
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
    return { refusal };
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

  async #openAndStage(chunks: ChunkIterator): Promise<Staging> {
    await this.#session.open();
    return { staged: await this.#stage(chunks) };
  }

  async #stage(chunks: ChunkIterator): Promise<StagedFacts> {
    const session = this.#session;
    session.enter('stage', 0);
    await session.query(this.#sql.create('stage'));
    const copy = await session.copyIn(this.#sql.copy('stage'));
    const input = this.#input;
    const longest = isArchive(input) ? input.manifest.maxLineBytes : undefined;
    const stager = new LineStager(this.#stagingRequest, {
      copy,
      maxLineBytes: this.#request.maxLineBytes ?? longest,
      // The database has taken what waited: its silence counts from here.
      onDrain: () => {
        session.expectDatabase();
      },
    });
    let told = 0;
    try {
      for (;;) {
        this.#isBegun = true;
        const next = await session.read(chunks.next());
        if (next.done === true) break;
        await this.#fed(stager.feed(next.value));
        session.enter('stage', stager.lineCount);
        if (stager.isCutShort) {
          leave(chunks);
          break;
        }
        if (stager.lineCount - told < progressLines) continue;
        told = stager.lineCount;
        await this.#progress({ phase: 'stage', lineCount: told });
      }
    } catch (error) {
      leave(chunks);
      throw error;
    }
    await session.answer(stager.finish());
    this.#totalCount = stager.lineCount;
    await this.#progress({ phase: 'stage', lineCount: stager.lineCount });
    return stager.facts();
  }

  /** A user's own archive holds the user's own events: new ids would make second ones of them. */
  get #stagingRequest(): RestoreRequest {
    const request = this.#request;
    const input = this.#input;
    const isOwn = isArchive(input) && input.manifest.userId === request.scope.userId;
    return { ...request, remapUser: request.remapUser && !isOwn };
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

  async #enterPlan(): Promise<WrittenLog> {
    const session = this.#session;
    const request = this.#request;
    const { lineCount } = session.place;
    session.enter('plan', lineCount);
    await this.#progress({ phase: 'plan', lineCount });
    if (request.batchSize !== undefined && !request.dryRun)
      await lockLogForBatches(session, request);
    await lockLog(session, request);
    await session.query(this.#sql.analyze, undefined, true);
    const { log } = request.scope;
    const { rows } = await session.query(writtenLogSql, [log.schema, log.table]);
    return writtenLogOf(rows[0], log);
  }

  async #isEmpty(): Promise<boolean> {
    const { userId } = this.#request.scope;
    const { rows } = await this.#session.query(this.#sql.isEmpty, [userId], true);
    return (rows[0] as { readonly is_so: string }).is_so === 'true';
  }

  #writer(staged: StagedFacts, written: WrittenLog): SliceWriter {
    const parts = { session: this.#session, request: this.#request, sql: this.#sql, written };
    return new SliceWriter(parts, staged);
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

// Not waited for: a generator returns only after its pending next(), which may never come.
function leave(chunks: ChunkIterator): void {
  void Promise.resolve(chunks.return?.()).catch(() => undefined);
}

const nothingThere: PlannedCounts = {
  presentCount: 0,
  repeatedCount: 0,
  conflictCount: 0,
  conflicts: [],
};
