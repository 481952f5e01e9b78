// Lines to batches of one app each, handed to a host that applies changes itself.

import type { ExportLine } from '../format/export-line.js';
import { toSyncChange } from '../format/sync-change.js';
import type { SyncChange } from '../format/sync-change.js';
import {
  functionOption,
  integerOption,
  maxTimerMs,
  refuseUnknown,
  signalOption,
} from '../options.js';
import { callHook } from './host-hook.js';
import { hearErrors } from './unread-source.js';

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
   * Applies one batch, in one transaction if it can. Called for one batch at a time, for each app in
   * the order of its lines; the next call waits for it. Must take a change that is there already for
   * done, since after a failure everything is applied again. A throw ends it all with
   * `BACKUP_HOOK_FAILED`.
   */
  readonly apply: (batch: ChangeBatch) => unknown;
  /** Called after each batch; may be async. */
  readonly onProgress?: ((progress: ApplyProgress) => unknown) | undefined;
  /** How long one call of `apply` or `onProgress` may take, in milliseconds. Default 30,000. */
  readonly hookTimeoutMs?: number | undefined;
  /** Stops before the next batch, and rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

const optionNames = ['batchSize', 'apply', 'onProgress', 'hookTimeoutMs', 'signal'];

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
// When so many batches' worth of changes wait, all go: memory stays bounded however many apps.
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
  if (!isIterable(lines)) {
    throw new TypeError(
      'applyInBatches takes lines, as parseJsonl or lines() of an archive give them',
    );
  }
  hearErrors(lines);
  const applier = new BatchApplier(settingsOf(options));
  for await (const line of lines) await applier.add(line);
  await applier.applyAll();
  return applier.report();
}

function isIterable(lines: unknown): boolean {
  return (
    typeof lines === 'object' &&
    lines !== null &&
    !(lines instanceof Uint8Array) &&
    (Symbol.asyncIterator in lines || Symbol.iterator in lines)
  );
}

interface ApplySettings extends Pick<ApplyInBatchesOptions, 'apply' | 'onProgress' | 'signal'> {
  readonly batchSize: number;
  readonly hookTimeoutMs: number;
}

function settingsOf(options: ApplyInBatchesOptions): ApplySettings {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TypeError('applyInBatches takes options with an apply function');
  }
  refuseUnknown('applyInBatches', options, optionNames);
  const { batchSize = 300, apply, onProgress, hookTimeoutMs = 30_000, signal } = options;
  if (typeof apply !== 'function') throw new TypeError('apply must be a function');
  integerOption('batchSize', batchSize, { min: 1 });
  integerOption('hookTimeoutMs', hookTimeoutMs, { min: 1, max: maxTimerMs });
  functionOption('onProgress', onProgress);
  return { batchSize, apply, onProgress, hookTimeoutMs, signal: signalOption(signal) };
}

interface Waiting {
  changes: SyncChange[];
  lines: ExportLine[];
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

  constructor(settings: ApplySettings) {
    this.#settings = settings;
  }

  async add(line: ExportLine): Promise<void> {
    this.#settings.signal?.throwIfAborted();
    this.#lineCount += 1;
    const change = toSyncChange(line);
    if (change.op === 'update' && Object.keys(change.fields).length === 0) {
      this.#countEmpty(line);
      return;
    }
    let app = this.#apps.get(line.appId);
    if (app === undefined) {
      this.#apps.set(line.appId, (app = { changes: [], lines: [], appliedCount: 0 }));
    }
    app.changes.push(change);
    app.lines.push(line);
    this.#waitingCount += 1;
    if (app.changes.length >= this.#settings.batchSize) await this.#apply(line.appId, app);
    else if (this.#waitingCount >= this.#settings.batchSize * waitingBatches) await this.applyAll();
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
