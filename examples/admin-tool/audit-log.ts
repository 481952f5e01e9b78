// The audit log: who did what to whose backup, one JSON object per line, on the disk before the tool
// goes on. It holds ids, counts and digests, and nothing that a user has written.
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import os from 'node:os';

import type { Request } from './command-line.js';
import { ToolError } from './failure.js';
import { jsonText } from './terminal.js';

/** What an entry tells: that it was asked for, that it begins, and how it ended. */
export type AuditEvent = 'requested' | 'started' | 'finished' | 'failed';

/** Writes the entries of one run; nowhere, unless there is an `--audit-log`. */
export class AuditLog {
  readonly #file: string | undefined;
  readonly #run: Readonly<Record<string, unknown>>;

  constructor(request: Request) {
    const { command, file, auditLog, actor = osUser() } = request;
    this.#file = auditLog;
    const subject = 'userId' in request ? request.userId : undefined;
    // Tells the entries of one run from those of another that writes at the same time.
    this.#run = { run: randomUUID(), operation: command, actor, subject, file };
  }

  /**
   * Appends an entry and waits until it is on the disk.
   *
   * @throws ToolError AUDIT_FAILED: what is to be audited must not go on then
   */
  async write(event: AuditEvent, facts: Readonly<Record<string, unknown>> = {}): Promise<void> {
    if (this.#file === undefined) return;
    const entry = { time: new Date().toISOString(), event, ...this.#run, ...facts };
    try {
      await appendFile(this.#file, `${jsonText(entry)}\n`, { mode: 0o600, flush: true });
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new ToolError('AUDIT_FAILED', `cannot write "${event}" to the audit log: ${why}`);
    }
  }
}

function osUser(): string {
  try {
    return os.userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`; // a container's user without an entry in passwd
  }
}
