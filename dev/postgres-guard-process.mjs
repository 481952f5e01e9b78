// @ts-check
// Stops a throw-away Postgres and removes its folder once this program's stdin ends: when the owner asks
// (it closes the pipe) and also when the owner dies, however it dies, since the system closes the pipe then.
// A plain program of its own, so that the owner needs no signal or exit hooks that could change how it ends.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';

/** @typedef {{ pgCtl?: string, dataDir?: string, uid?: number, gid?: number, pid?: number }} Facts */

const workDir = process.argv[2] ?? '';
let received = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => (received += text));
process.stdin.once('close', () => {
  const lines = received.split('\n').filter((line) => line !== '');
  /** @type {Facts} */
  const facts = Object.assign({}, ...lines.map((line) => JSON.parse(line)));
  stopServer(facts);
  rmSync(workDir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

/** @param {Facts} facts what the owner told, later lines over earlier ones */
function stopServer({ pgCtl, dataDir, uid, gid, pid }) {
  if (
    pgCtl !== undefined &&
    dataDir !== undefined &&
    existsSync(path.join(dataDir, 'postmaster.pid'))
  ) {
    spawnSync(pgCtl, ['stop', '-D', dataDir, '-m', 'immediate', '-w', '-t', '20'], {
      stdio: 'ignore',
      cwd: workDir,
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    });
  } else if (pid !== undefined) {
    endGroup(pid); // initdb, or a server that has not got as far as its pid file
  }
}

/** @param {number} pid leader of the group; it may be long gone */
function endGroup(pid) {
  const deadline = Date.now() + 2_000;
  try {
    process.kill(-pid, 'SIGTERM'); // killed outright, they would leave shared memory behind
    while (Date.now() < deadline) {
      process.kill(-pid, 0);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
    process.kill(-pid, 'SIGKILL');
  } catch {
    // gone
  }
}
