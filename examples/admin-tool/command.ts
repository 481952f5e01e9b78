// What every command is given, and what it gives back: a command prints nothing itself.
import type { Progress } from './terminal.js';

/** What a command works with. */
export interface Work {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT, SIGTERM and SIGHUP, with what the run then fails with. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Called once, before anything of the user's is read or written; what it throws ends the command. */
  readonly begin: () => Promise<void>;
}

/** What came of a command that did not fail. */
export interface Outcome {
  /** Whether all is well with what was looked at: the exit code says so. */
  readonly ok: boolean;
  /** The result for programs: stdout, with `--json`. */
  readonly result: Readonly<Record<string, unknown>>;
  /** The result for people: stdout. */
  readonly lines: readonly string[];
  /** What people should know besides: stderr. */
  readonly notes: readonly string[];
  /** What the audit log keeps: counts, digests and ids. */
  readonly audit: Readonly<Record<string, unknown>>;
}
