// The command line of the benchmark.
import { parseArgs } from 'node:util';

import { type CandidateName, candidateNames, isCandidateName } from './candidates.js';

/** How much is measured. */
export interface BenchOptions {
  /** Rows of the log that most is measured on. */
  readonly rows: number;
  /** Measurements of each candidate on that log. */
  readonly rounds: number;
  readonly only: readonly CandidateName[];
  /** Of 5 MB each. */
  readonly fatRows: number;
  readonly firstByteRounds: number;
  readonly slowSeconds: number;
  /** Lengths of logs, ascending; `rows` is one of them. */
  readonly lengths: readonly number[];
  /** Whether this is the run that is published: everything, at full length. */
  readonly isFull: boolean;
}

/** What `--help` prints. */
export const USAGE = `npm run bench -- [--rows 1000000] [--rounds 5] [--only a,b] [--quick]

  --rows    rows of the log; the others are a hundredth, a tenth, a fifth and twice as long
  --rounds  measurements of each candidate on it; the tables show the median
  --only    ${candidateNames.join(', ')}
  --quick   20,000 rows, two rounds, no log twice as long: does everything work?

DATABASE_URL (a superuser's) names a server to use instead of one that is started for the run.
A full run (at least 1,000,000 rows and five rounds of all) writes its results to bench/, any other to bench/.cache/.
`;

const FULL_ROWS = 1_000_000;
const FULL_ROUNDS = 5;

/**
 * Reads the arguments.
 *
 * @returns undefined when only help was asked for
 * @throws Error or RangeError for arguments that are none
 */
export function benchOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick } = values;
  const rows = integer('--rows', values.rows ?? (quick ? '20000' : String(FULL_ROWS)), 1_000);
  const rounds = integer('--rounds', values.rounds ?? (quick ? '2' : String(FULL_ROUNDS)), 1);
  const only = values.only?.split(',').map(candidateName) ?? candidateNames;
  return {
    rows,
    rounds,
    only,
    fatRows: quick ? 20 : 200,
    firstByteRounds: quick ? 3 : 9,
    slowSeconds: quick ? 3 : 15,
    lengths: [0.01, 0.1, 0.2, 1, ...(quick ? [] : [2])].map((share) => Math.round(rows * share)),
    isFull: !quick && rows >= FULL_ROWS && rounds >= FULL_ROUNDS && only === candidateNames,
  };
}

function integer(name: string, text: string, min: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min) return value;
  throw new RangeError(`${name} must be an integer from ${min}`);
}

function candidateName(name: string): CandidateName {
  if (isCandidateName(name)) return name;
  throw new RangeError(`--only: no candidate is called "${name}"; see --help`);
}
