// What a run has found: one result for each candidate, log and reader.
import type { CandidateName } from './candidates.js';
import type { QueryPlan, StoredLog } from './database.js';
import type { Measurement, Reader } from './job.js';
import type { Machine } from './machine.js';
import { type Spread, spreadOf } from './statistics.js';

/** Measurements of the same export. */
export interface Result {
  readonly candidate: CandidateName;
  readonly userId: string;
  readonly reader: Reader['kind'];
  readonly seconds: Spread;
  readonly cpuSeconds: Spread;
  readonly peakBytes: Spread;
  /** Peak over what the process held before the export. */
  readonly growthBytes: Spread;
}

/** A run. */
export interface Run {
  /** ISO 8601. */
  readonly finishedAt: string;
  readonly minutes: number;
  readonly machine: Machine;
  readonly rows: number;
  readonly rounds: number;
  readonly logs: readonly Pick<StoredLog, 'userId' | 'size' | 'rows' | 'jsonlBytes'>[];
  readonly plans: readonly QueryPlan[];
  /** What was left out and why. */
  readonly notes: readonly string[];
  readonly results: readonly Result[];
}

/** Puts the measurements of one export together. */
export function resultOf(
  export_: Pick<Result, 'candidate' | 'userId' | 'reader'>,
  measurements: readonly Measurement[],
): Result {
  const spread = (value: (measurement: Measurement) => number): Spread =>
    spreadOf(measurements.map(value));
  return {
    ...export_,
    seconds: spread(({ seconds }) => seconds),
    cpuSeconds: spread(({ cpuSeconds }) => cpuSeconds),
    peakBytes: spread(({ peakBytes }) => peakBytes),
    growthBytes: spread(({ peakBytes, baselineBytes }) => peakBytes - baselineBytes),
  };
}

/** The id of a log's user; logs are told apart by it. */
export function userIdOf(log: Pick<StoredLog, 'size' | 'rows'>): string {
  return `bench-${log.size}-${log.rows}`;
}

/** A result of a run, if it was measured. */
export function findResult(
  { results }: Pick<Run, 'results'>,
  wanted: {
    readonly candidate: CandidateName;
    readonly size: StoredLog['size'];
    readonly rows: number;
    readonly reader?: Reader['kind'];
  },
): Result | undefined {
  const { candidate, size, rows, reader = 'fast' } = wanted;
  const userId = userIdOf({ size, rows });
  return results.find(
    (result) =>
      result.candidate === candidate && result.userId === userId && result.reader === reader,
  );
}
