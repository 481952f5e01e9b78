// What the parent asks of a measuring process, what comes back, and what a candidate has to be.
import type { Writable } from 'node:stream';

/** Who takes the bytes: all of them at once, slowly for a while, or only until there are some. */
export type Reader =
  | { readonly kind: 'fast' }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number; readonly seconds: number }
  | { readonly kind: 'first-byte' };

/** One export to measure. */
export interface Job {
  readonly candidate: string;
  /** Connection string of the plain role. */
  readonly databaseUrl: string;
  readonly userId: string;
  /** The byte lane's own COPY command, for psql. */
  readonly copySql: string;
  readonly reader: Reader;
}

/** What a candidate knows about an export that has ended. */
export interface Outcome {
  readonly rows?: number;
  readonly sha256Hex?: string;
  /** Of another process that did the work, where this one did not. */
  readonly cpuSeconds?: number;
  readonly peakBytes?: number;
}

/** Exports a job's log into a sink, connecting included; resolves when the sink has everything. */
export type Run = (sink: Writable) => Promise<Outcome>;

/** Gets ready what is not to be measured, such as a server; called once, with all modules loaded. */
export type Candidate = (job: Job) => Run | Promise<Run>;

/** One measured export. */
export interface Measurement extends Outcome {
  /** From before connecting to the last byte, or to the first one for that reader. */
  readonly seconds: number;
  /** User and system time of the measuring process over the same span. */
  readonly cpuSeconds: number;
  /** That the sink has got. */
  readonly bytes: number;
  /** Resident memory right before the export, with all modules loaded. */
  readonly baselineBytes: number;
  /** Highest resident memory of the process's whole life. */
  readonly peakBytes: number;
}
