// One restore's hold on the database: a leased client, its transactions, limits and end. Whatever
// goes wrong goes through fail(), once: the client is destroyed, and with it what was not committed.

import { BackupError } from '../errors.js';
import type { SinkStage } from '../errors.js';
import type { PgClient, PgPool, PgResult } from './client.js';
import { CopyIn } from './copy-in.js';
import type { LogScope } from './export-options.js';
import { LeasedClient } from './leased-client.js';
import type { PassedLimit } from './leased-client.js';
import { relationOf } from './log-table.js';
import { applySettings, beginTransaction, checkLog, checkSettings } from './scope.js';
import {
  asSinkFailure,
  commitFailed,
  commitUnknown,
  sessionLost,
  sinkFailed,
} from './sink-error.js';
import type { SinkPlace } from './sink-error.js';

const stallTexts: Readonly<Partial<Record<PassedLimit['limit'], string>>> = {
  connectTimeoutMs: 'the pool gave no client',
  maxDurationMs: 'the restore did not end',
};

/** A leased client between BEGIN and COMMIT, or destruction. */
export class RestoreSession {
  readonly #scope: LogScope;
  readonly #lease: LeasedClient;
  readonly #waiting = new Set<(error: unknown) => void>();
  #failure: { readonly error: unknown } | undefined;
  #stage: SinkStage = 'connect';
  #lineCount = 0;
  /** The server's process that holds what was staged. */
  #backend: string | undefined;
  #awaits: 'database' | 'source' = 'database';
  #isCommitting = false;
  #hasCommitted = false;

  constructor(pool: PgPool, scope: LogScope) {
    this.#scope = scope;
    this.#lease = new LeasedClient(pool, scope, {
      onAbort: (reason) => {
        // Once COMMIT is sent its answer is waited for: the host is to know which it was.
        if (!this.#isCommitting) this.fail(reason);
      },
      onLimit: (passed) => {
        this.fail(this.#stalled(passed));
      },
      onClientError: (error) => {
        this.failFrom(error);
      },
    });
    this.#lease.arm();
  }

  /** Where the restore is. */
  get place(): SinkPlace {
    const relation = relationOf(this.#scope.log);
    return { stage: this.#stage, lineCount: this.#lineCount, relation };
  }

  /** Whether anything of the restore stays if it fails now. */
  get hasCommitted(): boolean {
    return this.#hasCommitted;
  }

  /** Says what is done next, and how many lines were done so far. */
  enter(stage: SinkStage, lineCount: number): void {
    this.#stage = stage;
    this.#lineCount = lineCount;
  }

  /** Leases a client, begins the first transaction and checks the log and its tenancy. */
  async open(): Promise<void> {
    await this.race(this.#open());
    await this.begin();
    this.#stage = 'check';
    const { lineCount, relation } = this.place;
    const place = { stage: 'check' as const, rowCount: lineCount, relation };
    await this.#answered(checkLog(this.#leased, this.#scope, place));
  }

  /** Begins a transaction and gives it its settings. */
  async begin(): Promise<void> {
    this.#stage = 'begin';
    const { signal } = this.#scope;
    if (signal?.aborted === true) throw this.fail(signal.reason);
    const mode = 'ISOLATION LEVEL READ COMMITTED READ WRITE';
    await this.#answered(beginTransaction(this.#leased, mode, this.#scope));
    await this.#answered(applySettings(this.#leased, this.#scope));
    // What exports need for reading in order would only be in the way. Whoever waits for a lock is
    // watched here, and the restore's own lock may be waited for as long as the restore may last.
    const { rows } = await this.query(
      `SELECT pg_catalog.set_config('enable_sort', 'on', true), pg_catalog.set_config('lock_timeout', '0', true),
              pg_catalog.set_config('client_min_messages', 'warning', true),
              pg_catalog.pg_backend_pid()::pg_catalog.text AS backend`,
    );
    const { backend } = rows[0] as { readonly backend: string };
    this.#backend ??= backend;
    // Its tables of that name may hold another user's lines.
    if (backend !== this.#backend) throw this.fail(sessionLost(this.place));
  }

  /** One statement; the database may be silent over it for `stallTimeoutMs`, or for ever. */
  query(text: string, values?: unknown[], isPatient = false): Promise<PgResult> {
    return this.#answered(
      values === undefined ? this.#leased.query(text) : this.#leased.query(text, values),
      isPatient,
    );
  }

  /** As {@link query}, but a rejection is the driver's own and the transaction is not over. */
  async attempt(text: string, values: unknown[]): Promise<PgResult> {
    this.expectDatabase();
    return this.race(this.#leased.query(text, values));
  }

  /** Begins a COPY into the database. */
  async copyIn(text: string): Promise<CopyIn> {
    const copy = new CopyIn(text, this.#scope.maxDurationMs);
    this.#leased.query(copy);
    await this.#answered(copy.ready);
    this.#lease.holdSocket(copy.socket);
    return copy;
  }

  /** Waits for the database's side of something, and types what it throws. */
  async answer<T>(work: Promise<T>): Promise<T> {
    return this.#answered(work);
  }

  /** Waits for what the lines come from. */
  async read<T>(work: Promise<T>): Promise<T> {
    this.#awaits = 'source';
    this.#expectAnswer();
    try {
      return await this.race(work);
    } finally {
      this.#lease.expectNobody();
    }
  }

  /** Waits for the host's own hook, which has a limit of its own. */
  async host<T>(work: Promise<T>): Promise<T> {
    this.#lease.expectNobody();
    return this.race(work);
  }

  /** Settles with `work`, or as soon as the session has failed. */
  race<T>(work: Promise<T>): Promise<T> {
    // Not Promise.race: against a promise that lives as long as the restore it would keep every
    // result, and with the results all that was read.
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        work.catch(() => undefined);
        reject(this.#failure.error);
        return;
      }
      this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => {
        this.#waiting.delete(reject);
      });
    });
  }

  /** The database is waited for from now on. */
  expectDatabase(): void {
    this.#awaits = 'database';
    this.#expectAnswer();
  }

  /** Checks that the settings still hold, and commits. */
  async commit(lineCount: number): Promise<void> {
    this.enter('commit', lineCount);
    await this.#answered(checkSettings(this.#leased, this.#scope, lineCount));
    this.#isCommitting = true;
    this.expectDatabase();
    let result: PgResult & { readonly command?: string };
    try {
      result = await this.race(this.#leased.query('COMMIT'));
    } catch (cause) {
      throw this.fail(
        cause instanceof BackupError ? cause : commitFailed(cause, this.place, this.#hasCommitted),
      );
    }
    // An aborted transaction answers COMMIT with ROLLBACK, and that is no error to the driver.
    if (result.command !== 'COMMIT')
      throw this.fail(sinkFailed(undefined, this.place, this.#hasCommitted));
    this.#isCommitting = false;
    this.#hasCommitted = true;
    this.#lease.expectNobody();
  }

  /** Rolls back what was only looked at, and gives the client back clean. */
  async rollBack(): Promise<void> {
    await this.query('ROLLBACK');
    this.release();
  }

  /**
   * Gives the client back clean: there is no transaction any more. A listener of the pool's that throws
   * changes nothing of what was done; the client is destroyed then, so that the pool makes another.
   */
  release(): void {
    if (this.#lease.isOver) return;
    try {
      this.#lease.release();
      this.#lease.end();
    } catch {
      this.#lease.destroy();
    }
  }

  /**
   * Ends the restore as failed; the first call wins. An error of the driver becomes this library's.
   *
   * @returns the error that the restore fails with
   */
  fail(cause: unknown): unknown {
    if (this.#failure !== undefined) return this.#failure.error;
    this.#failure = { error: cause };
    // Destroyed with its client is what was not committed: the server rolls it back.
    this.#lease.destroy();
    for (const reject of this.#waiting) reject(cause);
    this.#waiting.clear();
    return cause;
  }

  /** As {@link fail}, for whatever the driver threw. */
  failFrom(cause: unknown): unknown {
    if (cause instanceof BackupError) {
      const isShared = cause.code === 'BACKUP_SOURCE_FAILED';
      return this.fail(
        isShared ? asSinkFailure(cause as BackupError<'BACKUP_SOURCE_FAILED'>, this.place) : cause,
      );
    }
    return this.fail(
      (this.#isCommitting ? commitFailed : sinkFailed)(cause, this.place, this.#hasCommitted),
    );
  }

  get #leased(): PgClient {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#lease.client as PgClient;
  }

  async #open(): Promise<void> {
    const { lineCount: rowCount, relation } = this.place;
    try {
      await this.#lease.open({ stage: 'connect', rowCount, relation });
    } catch (cause) {
      throw this.failFrom(cause);
    }
  }

  async #answered<T>(work: Promise<T>, isPatient = false): Promise<T> {
    if (isPatient) this.#lease.expectNobody();
    else this.expectDatabase();
    try {
      return await this.race(work);
    } catch (cause) {
      if (this.#failure !== undefined) throw this.#failure.error;
      throw this.failFrom(cause);
    } finally {
      this.#lease.expectNobody();
    }
  }

  #expectAnswer(): void {
    this.#lease.expect({ limit: 'stallTimeoutMs', limitMs: this.#scope.stallTimeoutMs });
  }

  #stalled({ limit, limitMs }: PassedLimit): BackupError {
    const rowCount = this.#lineCount;
    if (this.#isCommitting) return commitUnknown(rowCount);
    const passed = `within ${limitMs} ms (${limit})`;
    if (limit === 'stallTimeoutMs' && this.#awaits === 'source') {
      const message = `what the lines are read from gave nothing ${passed}; nothing is restored`;
      const details = { stage: 'read' as const, rowCount, limit, limitMs };
      return new BackupError('BACKUP_SOURCE_STALLED', message, details);
    }
    const details = { rowCount, limit, limitMs };
    return new BackupError(
      'BACKUP_SINK_STALLED',
      `${stallTexts[limit] ?? 'the database said nothing'} ${passed}`,
      details,
    );
  }
}
