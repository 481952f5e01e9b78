// `npm run coverage [-- part/of/a/path …] [--keep folder | --from folder]`: runs the tests, all or some, and notes in
// results.json which lines and branches of src/ none of them ran.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

import ts from 'typescript';

import { writeFormatted } from '../../bench/write-formatted.js';
import { addAll, PointCounter } from './counts.js';
import { type Idle, idleOf, type Totals, totalsOf } from './idle.js';
import { pointsOf } from './points.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const RESULTS = fileURLToPath(new URL('results.json', import.meta.url));
const JUDGED = fileURLToPath(new URL('judged.json', import.meta.url));

/** Something that no test ran. */
interface Judgement extends Idle {
  /** Why no test can run it, or need not; left out where a test is missing. */
  readonly reason?: string;
}

type Judged = Readonly<Record<string, readonly Required<Omit<Judgement, 'line'>>[]>>;

function sourceFiles(): readonly string[] {
  return readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `src/${name.split(path.sep).join('/')}`)
    .sort();
}

function counterOf(file: string): PointCounter {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  return new PointCounter(source, pointsOf(source));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { from: { type: 'string' }, keep: { type: 'string' } },
});
const folder =
  values.from ?? values.keep ?? mkdtempSync(path.join(os.tmpdir(), 'backup-streams-coverage-'));
try {
  if (values.from === undefined) {
    const { status } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'test/run.ts', ...positionals],
      { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NODE_V8_COVERAGE: folder } },
    );
    if (status !== 0) {
      console.error('\nTests failed: what is noted may be less than what they run.');
      process.exitCode = 1;
    }
  }
  const counters = new Map(sourceFiles().map((file) => [file, counterOf(file)]));
  addAll(
    folder,
    new Map([...counters].map(([file, one]) => [pathToFileURL(path.join(ROOT, file)).href, one])),
  );
  const judged = JSON.parse(readFileSync(JUDGED, 'utf8')) as Judged;
  const totals: Totals = { lines: 0, linesCovered: 0, branches: 0, branchesCovered: 0 };
  const uncovered: Record<string, readonly Judgement[]> = {};
  for (const [file, counter] of counters) {
    const own = totalsOf(counter);
    for (const key of Object.keys(totals) as (keyof Totals)[]) totals[key] += own[key];
    const found = idleOf(counter).map((one): Judgement => {
      const why = judged[file]?.find(({ text, way }) => text === one.text && way === one.way);
      return { ...one, ...(why && { reason: why.reason }) };
    });
    if (found.length > 0) uncovered[file] = found;
  }
  const open = Object.entries(uncovered).flatMap(([file, all]) =>
    all
      .filter(({ reason }) => reason === undefined)
      .map(({ line, text, way }) => `${file}:${String(line)} ${way}: ${text}`),
  );
  for (const line of open) console.log(line);
  console.log(totals, `${String(open.length)} without a reason`);
  if (positionals.length === 0) {
    await writeFormatted(RESULTS, JSON.stringify({ totals, uncovered }));
  }
  if (open.length > 0) process.exitCode = 1;
} finally {
  if (folder !== values.from && folder !== values.keep) rmSync(folder, { recursive: true });
}
