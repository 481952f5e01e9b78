// The floor: psql runs the byte lane's own COPY and throws the tuples away. No line is made of them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import type { Job, Outcome, Run } from '../job.js';
import { BEGIN_SQL, LANE_SETTINGS } from '../peer-session.js';

/** With the settings that the lanes make for their own transaction: the same plan. */
export function copyWithLaneSettings(job: Job): Run {
  return () => runPsql(job, LANE_SETTINGS);
}

/** With the settings that the server has. */
export function copyWithDefaults(job: Job): Run {
  return () => runPsql(job, {});
}

// The shell tells psql's process id, and when psql has ended its processor time.
const SCRIPT = '"$@" >/dev/null & echo $!; wait $!; code=$?; times; exit $code';

async function runPsql(job: Job, settings: Readonly<Record<string, string>>): Promise<Outcome> {
  const url = new URL(job.databaseUrl);
  const password = decodeURIComponent(url.password);
  url.password = '';
  const commands = [
    BEGIN_SQL,
    ...Object.entries({ 'app.current_user_id': job.userId, ...settings }).map(
      ([name, value]) => `SELECT set_config('${name}', '${value}', true)`,
    ),
    job.copySql,
    'COMMIT',
  ];
  const psql = ['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', url.href];
  const args = [...psql, ...commands.flatMap((command) => ['-c', command])];
  const shell = spawn('sh', ['-c', SCRIPT, 'sh', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PGPASSWORD: password },
  });
  let output = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(shell, 'close') as Promise<[number | null]>;
  const peakBytes = watchPeak(
    () => /^\d+/.exec(output)?.[0],
    ended.catch(() => undefined),
  );
  const [code] = await ended;
  if (code !== 0) throw new Error(`psql ended with ${String(code)}`);
  const peak = await peakBytes;
  return { cpuSeconds: childSeconds(output), ...(peak !== undefined && { peakBytes: peak }) };
}

/** Looks at a process's peak memory until it has ended; undefined where there is no /proc. */
async function watchPeak(
  pid: () => string | undefined,
  ended: Promise<unknown>,
): Promise<number | undefined> {
  const end = ended.then(() => 'end' as const);
  let peakBytes: number | undefined;
  while ((await Promise.race([delay(20), end])) !== 'end') {
    const status = await readFile(`/proc/${pid() ?? 'none'}/status`, 'utf8').catch(() => '');
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    if (kibibytes !== undefined) peakBytes = Number(kibibytes) * 1_024;
  }
  return peakBytes;
}

/** The last line of `times`: user and system time of the shell's children. */
function childSeconds(output: string): number {
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}
