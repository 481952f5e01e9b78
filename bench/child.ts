// A measuring process: one job in, one measurement out. Runs as compiled JavaScript on the compiled package,
// so that neither a loader nor another export's leftovers count.
import { readFileSync } from 'node:fs';

import { candidates, isCandidateName } from './candidates.js';
import type { Job, Measurement } from './job.js';
import { CountingSink } from './sinks.js';

/** What the process says before it ends. */
export type ChildMessage = { readonly measurement: Measurement } | { readonly error: string };

async function measure(job: Job): Promise<Measurement> {
  if (!isCandidateName(job.candidate)) throw new Error(`No candidate is called ${job.candidate}`);
  const prepare = await candidates[job.candidate].load();
  const run = await prepare(job);
  const sink = new CountingSink(job.reader);
  const baselineBytes = process.memoryUsage.rss();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const outcome = await Promise.race([run(sink), sink.enough]);
  const seconds = (performance.now() - startedAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    seconds,
    cpuSeconds: (user + system) / 1_000_000,
    bytes: sink.bytes,
    baselineBytes,
    peakBytes: peakBytes(),
    ...outcome,
  };
}

function peakBytes(): number {
  // Not maxRSS where it can be helped: on Linux that is also the parent's, from which this process was cloned.
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1_024;
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (kibibytes === undefined) throw new Error('/proc/self/status has no VmHWM');
  return Number(kibibytes) * 1_024;
}

process.once('message', (job: Job) => {
  const tell = (message: ChildMessage): void => {
    // Readers that have had enough leave an export running: it ends with the process.
    process.send?.(message, () => process.exit());
  };
  measure(job).then(
    (measurement) => {
      tell({ measurement });
    },
    (error: unknown) => {
      tell({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    },
  );
});
