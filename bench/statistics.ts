// From single measurements to what the tables show.

/** Middle and ends of some measured values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/**
 * Of an even number of values the median is the mean of the middle two.
 *
 * @throws RangeError for no values, or for one that is no number
 */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new RangeError('there are no values');
  if (values.some((value) => !Number.isFinite(value))) throw new RangeError('a value is no number');
  const upper = sorted[Math.floor(sorted.length / 2)] ?? max;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? min;
  return { median: (lower + upper) / 2, min, max, count: sorted.length };
}

/**
 * The same items, begun at another place in each round, so that none is always measured after the same other.
 */
export function rotated<T>(items: readonly T[], round: number): readonly T[] {
  const start = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
