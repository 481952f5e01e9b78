// How many exports one process runs at a time, and what that costs everything else in it: memory, and
// how long the event loop makes others wait. `npm run bench:together [-- --rows 50000 --rounds 3]`
// writes together-results.json; docs/SCALING.md tells what follows.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

import { buildChild } from './build.js';
import { openBenchDatabase } from './database.js';
import { describeMachine } from './machine.js';
import { rotated, spreadOf } from './statistics.js';
import { writeFormatted } from './write-formatted.js';

const RESULTS = fileURLToPath(new URL('together-results.json', import.meta.url));

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string', default: RESULTS },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);

const works = ['pgExportStream', 'pgChangeSource', 'writeArchive'] as const;
const counts = [1, 2, 4, 8, 16, 32] as const;

interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
}

const run = promisify(execFile);
const child = await buildChild('together-child.ts');
const database = await openBenchDatabase();
try {
  const { jsonlBytes } = await database.store({ userId: 'user-1', size: 'ordinary', rows });
  await database.settle();
  const cases = works.flatMap((work) => counts.map((count) => ({ work, count })));
  const measured = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const { work, count } of rotated(cases, round)) {
      const args = [child, database.appUrl, work, String(count)];
      const { stdout } = await run(process.execPath, args);
      const key = `${work} ${String(count)}`;
      measured.set(key, [...(measured.get(key) ?? []), JSON.parse(stdout) as Measured]);
      console.log(key, stdout.trim());
    }
  }
  const figures = cases.map(({ work, count }) => {
    const all = measured.get(`${work} ${String(count)}`) ?? [];
    const middle = (of: (one: Measured) => number): number =>
      Number(spreadOf(all.map(of)).median.toPrecision(3));
    return {
      work,
      count,
      seconds: middle(({ seconds }) => seconds),
      megabytesPerSecond: middle(({ seconds }) => (jsonlBytes * count) / 1e6 / seconds),
      cpuSeconds: middle(({ cpuSeconds }) => cpuSeconds),
      peakMegabytes: middle(({ peakMegabytes }) => peakMegabytes),
      delayP99Ms: middle(({ delayP99Ms }) => delayP99Ms),
      delayMaxMs: middle(({ delayMaxMs }) => delayMaxMs),
    };
  });
  const machine = await describeMachine(database.serverVersion, undefined);
  await writeFormatted(values.json, JSON.stringify({ machine, rows, jsonlBytes, rounds, figures }));
  console.table(figures);
} finally {
  await database.close();
}
