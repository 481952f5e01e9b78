// Runs export-child.ts and waits for the process to end by itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';

import type { LaneOptions } from './lanes.js';

/** What the process is to do. */
export interface ExportTask {
  readonly laneName: string;
  readonly url: string;
  readonly pool?: pg.PoolConfig;
  readonly options: Omit<LaneOptions, 'signal'>;
  /** Read to the end, leave after the first bytes, or abort then. */
  readonly ending: 'whole' | 'break' | 'abort';
  /** Size of the old generation in MiB; Node's own choice when left out. */
  readonly heapMib?: number;
}

/** What came of it. */
export interface ExportReport {
  readonly byteCount: number;
  /** Resident memory before the export and at its highest, in bytes. */
  readonly baselineBytes: number;
  readonly peakBytes: number;
  /** Code of the error that the export failed with. */
  readonly code?: string;
}

/** Runs the task; a process that does not end within `limitMs` is a failure. */
export async function runExportProcess(task: ExportTask, limitMs = 30_000): Promise<ExportReport> {
  const script = fileURLToPath(new URL('./export-child.ts', import.meta.url));
  const heap = task.heapMib === undefined ? [] : [`--max-old-space-size=${String(task.heapMib)}`];
  const args = [...heap, '--import=tsx', script, JSON.stringify(task)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  const [report, [exitCode, signal]] = await Promise.all([
    text(child.stdout),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (exitCode !== 0) {
    throw new Error(
      `The process ended with ${String(signal ?? exitCode)} after it said "${report}"`,
    );
  }
  return JSON.parse(report) as ExportReport;
}
