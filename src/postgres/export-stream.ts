// The byte lane: a user's log as JSONL bytes at the database's own speed, out of one COPY.

import type { Readable } from 'node:stream';
import type { ExportSummary } from '../format/summary.js';
import { integerOption } from '../options.js';
import { flushOptionNames, flushPolicyOf } from '../stream/flush-policy.js';
import type { FlushOptions, FlushProgress } from '../stream/flush-policy.js';
import type { PgPool } from './client.js';
import { poolOption } from './client.js';
import { CopyExportStream } from './copy-export-stream.js';
import { exportRequestOf } from './export-options.js';
import type { PgExportOptions } from './export-options.js';

/** Options of {@link pgExportStream}. */
export interface PgExportStreamOptions extends PgExportOptions, FlushOptions {
  /**
   * About how many bytes are handed on together, and how many may wait for a slow reader before
   * the server is made to wait. Default 256 KiB. A single row may be larger than this.
   */
  readonly maxBatchBytes?: number | undefined;
}

/**
 * A Readable of JSONL bytes. `end` means what it means for every source here: the server completed
 * the COPY, its trailer and count agree with the lines written, the settings still held, the
 * transaction was committed, and every flush hook has come back. Any failure destroys the stream
 * with its error; `destroy()` gives the database client back at once.
 */
export interface PgExportStream extends Readable {
  /** Whose export it is. */
  readonly userId: string;
  /**
   * Settles when the first row, or the proof that there is none, has arrived. Starts the export if
   * nothing has yet. A host awaits it before it writes headers, while it can still answer 503.
   *
   * @throws BackupError as reading does
   */
  ready(): Promise<void>;
  /** Lines and bytes handed on so far; `readableLength` of these bytes still wait for the reader. */
  readonly progress: FlushProgress;
  /**
   * What the export was.
   *
   * @throws TypeError before the stream has ended: until then nothing is proven
   */
  summary(): ExportSummary;
}

/**
 * Exports a user's change log as JSONL bytes, the fast way: Postgres sends binary COPY tuples, and
 * their bytes are spliced into lines without becoming JavaScript values. The bytes are those that
 * `pgChangeSource` with `JsonlSerializer` gives for the same rows; take that lane when rows are to
 * be looked at, filtered or changed on the way.
 *
 * Checks, limits and endings are those of `pgChangeSource`. Nothing is queried before `ready()` or
 * the first read.
 *
 * @param pool - a `pg.Pool`; the stream leases one client from it
 * @throws TypeError or RangeError at once for invalid options; the stream fails with
 * BackupError `BACKUP_SOURCE_FAILED`, `BACKUP_SOURCE_STALLED`, `BACKUP_SINK_STALLED`,
 * `BACKUP_TENANCY_UNSAFE`, `BACKUP_TENANCY_MISMATCH`, `BACKUP_ROW_UNMAPPABLE`, `BACKUP_ORDER_VIOLATED`
 * (an event that a log without a unique key holds twice), `BACKUP_HOOK_FAILED`; with `signal.reason`
 * after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 * import { pipeline } from 'node:stream/promises';
 * import pg from 'pg';
 * import { pgExportStream } from 'backup-streams/postgres';
 *
 * async function exportUser(pool: pg.Pool, userId: string): Promise<string> {
 *   const lines = pgExportStream(pool, { userId });
 *   await pipeline(lines, createWriteStream('export.jsonl.part'));
 *   await rename('export.jsonl.part', 'export.jsonl');
 *   return lines.summary().sha256;
 * }
 * ```
 */
export function pgExportStream(pool: PgPool, options: PgExportStreamOptions): PgExportStream {
  poolOption(pool);
  const request = exportRequestOf(options, [...flushOptionNames, 'maxBatchBytes']);
  const { maxBatchBytes = 256 * 1024 } = options;
  return new CopyExportStream(pool, request, {
    policy: flushPolicyOf(options),
    maxBatchBytes: integerOption('maxBatchBytes', maxBatchBytes, { min: 1 }),
  });
}
