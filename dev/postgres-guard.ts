// The owner's end of postgres-guard-process.mjs, the process that cleans up after this one.
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import os from 'node:os';
import { fileURLToPath } from 'node:url';

/** The process that stops the server and removes its folder, at the latest when this process ends. */
export interface Guard {
  /** Says what there is to clean up by now. */
  tell(facts: Readonly<Record<string, unknown>>): void;
  /** Has the server stopped and its folder removed. */
  release(): Promise<void>;
}

/** Starts the guard of `workDir`; it does not keep this process alive. */
export function startGuard(workDir: string): Guard {
  const script = fileURLToPath(new URL('./postgres-guard-process.mjs', import.meta.url));
  // Detached: a Ctrl-C in the terminal goes to the whole foreground group and must not take the guard along.
  const guard = spawn(process.execPath, [script, workDir], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: os.tmpdir(),
    env: {},
  });
  guard.unref();
  guard.stdin.on('error', () => undefined); // the guard was killed; release() sees to the folder
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  const exited = new Promise((resolve) => guard.once('close', resolve));
  return {
    tell: (facts) => void guard.stdin.write(`${JSON.stringify(facts)}\n`),
    release: async () => {
      guard.ref();
      guard.stdin.end();
      await exited;
      await rm(workDir, { recursive: true, force: true });
    },
  };
}
