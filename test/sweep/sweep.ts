// Tries many cases of a target, each of which can be tried again alone.
import { SeededRandom } from '../../dev/random.js';
import type { Target } from './targets.js';

// A case that takes longer is tried again; one that does so three times is a failure.
const DEFAULT_SLOW_MS = 250;

/** What became of a target's cases. */
export interface SweepResult {
  readonly cases: number;
  /** How many had each outcome: `accepted`, or a code. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** A case that went wrong. */
export class SweepFailure extends Error {
  constructor(target: string, seed: number, caseNumber: number, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`${target}, seed ${seed}, case ${caseNumber}: ${what}`, { cause });
  }
}

/** Tries the cases from `first` on. */
export async function sweep(
  target: Target,
  {
    seed,
    first = 0,
    count,
  }: { readonly seed: number; readonly first?: number; readonly count: number },
): Promise<SweepResult> {
  const outcomes: Record<string, number> = {};
  let slowestMs = 0;
  for (let caseNumber = first; caseNumber < first + count; caseNumber += 1) {
    try {
      const { outcome, ms } = await timed(target, seed, caseNumber);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      slowestMs = Math.max(slowestMs, ms);
    } catch (error) {
      throw new SweepFailure(target.name, seed, caseNumber, error);
    }
  }
  return { cases: count, outcomes, slowestMs };
}

interface Timed {
  readonly outcome: string;
  readonly ms: number;
}

async function timed(target: Target, seed: number, caseNumber: number): Promise<Timed> {
  for (let attempt = 1; ; attempt += 1) {
    // Far apart, so that neighbouring cases have nothing in common.
    const random = new SeededRandom(
      Math.imul(seed, 0x9e37_79b1) ^ Math.imul(caseNumber + 1, 0x85eb_ca6b),
    );
    const startedAt = performance.now();
    const tried = target.try(random, caseNumber);
    const outcome = typeof tried === 'string' ? tried : await tried;
    const ms = performance.now() - startedAt;
    if (ms <= (target.slowMs ?? DEFAULT_SLOW_MS)) return { outcome, ms };
    // What else runs on the machine may have been in the way.
    if (attempt === 3) throw new Error(`took ${Math.round(ms)} ms`);
  }
}
