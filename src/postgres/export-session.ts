// One export's hold on the database, which ends with COMMIT, and its limits and signal, which hold until
// the consumer has everything. Whatever goes wrong goes through fail(), once: a client that is still
// leased is destroyed, and the lane is told.

import { BackupError } from '../errors.js';
import type { SourceStage } from '../errors.js';
import type { PgClient, PgConnection, PgPool } from './client.js';
import type { ExportRequest } from './export-options.js';
import { LeasedClient } from './leased-client.js';
import type { PassedLimit } from './leased-client.js';
import { relationOf } from './log-table.js';
import { applySettings, beginTransaction, checkLog, checkSettings } from './scope.js';
import { outOfProtocol, sourceFailed } from './source-error.js';
import type { SourcePlace } from './source-error.js';

/** The lane's side of a session. */
export interface SessionListener {
  /** Called once when the export has failed, for whatever reason; the client is gone by then. */
  onFailure(error: unknown): void;
}

/**
 * A leased client inside the export's transaction, from BEGIN to COMMIT or destruction; and the export's
 * limits and signal, from {@link open} to {@link finish} or {@link fail}.
 */
export class ExportSession {
  readonly #request: ExportRequest;
  readonly #listener: SessionListener;
  readonly #lease: LeasedClient;
  #stage: SourceStage = 'connect';
  #rowCount = 0;
  #failure: { readonly error: unknown } | undefined;
  #rejectGuarded: ((error: unknown) => void) | undefined;
  #isServerExpected = false;

  constructor(pool: PgPool, request: ExportRequest, listener: SessionListener) {
    this.#request = request;
    this.#listener = listener;
    this.#lease = new LeasedClient(pool, request, {
      onAbort: (reason) => {
        this.fail(reason);
      },
      onLimit: (passed) => {
        this.fail(this.#stalled(passed));
      },
      onClientError: (error) => {
        this.failFrom(error);
      },
    });
  }

  /** Where the export is. */
  get place(): SourcePlace {
    const relation = relationOf(this.#request.log);
    return { stage: this.#stage, rowCount: this.#rowCount, relation };
  }

  /**
   * Leases a client, begins the transaction, applies the settings and checks tenancy.
   *
   * @returns the client, ready for the export's query
   * @throws what {@link fail} was called with
   */
  async open(): Promise<PgClient> {
    this.#lease.arm();
    return this.#guarded(async () => {
      const client = await this.#lease.open(this.place);
      if (client === undefined) throw outOfProtocol('the client came too late', this.place);
      this.#stage = 'begin';
      this.expectServer();
      const mode = 'ISOLATION LEVEL REPEATABLE READ READ ONLY';
      await beginTransaction(this.#leased, mode, this.#request);
      this.expectServer(); // each answer is a sign of life
      await applySettings(this.#leased, this.#request);
      this.#stage = 'check';
      this.expectServer();
      await checkLog(this.#leased, this.#request, this.place);
      this.#stage = 'read';
      return this.#leased;
    });
  }

  /** Takes note of a row; gives the number of rows so far. */
  countRow(): number {
    this.#rowCount += 1;
    return this.#rowCount;
  }

  /** From now on the server is waited for. */
  expectServer(): void {
    this.#expect('stallTimeoutMs');
  }

  /** From now on the consumer is waited for. */
  expectConsumer(): void {
    this.#expect('sinkStallTimeoutMs');
  }

  /** The host's own hook is waited for, which has a limit of its own. */
  expectNobody(): void {
    this.#lease.expectNobody();
  }

  /** The consumer has taken something. That is no sign of the server's. */
  sign(): void {
    if (!this.#isServerExpected) this.#lease.sign();
  }

  /** Bytes from the server are a sign of life, also in the middle of a large row. */
  watchSocket(socket: PgConnection['stream']): void {
    this.#lease.holdSocket(socket, () => {
      // What the server sends ahead is no sign of the consumer's.
      if (this.#isServerExpected) this.#lease.sign();
    });
  }

  /**
   * After the last row: checks the settings again, commits, and gives the client back clean. The export
   * goes on for as long as the consumer takes: the lane says who is waited for, and calls
   * {@link finish}.
   *
   * @throws what {@link fail} was called with
   */
  async complete(): Promise<void> {
    await this.#guarded(async () => {
      this.#stage = 'end';
      this.expectServer();
      await checkSettings(this.#leased, this.#request, this.#rowCount);
      this.expectServer();
      await this.#leased.query('COMMIT');
      if (this.#leased.getTransactionStatus() !== 'I') {
        throw outOfProtocol('COMMIT did not end the transaction', this.place);
      }
      this.#lease.release();
    });
  }

  /** The consumer has everything: limits and signal have no say any more. */
  finish(): void {
    this.#lease.end();
  }

  /**
   * Ends the export as failed; the first call wins and later ones do nothing. The error reaches the
   * lane as it is: errors of the driver go through {@link failFrom}.
   */
  fail(error: unknown): void {
    if (this.#lease.isOver) return;
    this.#failure = { error };
    this.#lease.destroy();
    this.#rejectGuarded?.(error);
    this.#listener.onFailure(error);
  }

  /** As {@link fail}, for whatever the driver threw. */
  failFrom(cause: unknown): void {
    this.fail(cause instanceof BackupError ? cause : sourceFailed(cause, this.place));
  }

  /** The client, asked for anew after each answer: one that was given back is not ours any more. */
  get #leased(): PgClient {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#lease.client as PgClient;
  }

  #expect(limit: 'stallTimeoutMs' | 'sinkStallTimeoutMs'): void {
    this.#isServerExpected = limit === 'stallTimeoutMs';
    this.#lease.expect({ limit, limitMs: this.#request[limit] });
  }

  // Settles as soon as the session has failed, whatever the driver is still waiting for.
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    const failed = new Promise<never>((_, reject) => {
      this.#rejectGuarded = reject;
    });
    try {
      if (this.#failure !== undefined) throw this.#failure.error;
      return await Promise.race([work(), failed]);
    } catch (error) {
      this.failFrom(error);
      throw (this.#failure as { readonly error: unknown }).error;
    } finally {
      this.#rejectGuarded = undefined;
    }
  }

  #stalled({ limit, limitMs }: PassedLimit): BackupError {
    const { stage, rowCount } = this.place;
    const passed = `within ${limitMs} ms (${limit})`;
    if (limit === 'sinkStallTimeoutMs') {
      const message = `the consumer took nothing ${passed}; the export is given up`;
      return new BackupError('BACKUP_SINK_STALLED', message, { rowCount, limit, limitMs });
    }
    const what = {
      connectTimeoutMs: 'the pool gave no client',
      stallTimeoutMs: 'the database sent nothing',
      maxDurationMs: 'the export did not end',
    }[limit];
    const details = { stage, rowCount, limit, limitMs };
    return new BackupError('BACKUP_SOURCE_STALLED', `${what} ${passed}`, details);
  }
}
