// `npm run mutants [-- part/of/a/path …] [--survivors]`: changes source files in one place at a time, runs the
// test files that have to notice, and notes in results.json how many changes they noticed, and each that
// they did not. With `--survivors` only what was not noticed last time is tried again.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { writeFormatted } from '../../bench/write-formatted.js';
import { type Mutant, Sources } from './mutate.js';
import { type Target, targets } from './targets.js';
import { Workplace } from './workplace.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const RESULTS = fileURLToPath(new URL('results.json', import.meta.url));
const JUDGED = fileURLToPath(new URL('judged.json', import.meta.url));
const WORKPLACES = 2;

/** A mutant that no test notices. */
interface Survivor {
  readonly line: number;
  readonly from: string;
  readonly to: string;
  /** Why it changes nothing that counts; left out where a test is missing. */
  readonly reason?: string;
}

interface FileResult {
  readonly group: Target['group'];
  /** All that compile. */
  readonly mutants: number;
  /** Those of them that change nothing that counts, each listed with its reason. */
  readonly equivalent: number;
  readonly killed: number;
  /** Killed, of those that are not equivalent, in percent. */
  readonly score: number;
  readonly survivors: readonly Survivor[];
}

type Judged = Readonly<Record<string, readonly Required<Omit<Survivor, 'line'>>[]>>;

function readJson(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

function findAll(sources: Sources, target: Target, text: string): readonly Mutant[] {
  const byHand = (target.byHand ?? []).map(([from, to]) => {
    const start = text.indexOf(from);
    if (start < 0 || text.includes(from, start + 1)) {
      throw new Error(`${target.file} does not have this once: ${from}`);
    }
    return { start, end: start + from.length, to };
  });
  if (target.isByHandAlone === true) return byHand;
  const made = sources
    .mutantsOf(target.file, text)
    .filter((mutant) => sources.compiles(target.file, changed(text, mutant)));
  return [...made, ...byHand];
}

function changed(text: string, { start, end, to }: Mutant): string {
  return text.slice(0, start) + to + text.slice(end);
}

function described(text: string, { start, end, to }: Mutant): Survivor {
  const lineStart = text.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = text.indexOf('\n', end);
  const squeezed = (part: string): string => part.replace(/\s+/g, ' ').trim();
  return {
    line: text.slice(0, start).split('\n').length,
    from: squeezed(text.slice(lineStart, lineEnd)),
    to: squeezed(text.slice(lineStart, start) + to + text.slice(end, lineEnd)),
  };
}

/** Tries the mutants of one file in all workplaces at a time; gives those that survive. */
async function survivorsOf(
  places: readonly Workplace[],
  target: Target,
  { text, mutants }: { readonly text: string; readonly mutants: readonly Mutant[] },
): Promise<readonly Mutant[]> {
  const { only, tests: files } = target;
  const usualMs = new Map<string, number>();
  const unmeasured = [...files];
  await Promise.all(
    places.map(async (place) => {
      for (let test = unmeasured.shift(); test !== undefined; test = unmeasured.shift()) {
        usualMs.set(test, await place.measure(test, only));
      }
    }),
  );
  const left = [...mutants];
  const survivors: Mutant[] = [];
  await Promise.all(
    places.map(async (place) => {
      let tests = files;
      for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
        place.put(target.file, changed(text, mutant));
        const killer = await place.findKiller(tests, { only, usualMs });
        // Most likely it kills the next one too.
        if (killer !== undefined) tests = [killer, ...tests.filter((test) => test !== killer)];
        else {
          survivors.push(mutant);
          const { line, to } = described(text, mutant);
          console.log(`  ${target.file}:${line} survives: ${to}`);
        }
      }
      place.put(target.file, text);
    }),
  );
  return survivors.sort((a, b) => a.start - b.start);
}

async function tryTarget(
  places: readonly Workplace[],
  sources: Sources,
  target: Target,
): Promise<FileResult> {
  const text = readFileSync(path.join(ROOT, target.file), 'utf8');
  const all = findAll(sources, target, text);
  const known = readJson(RESULTS) as Readonly<Record<string, FileResult>>;
  const before = known[target.file]?.survivors ?? [];
  const isTried = (mutant: Mutant): boolean => {
    const { from, to } = described(text, mutant);
    return !values.survivors || before.some((other) => other.from === from && other.to === to);
  };
  const mutants = all.filter(isTried);
  console.log(`${target.file}: ${mutants.length} mutants`);
  const left = await survivorsOf(places, target, { text, mutants });
  const judged = (readJson(JUDGED) as Judged)[target.file] ?? [];
  const survivors = left.map((mutant): Survivor => {
    const survivor = described(text, mutant);
    const why = judged.find(({ from, to }) => from === survivor.from && to === survivor.to);
    return { ...survivor, ...(why && { reason: why.reason }) };
  });
  const equivalent = survivors.filter(({ reason }) => reason !== undefined).length;
  const killed = all.length - survivors.length;
  const score = Math.floor((1000 * killed) / (all.length - equivalent)) / 10;
  return { group: target.group, mutants: all.length, equivalent, killed, score, survivors };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { survivors: { type: 'boolean', default: false } },
});
const chosen = targets.filter(
  ({ file }) => positionals.length === 0 || positionals.some((part) => file.includes(part)),
);
if (chosen.length === 0) throw new Error('No target has that in its path.');
const sources = new Sources(ROOT);
const places = Array.from({ length: WORKPLACES }, () => new Workplace(ROOT));
try {
  for (const target of chosen) {
    const result = await tryTarget(places, sources, target);
    const { survivors, ...counts } = result;
    console.log(
      counts,
      survivors.filter(({ reason }) => reason === undefined),
    );
    await writeFormatted(
      RESULTS,
      JSON.stringify({ ...(readJson(RESULTS) as object), [target.file]: result }),
    );
  }
} finally {
  for (const place of places) await place.remove();
}
