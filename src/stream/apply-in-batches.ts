// Lines to batches of one app each, handed to a host that applies changes itself.

import type { ExportLine } from '../format/export-line.js';
import { toSyncChange } from '../format/sync-change.js';
import type { SyncChange } from '../format/sync-change.js';
import {
  functionOption,
  integerOption,
  refuseUnknown,
  signalOption,
  timeOption,
} from '../options.js';
import { listenForAbort } from './abort-listening.js';
import { callHook } from './host-hook.js';
import { lineSizeOf } from './line-size.js';
import { isSource, SourceReader } from './source-reader.js';

/** Changes of one app, in the order of their lines. */
export interface ChangeBatch {
  readonly appId: string;
  readonly changes: readonly SyncChange[];
  /** The lines that they were made from. */
  readonly lines: readonly ExportLine[];
}

/** How far {@link applyInBatches} is. */
export interface ApplyProgress {
  /** Lines read. */
  readonly lineCount: number;
  /** Changes that `apply` has come back from. */
  readonly appliedCount: number;
}

/** Options of {@link applyInBatches}. */
export interface ApplyInBatchesOptions {
  /** Most changes in one batch: an integer from 1. Default 300. */
  readonly batchSize?: number | undefined;
  /**
   * How large the lines may be that wait until an app has a whole batch, those of all apps together: in
   * bytes of their JSON, about. Once they are larger, all of them are applied, in smaller batches. An
   * integer from 1. Default 16,777,216 (16 MiB).
   */
  readonly maxWaitingBytes?: number | undefined;
  /**
   * Applies one batch, in one transaction if it can. Called for one batch at a time, for each app in
   * the order of its lines; the next call waits for it. Must treat a change that is already applied as
   * done: after a failure everything is applied again. A `BackupError` that it throws or rejects with
   * ends it all unchanged, any other throw or rejection with `BACKUP_HOOK_FAILED`.
   */
  readonly apply: (batch: ChangeBatch) => unknown;
  /** Called after each batch; may be async. What it throws means the same as with `apply`. */
  readonly onProgress?: ((progress: ApplyProgress) => unknown) | undefined;
  /** How long one call of `apply` or `onProgress` may take, in milliseconds. Default 30,000. */
  readonly hookTimeoutMs?: number | undefined;
  /**
   * Stops the reading and the waiting for a hook at once, and rejects with `signal.reason`. A batch that
   * is being applied is not undone.
   */
  readonly signal?: AbortSignal | undefined;
}

const optionNames = [
  'batchSize',
  'maxWaitingBytes',
  'apply',
  'onProgress',
  'hookTimeoutMs',
  'signal',
];

/** What {@link applyInBatches} has done. */
export interface ApplyReport extends ApplyProgress {
  /** Applied changes by app, in the order in which the apps were first seen. */
  readonly apps: ReadonlyMap<string, number>;
  /**
   * Updates that name no field which has both a value and a time: they would change nothing, and
   * `apply` was not called for them.
   */
  readonly emptyUpdateCount: number;
  /** The first 100 of them. */
  readonly emptyUpdates: readonly { readonly lineNumber: number; readonly eventId: string }[];
}

const listedCount = 100;
// When so many batches' worth of changes wait, all go: memory stays bounded however many apps, and by
// `maxWaitingBytes` however large the lines.
const waitingBatches = 64;

/**
 * Hands lines to a host's own apply function, grouped by app: apps in the order in which they are
 * first seen, and the lines of an app in theirs.
 *
 * @param lines - from an archive's `lines()` or `parseJsonl`, upcast if need be. An archive proves
 * only at its end that it was whole: verify it first
 * @throws TypeError or RangeError for invalid options; BackupError `BACKUP_HOOK_FAILED`;
 * `signal.reason` after an abort; what `lines` throws
 *
 * @example
 * ```ts
 * import { applyInBatches, parseJsonl, type SyncChange } from 'backup-streams';
 * import { createReadStream } from 'node:fs';
 *
 * async function restore(applyServerChanges: (app: string, changes: readonly SyncChange[]) => Promise<void>) {
 *   const report = await applyInBatches(parseJsonl(createReadStream('export.jsonl')), {
 *     apply: ({ appId, changes }) => applyServerChanges(appId, changes),
 *   });
 *   console.log(`${report.appliedCount} applied, ${report.emptyUpdateCount} had nothing to apply`);
 * }
 * ```
 */
export async function applyInBatches(
  lines: AsyncIterable<ExportLine> | Iterable<ExportLine>,
  options: ApplyInBatchesOptions,
): Promise<ApplyReport> {
  if (!isSource(lines)) {
    throw new TypeError(
      'applyInBatches takes lines, as parseJsonl or lines() of an archive give them',
    );
  }
  const reader = new SourceReader(lines);
  const settings = settingsOf(options);
  const { signal } = settings;
  const applier = new BatchApplier(settings);
  // What closing says is nothing beside why it is closed.
  const leave = (): Promise<void> => reader.close().catch(() => undefined);
  const stopListening = listenForAbort(signal, () => void leave());
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value: line } = await reader.next();
      if (done === true) break;
      await applier.add(line);
    }
    // The signal ends the reading too.
    signal?.throwIfAborted();
    await applier.applyAll();
    return applier.report();
  } catch (error) {
    await leave();
    throw error;
  } finally {
    stopListening();
  }
}

interface ApplySettings extends Pick<ApplyInBatchesOptions, 'apply' | 'onProgress' | 'signal'> {
  readonly batchSize: number;
  readonly maxWaitingBytes: number;
  readonly hookTimeoutMs: number;
}

function settingsOf(options: ApplyInBatchesOptions): ApplySettings {
  refuseUnknown('applyInBatches', options, optionNames);
  const {
    batchSize = 300,
    maxWaitingBytes = 16 * 1024 * 1024,
    apply,
    onProgress,
    hookTimeoutMs = 30_000,
    signal,
  } = options;
  if (typeof apply !== 'function') throw new TypeError('apply must be a function');
  integerOption('batchSize', batchSize, { min: 1 });
  integerOption('maxWaitingBytes', maxWaitingBytes, { min: 1 });
  timeOption('hookTimeoutMs', hookTimeoutMs);
  functionOption('onProgress', onProgress);
  return {
    batchSize,
    maxWaitingBytes,
    apply,
    onProgress,
    hookTimeoutMs,
    signal: signalOption(signal),
  };
}

interface Waiting {
  changes: SyncChange[];
  lines: ExportLine[];
  byteCount: number;
  appliedCount: number;
}

class BatchApplier {
  readonly #settings: ApplySettings;
  // A Map, so that an app may have any name.
  readonly #apps = new Map<string, Waiting>();
  readonly #emptyUpdates: { lineNumber: number; eventId: string }[] = [];
  #emptyUpdateCount = 0;
  #lineCount = 0;
  #appliedCount = 0;
  #waitingCount = 0;
  #waitingBytes = 0;

  constructor(settings: ApplySettings) {
    this.#settings = settings;
  }

  async add(line: ExportLine): Promise<void> {
    this.#lineCount += 1;
    const change = toSyncChange(line);
    if (change.op === 'update' && Object.keys(change.fields).length === 0) {
      this.#countEmpty(line);
      return;
    }
    let app = this.#apps.get(line.appId);
    if (app === undefined) {
      this.#apps.set(line.appId, (app = { changes: [], lines: [], byteCount: 0, appliedCount: 0 }));
    }
    app.changes.push(change);
    app.lines.push(line);
    this.#waitingCount += 1;
    const { batchSize, maxWaitingBytes } = this.#settings;
    const byteCount = lineSizeOf(line, maxWaitingBytes);
    app.byteCount += byteCount;
    this.#waitingBytes += byteCount;
    if (app.changes.length >= batchSize) await this.#apply(line.appId, app);
    else if (this.#isFull) await this.applyAll();
  }

  get #isFull(): boolean {
    const { batchSize, maxWaitingBytes } = this.#settings;
    return (
      this.#waitingCount >= batchSize * waitingBatches || this.#waitingBytes >= maxWaitingBytes
    );
  }

  /** Applies what waits, app by app in first-seen order. */
  async applyAll(): Promise<void> {
    for (const [appId, app] of this.#apps) {
      if (app.changes.length > 0) await this.#apply(appId, app);
    }
  }

  report(): ApplyReport {
    return {
      lineCount: this.#lineCount,
      appliedCount: this.#appliedCount,
      apps: new Map([...this.#apps].map(([appId, app]) => [appId, app.appliedCount])),
      emptyUpdateCount: this.#emptyUpdateCount,
      emptyUpdates: this.#emptyUpdates,
    };
  }

  async #apply(appId: string, app: Waiting): Promise<void> {
    const { apply, onProgress, hookTimeoutMs: limitMs, signal } = this.#settings;
    const { changes, lines } = app;
    app.changes = [];
    app.lines = [];
    this.#waitingCount -= changes.length;
    this.#waitingBytes -= app.byteCount;
    app.byteCount = 0;
    const call = { lineNumber: this.#lineCount, limitMs, signal };
    await callHook(() => apply({ appId, changes, lines }), { ...call, hook: 'apply' });
    app.appliedCount += changes.length;
    this.#appliedCount += changes.length;
    if (onProgress === undefined) return;
    const progress = { lineCount: this.#lineCount, appliedCount: this.#appliedCount };
    await callHook(() => onProgress(progress), { ...call, hook: 'onProgress' });
  }

  #countEmpty({ eventId }: ExportLine): void {
    this.#emptyUpdateCount += 1;
    if (this.#emptyUpdates.length < listedCount) {
      this.#emptyUpdates.push({ lineNumber: this.#lineCount, eventId });
    }
  }
}
