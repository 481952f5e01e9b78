// The measure itself, by code of which it is known what runs: it has to name all of the rest, and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import ts from 'typescript';

import { addAll, PointCounter } from './counts.js';
import { idleOf, totalsOf } from './idle.js';
import { pointsOf } from './points.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

const code = `
interface Given { readonly left?: number; readonly then?: (() => number) | undefined }
const unused = (): number => 1;
export function half(n: number): number {
  if (n < 0) throw new RangeError('negative');
  return n / 2;
}
export const pick = (given: Given): number => (given.left ?? 7) + (given.then ?? (() => 5))();
export function name(n: number): string {
  switch (n) {
    case 1:
      return 'one';
    case 2:
      return 'two';
    default:
      return n > 2 && n < 10 && Number.isInteger(n) ? 'few' : 'many';
  }
}
export async function caught(run: () => number): Promise<number> {
  try {
    return await Promise.resolve(run());
  } catch {
    return -1;
  } finally {
    void unused;
  }
}
export class Once {
  #done = false;
  get done(): boolean {
    return this.#done;
  }
  end(): void {
    if (!this.#done) this.#done = true;
    else if (this.done) this.end();
  }
}
`;

let folder: string;
before(async () => {
  folder = await realpath(await mkdtemp(path.join(os.tmpdir(), 'backup-streams-coverage-')));
  await writeFile(path.join(folder, 'code.mts'), code);
});
after(() => rm(folder, { recursive: true }));

/** Runs the code in as many processes as there are calls. */
async function measure(...calls: readonly string[]): Promise<PointCounter> {
  const counts = await mkdtemp(path.join(folder, 'counts-'));
  const file = path.join(folder, 'code.mts');
  for (const call of calls) {
    const main = path.join(folder, 'main.mts');
    await writeFile(main, `import { caught, half, name, Once, pick } from './code.mjs';\n${call}`);
    execFileSync(process.execPath, ['--import', 'tsx', main], {
      cwd: ROOT,
      env: { ...process.env, NODE_V8_COVERAGE: counts },
    });
  }
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.ES2023, true);
  const counter = new PointCounter(source, pointsOf(source));
  addAll(counts, new Map([[pathToFileURL(file).href, counter]]));
  return counter;
}

const found = (counter: PointCounter): readonly string[] =>
  idleOf(counter).map(({ line, text, way }) => `${String(line)} ${way}: ${text}`);

const all = [
  'half(3); try { half(-1) } catch {}',
  'pick({ left: 1, then: () => 2 }); pick({})',
  'for (const n of [1, 2, 3, 1.5, 2.5, 99]) name(n)',
  'await caught(() => 1); await caught(() => { throw new Error() })',
  'const once = new Once(); once.end(); once.end = () => {}; Once.prototype.end.call(once)',
];

test('names what no process ran, both ways of each decision, and nothing else', async () => {
  const counter = await measure(
    'half(3); pick({ left: 1 }); name(1); await caught(() => 1); new Once().end()',
    'half(4); name(3); void caught; void Once; void pick',
  );
  assert.deepEqual(found(counter), [
    '3 never run: 1',
    "5 never true: throw new RangeError('negative');",
    '8 never reached, after ??: 7',
    '8 never decides, before ??: given.then',
    "14 never the case: return 'two';",
    "16 never false: 'many'",
    '16 never decides, before &&: n > 2',
    '16 never decides, before &&: n < 10',
    '23 never thrown: return -1;',
    '31 never run: return this.#done;',
    '35 never false: if (this.done) this.end();',
  ]);
  const { lines, linesCovered, branches, branchesCovered } = totalsOf(counter);
  assert.deepEqual([lines - linesCovered, branches - branchesCovered], [6, 11]);
});

test('adds up what several processes ran', async () => {
  assert.deepEqual(found(await measure(...all)), [
    '3 never run: 1',
    '35 never false: if (this.done) this.end();',
  ]);
});

test('a file that no process loaded is all uncovered', async () => {
  const { linesCovered, branchesCovered, lines } = totalsOf(await measure());
  assert.deepEqual([linesCovered, branchesCovered], [0, 0]);
  assert.ok(lines > 10);
});
