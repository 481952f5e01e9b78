// A run as text: the tables of bench/README.md and the chart.
import { type Bar, judge } from './bars.js';
import {
  type CandidateName,
  type CandidateInfo,
  candidateNames,
  candidates,
} from './candidates.js';
import { type ChartBar, renderChart } from './chart.js';
import type { StoredLog } from './database.js';
import { type Result, type Run, findResult } from './results.js';
import type { Spread } from './statistics.js';

const BEGIN = '<!-- results:begin, written by npm run bench -->';
const END = '<!-- results:end -->';

/**
 * Puts a run's tables between the markers of a page.
 *
 * @throws Error when the page has no markers
 */
export function insertReport(page: string, report: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin === -1 || end === -1) throw new Error('The page has no place for results.');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${report.trim()}\n\n${page.slice(end)}`;
}

/** A run's tables as Markdown. */
export function renderReport(run: Run): string {
  return [
    renderMachine(run),
    heading('Held to', renderBars(judge(run))),
    heading(`One log of ${count(run.rows)} rows`, renderWhole(run)),
    heading('Small, ordinary and fat rows', renderSizes(run)),
    heading('Logs of many lengths', renderLengths(run)),
    heading('Time to the first byte', renderFirstByte(run)),
    heading('A slow reader', renderSlow(run)),
  ].join('\n\n');
}

/** The chart of a run: seconds for its log. */
export function renderRunChart(run: Run): string {
  const tones = { own: 'accent', peer: 'plain', floor: 'faint' } as const;
  const bars = candidateNames.flatMap((candidate): (ChartBar & { seconds: number })[] => {
    const result = wholeResult(run, candidate);
    // One floor is enough for a picture.
    if (result === undefined || candidate === 'psql-copy-defaults') return [];
    const { median } = result.seconds;
    const info: CandidateInfo = candidates[candidate];
    const label = info.title
      .replaceAll(/[*`]/g, '')
      .replace(' (FORMAT binary) to /dev/null', ' BINARY, no lines');
    return [
      {
        label,
        value: median,
        text: `${median.toFixed(1)} s`,
        tone: tones[info.kind],
        seconds: median,
      },
    ];
  });
  const log = run.logs.find(({ size, rows }) => size === 'ordinary' && rows === run.rows);
  const megabytesInAll = ((log?.jsonlBytes ?? 0) / 1e6).toFixed(0);
  return renderChart({
    title: `Export of ${count(run.rows)} rows as JSON Lines, in seconds (less is better)`,
    subtitle: `${megabytesInAll} MB; median of ${run.rounds}; Postgres ${run.machine.postgres}, Node ${run.machine.node}, ${run.machine.cores} cores for both`,
    bars: bars.sort((a, b) => a.seconds - b.seconds),
  });
}

function renderMachine(run: Run): string {
  const { machine, notes, plans } = run;
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`);
  const psql = machine.psql === undefined ? '' : `, psql ${machine.psql}`;
  return [
    table(
      ['', ''],
      [
        [
          'machine',
          `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGigabytes} GB; ${machine.system}`,
        ],
        [
          'software',
          `Node ${machine.node}, Postgres ${machine.postgres}${psql}; ${packages.join(', ')}`,
        ],
        [
          'run',
          `${run.finishedAt.slice(0, 10)}, ${run.minutes.toFixed(0)} minutes, ${run.rounds} rounds`,
        ],
        ...plans.map(({ query, plan }) => [`plan, ${query}`, plan]),
      ],
    ),
    ...notes,
  ].join('\n\n');
}

function renderBars(bars: readonly Bar[]): string {
  const verdict = (isMet: boolean | undefined): string =>
    isMet === undefined ? '–' : isMet ? 'met' : '**missed**';
  return table(
    ['', 'bar', 'found', ''],
    bars.map(({ what, limit, found, isMet }) => [
      what,
      limit,
      found ?? 'not measured',
      verdict(isMet),
    ]),
  );
}

function renderWhole(run: Run): string {
  const floor = wholeResult(run, 'psql-copy')?.seconds.median;
  const usual = wholeResult(run, 'pg-query-stream')?.seconds.median;
  const log = run.logs.find(({ size, rows }) => size === 'ordinary' && rows === run.rows);
  const rows = candidateNames.flatMap((candidate) => {
    const result = wholeResult(run, candidate);
    if (result === undefined) return [];
    const { seconds, cpuSeconds, peakBytes } = result;
    const info: CandidateInfo = candidates[candidate];
    return [
      [
        info.title,
        spread(seconds),
        ((log?.jsonlBytes ?? 0) / 1e6 / seconds.median).toFixed(0),
        cpuSeconds.median.toFixed(1),
        megabytes(peakBytes.median),
        floor === undefined ? '–' : `${(seconds.median / floor).toFixed(2)} ×`,
        usual === undefined ? '–' : `${(usual / seconds.median).toFixed(2)} ×`,
        info.hasDigest ? 'SHA-256' : '–',
        info.bytes,
      ],
    ];
  });
  const head = [
    '',
    'seconds: median (min–max)',
    'MB/s',
    'CPU s',
    'peak MB',
    'time over the floor',
    'speed over pg-query-stream',
    'digest',
    'bytes',
  ];
  return `${table(head, rows)}\n\nMB/s counts the ${count(Math.round((log?.jsonlBytes ?? 0) / 1e6))} MB of the format's own lines for all alike.`;
}

function renderSizes(run: Run): string {
  const logs = run.logs.filter(({ size, rows }) => size !== 'ordinary' || rows === run.rows);
  const rows = logs.flatMap((log) =>
    measured(run, log).map(([candidate, { seconds, peakBytes, growthBytes }]) => {
      const rowBytes = log.jsonlBytes / log.rows;
      // Of another program than the measuring process there is no baseline.
      const hasBaseline = candidates[candidate].kind !== 'floor';
      return [
        `${log.size}: ${count(log.rows)} × ${bytesOf(rowBytes)}`,
        candidates[candidate].title,
        spread(seconds),
        (log.jsonlBytes / 1e6 / seconds.median).toFixed(0),
        megabytes(peakBytes.median),
        hasBaseline ? megabytes(growthBytes.median) : '–',
        hasBaseline && log.size === 'fat' ? (growthBytes.median / rowBytes).toFixed(1) : '–',
      ];
    }),
  );
  return table(
    ['rows', '', 'seconds', 'MB/s', 'peak MB', 'MB above the baseline', 'the same in rows'],
    rows,
  );
}

function renderLengths(run: Run): string {
  const logs = run.logs.filter(({ size }) => size === 'ordinary').sort((a, b) => a.rows - b.rows);
  const names = LENGTH_CANDIDATES.filter((candidate) =>
    logs.some((log) => resultFor(run, candidate, log)),
  );
  const rows = logs.map((log) => [
    count(log.rows),
    ...names.map((candidate) => {
      const result = resultFor(run, candidate, log);
      if (result === undefined) return '–';
      return `${result.seconds.median.toFixed(2)} s, ${megabytes(result.peakBytes.median)} MB`;
    }),
  ]);
  return table(['rows', ...names.map((name) => candidates[name].title)], rows);
}

function renderFirstByte(run: Run): string {
  const rows = candidateNames.flatMap((candidate) => {
    const result = wholeResult(run, candidate, 'first-byte');
    if (result === undefined) return [];
    const { median, min, max, count: times } = result.seconds;
    const [shown, low, high] = [median, min, max].map((value) => (value * 1_000).toFixed(0));
    return [
      [
        candidates[candidate].title,
        `${String(shown)} (${String(low)}–${String(high)})`,
        String(times),
      ],
    ];
  });
  return table(['', 'ms: median (min–max)', 'times'], rows);
}

function renderSlow(run: Run): string {
  const rows = candidateNames.flatMap((candidate) => {
    const slow = wholeResult(run, candidate, 'slow');
    const fast = wholeResult(run, candidate);
    if (slow === undefined || fast === undefined) return [];
    return [
      [
        candidates[candidate].title,
        slow.seconds.median.toFixed(0),
        megabytes(slow.peakBytes.median),
        megabytes(fast.peakBytes.median),
      ],
    ];
  });
  return table(['', 'seconds watched', 'peak MB at 1 MB/s', 'peak MB of the fast reader'], rows);
}

/** The candidates whose cost is followed over the length of the log. */
export const LENGTH_CANDIDATES = [
  'export-stream',
  'change-source-batches',
  'change-source-rows',
  'pg-query-stream',
] as const satisfies readonly CandidateName[];

function wholeResult(
  run: Run,
  candidate: CandidateName,
  reader: Result['reader'] = 'fast',
): Result | undefined {
  return findResult(run, { candidate, size: 'ordinary', rows: run.rows, reader });
}

function resultFor(
  run: Run,
  candidate: CandidateName,
  log: Pick<StoredLog, 'size' | 'rows'>,
): Result | undefined {
  return findResult(run, { candidate, size: log.size, rows: log.rows });
}

function measured(run: Run, log: Pick<StoredLog, 'size' | 'rows'>): [CandidateName, Result][] {
  return candidateNames.flatMap((candidate): [CandidateName, Result][] => {
    const result = resultFor(run, candidate, log);
    return result === undefined || candidate === 'psql-copy-defaults' ? [] : [[candidate, result]];
  });
}

function heading(text: string, body: string): string {
  return `### ${text}\n\n${body}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function spread({ median, min, max }: Spread): string {
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

function bytesOf(bytes: number): string {
  return bytes < 1e6 ? `${bytes.toFixed(0)} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function count(value: number): string {
  return value.toLocaleString('en');
}
