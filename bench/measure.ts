// Has one export measured in a fresh process.
import { fork } from 'node:child_process';

import type { ChildMessage } from './child.js';
import type { Job, Measurement } from './job.js';

// A candidate that hangs has to end some time; the slowest takes well under a minute per million rows.
const TIME_LIMIT_MS = 600_000;

/**
 * Measures a job.
 *
 * @param script - the compiled measuring process
 * @throws Error with what went wrong in the process
 */
export function measure(script: string, job: Job): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    // No flags of this process's own: its loader would be measured along.
    const child = fork(script, { execArgv: [], timeout: TIME_LIMIT_MS });
    let message: ChildMessage | undefined;
    child.once('message', (received: ChildMessage) => (message = received));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (message === undefined) {
        reject(
          new Error(`${job.candidate}: the process ended (${String(signal ?? code)}) silently`),
        );
      } else if ('error' in message) reject(new Error(`${job.candidate}: ${message.error}`));
      else resolve(message.measurement);
    });
    child.send(job);
  });
}
