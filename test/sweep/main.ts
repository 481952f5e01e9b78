// `npm run sweep [-- --target lines --seed 2 --share 0.1 --case 12345 --before 1000]`: tries millions of bent inputs on
// everything that reads input from anywhere, and notes in results.json what became of each target's whole
// count. With `--share` it tries fewer; with `--case` that one again, and so many `--before` it.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { writeFormatted } from '../../bench/write-formatted.js';
import { SweepFailure, sweep } from './sweep.js';
import { loadTargets } from './targets.js';

const RESULTS = fileURLToPath(new URL('results.json', import.meta.url));

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seed: { type: 'string', default: '1' },
    share: { type: 'string', default: '1' },
    case: { type: 'string' },
    before: { type: 'string', default: '0' },
  },
});
const seed = Number(values.seed);
const share = Number(values.share);
const before = Number(values.before);
const all = await loadTargets();
const targets = all.filter(({ name }) => values.target === undefined || name === values.target);
if (targets.length === 0) {
  const names = all.map(({ name }) => name).join(', ');
  console.error(`There is no target "${values.target ?? ''}". There are: ${names}.`);
  process.exit(2);
}
try {
  for (const target of targets) {
    const startedAt = performance.now();
    const cases =
      values.case === undefined
        ? { count: Math.ceil(target.fullCount * share) }
        : { first: Number(values.case) - before, count: before + 1 };
    const { slowestMs, ...found } = await sweep(target, { seed, ...cases }).finally(() =>
      target.close?.(),
    );
    const result = {
      seed,
      node: process.versions.node,
      ...found,
      slowestMs: Math.round(slowestMs),
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      peakMegabytes: peakMegabytes(),
    };
    console.log(target.name, result);
    if (found.cases === target.fullCount) await note(target.name, result);
  }
} catch (error) {
  if (!(error instanceof SweepFailure)) throw error;
  console.error(error);
  process.exitCode = 1;
}

async function note(name: string, result: object): Promise<void> {
  const known: unknown = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  await writeFormatted(RESULTS, JSON.stringify({ ...(known as object), [name]: result }));
}

/** Of the process so far. */
function peakMegabytes(): number {
  if (process.platform !== 'linux') return Math.round(process.resourceUsage().maxRSS / 1_024);
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Math.round(Number(kibibytes) / 1_024);
}
