// Rows in, JSON Lines out: the object lane's Transform.

import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import type { ChangeRow } from '../format/change-row.js';
import { writeExportLine } from '../format/encode-line.js';
import type { ExportLine } from '../format/export-line.js';
import { SummaryBuilder, summaryOf } from '../format/summary.js';
import type { ExportSummary } from '../format/summary.js';
import { isThenable, leaveUnawaited } from '../format/thenable.js';
import { toExportLine } from '../format/to-export-line.js';
import { functionOption, refuseUnknown } from '../options.js';
import { ByteDigest, offerDigest } from './digest.js';
import { FlushGate } from './flush-gate.js';
import { flushOptionNames, flushPolicyOf } from './flush-policy.js';
import type { FlushOptions, FlushProgress } from './flush-policy.js';
import { hookFailed, hookThrew } from './host-hook.js';
import { LineBytes, offerOutput } from './line-bytes.js';

/** Options of a {@link JsonlSerializer}. */
export interface JsonlSerializerOptions<T = ChangeRow> extends FlushOptions {
  /**
   * Makes the line of an item. Called once for each item, in order, synchronously; default
   * {@link toExportLine}. A `BackupError` that it throws fails the stream unchanged. Any other throw,
   * a promise, or a result that is not an object fails it with `BACKUP_HOOK_FAILED`.
   */
  readonly map?: ((item: T) => ExportLine) | undefined;
}

// Lines are handed on in pieces of about this size, whatever flushEvery says, so that memory stays
// bounded for fat rows too.
const pieceBytes = 64 * 1024;

/**
 * A Transform from rows to JSONL bytes.
 *
 * In: items (by default {@link ChangeRow}), singly or in arrays; an array is a batch, so an item
 * cannot be one itself. Out: bytes, UTF-8, one JSON object and `\n` for each item, cut anywhere.
 * Back-pressure is obeyed within a batch too. `end` means that every line was handed on and every
 * flush hook has come back; an error of mapper or hook destroys the stream.
 *
 * @throws TypeError or RangeError for invalid options
 *
 * @example
 * ```ts
 * import { JsonlSerializer, toExportLine, type ChangeRow } from 'backup-streams';
 *
 * const serializer = new JsonlSerializer<ChangeRow>({
 *   map: (row) => toExportLine({ ...row, clientId: '' }),
 *   flushEvery: 1000,
 *   onFlush: ({ lines, bytes }) => console.log(`${lines} lines, ${bytes} bytes`),
 * });
 * ```
 */
export class JsonlSerializer<T = ChangeRow> extends Transform {
  readonly #map: (item: T) => ExportLine;
  readonly #gate: FlushGate;
  readonly #output = new LineBytes();
  readonly #digest = new ByteDigest();
  readonly #builder = new SummaryBuilder();
  #lines = 0;
  #handedLines = 0;
  #flushing: Promise<void> | undefined;
  #isWhole = false;
  #summary: ExportSummary | undefined;
  #onRead: (() => void) | undefined;
  #isBlocked = false;

  constructor(options: JsonlSerializerOptions<T> = {}) {
    // Two writable places: enough for rows to pass without waiting, and no more than two batches.
    super({
      writableObjectMode: true,
      writableHighWaterMark: 2,
      readableHighWaterMark: 256 * 1024,
    });
    refuseUnknown('JsonlSerializer', options, ['map', ...flushOptionNames]);
    const { map = toExportLine as unknown as (item: T) => ExportLine } = options;
    this.#map = functionOption('map', map);
    // A class of the host's may hand on other bytes than these.
    if (new.target === JsonlSerializer) {
      offerDigest(this, this.#digest);
      offerOutput(this, this.#output);
    }
    this.#gate = new FlushGate(flushPolicyOf(options), () => {
      this.#flushOnInterval();
    });
  }

  /** Lines and bytes handed on so far; `readableLength` of these bytes still wait for the reader. */
  get progress(): FlushProgress {
    return { lines: this.#handedLines, bytes: this.#digest.byteCount };
  }

  /**
   * What the export was: counts, digest, apps, schema range, first and last position.
   *
   * @throws TypeError before the stream has ended: until then nothing is proven
   */
  summary(): ExportSummary {
    if (!this.#isWhole || !this.readableEnded) {
      throw new TypeError('summary() is there once the stream has ended');
    }
    const builder = this.#builder;
    this.#summary ??= summaryOf(builder.facts(), this.#digest.facts(), builder.disorder);
    return this.#summary;
  }

  override _transform(
    item: T | readonly T[],
    _encoding: string,
    callback: TransformCallback,
  ): void {
    // A single item needs no closure and no place to come back to.
    if (this.#flushing === undefined && !Array.isArray(item)) this.#appendOne(item as T, callback);
    else {
      this.#afterFlush(() => {
        this.#appendFrom(asBatch(item), 0, callback);
      }, callback);
    }
  }

  override _flush(callback: TransformCallback): void {
    this.#afterFlush(() => {
      if (!this.#flushed(callback)) return;
      this.#afterFlush(() => {
        this.#isWhole = true;
        callback();
      }, callback);
    }, callback);
  }

  override _read(size: number): void {
    this.#isBlocked = false;
    const resume = this.#onRead;
    this.#onRead = undefined;
    resume?.();
    // Always, since the rest of a batch may have pushed nothing: then Transform waits for a demand
    // again, while Readable makes no other before something is pushed.
    super._read(size);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#gate.close();
    this.#onRead = undefined;
    super._destroy(error, callback);
  }

  #appendOne(item: T, callback: TransformCallback): void {
    try {
      this.#append(item);
    } catch (error) {
      callback(error as Error);
      return;
    }
    if (!this.destroyed) this.#afterFlush(callback, callback);
  }

  #appendFrom(batch: readonly T[], start: number, callback: TransformCallback): void {
    let index = start;
    try {
      while (index < batch.length && this.#flushing === undefined && !this.#isBlocked) {
        this.#append(batch[index] as T);
        index += 1;
        // Mapper, hook and reader are the host's, and each of them may have had enough.
        if (this.destroyed) return;
      }
    } catch (error) {
      callback(error as Error);
      return;
    }
    if (index === batch.length) this.#afterFlush(callback, callback);
    else {
      this.#afterFlush(() => {
        this.#afterRead(() => {
          this.#appendFrom(batch, index, callback);
        });
      }, callback);
    }
  }

  #append(item: T): void {
    const line = this.#mapped(item, this.#lines + 1);
    this.#builder.add(writeExportLine(line, this.#output));
    this.#lines += 1;
    if (this.#gate.isDue(this.#lines)) this.#flush();
    else if (this.#output.length >= pieceBytes) this.#pushPiece();
  }

  #mapped(item: T, lineNumber: number): ExportLine {
    const map = this.#map;
    const place = { hook: 'map', lineNumber } as const;
    let line: unknown;
    let isLater: boolean;
    try {
      line = map(item);
      isLater = isThenable(line);
    } catch (error) {
      throw hookThrew(place, error);
    }
    if (isLater) {
      leaveUnawaited(line as PromiseLike<unknown>);
      throw hookFailed(place, 'is async: it must give the line itself, not a promise of it');
    }
    if (typeof line !== 'object' || line === null) throw hookFailed(place, 'gave no line');
    return line as ExportLine;
  }

  #pushPiece(): void {
    if (this.#output.length === 0) return;
    const bytes = this.#output.take();
    this.#digest.update(bytes);
    this.#handedLines = this.#lines;
    // push() may call _read() before it returns false, and such a demand must not be lost: so the
    // flag is set first and whatever _read() has cleared stays cleared.
    this.#isBlocked = true;
    if (this.push(bytes)) this.#isBlocked = false;
  }

  #flush(): void {
    this.#gate.mark(this.#lines);
    this.#pushPiece();
    const pending = this.#gate.flushed(this.progress);
    if (pending === undefined) return;
    this.#flushing = pending.finally(() => {
      this.#flushing = undefined;
    });
  }

  #flushOnInterval(): void {
    const fail = (error?: Error | null): void => {
      if (error) this.destroy(error);
    };
    // The hook that is under way may have written the row that has waited for this.
    this.#afterFlush(() => {
      if (this.#flushed(fail)) this.#afterFlush(() => undefined, fail);
    }, fail);
  }

  /** Flushes what has not been. @returns false when the hook threw, which `callback` was told */
  #flushed(callback: TransformCallback): boolean {
    try {
      if (this.#gate.hasUnmarked(this.#lines)) this.#flush();
      return true;
    } catch (error) {
      callback(error as Error);
      return false;
    }
  }

  /** Runs `next` now, or once the hook that is under way has come back. */
  #afterFlush(next: () => void, callback: TransformCallback): void {
    if (this.#flushing === undefined) {
      next();
      return;
    }
    this.#flushing.then(
      () => {
        if (!this.destroyed) next();
      },
      (error: unknown) => {
        callback(error as Error);
      },
    );
  }

  /** Runs `next` now, or once the reader wants more. */
  #afterRead(next: () => void): void {
    if (this.#isBlocked) this.#onRead = next;
    else next();
  }
}

function asBatch<T>(item: T | readonly T[]): readonly T[] {
  return Array.isArray(item) ? (item as readonly T[]) : [item as T];
}
