// The examples of a host and of an operator's tool, as somebody has them who has copied them and installed
// the packed package.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { installInto, pack, runModule, typecheck } from './packed.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

const COMPILER_OPTIONS = {
  target: 'ES2022',
  module: 'NodeNext',
  strict: true,
  skipLibCheck: true,
  rootDir: '.',
  outDir: 'js',
  types: ['node'],
};

/** Asks a service whose database is down for this and that; runs with plain node. */
const USE = `
  import { once } from 'node:events';
  import { knownTokens } from './js/sync-service/authenticate.js';
  import { createSyncService } from './js/sync-service/server.js';
  const server = createSyncService({
    pool: { connect: () => Promise.reject(new Error('down')) },
    authenticate: knownTokens({ secret: 'anna' }),
    log: () => undefined,
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = 'http://127.0.0.1:' + server.address().port;
  const ask = async (path, headers) => (await fetch(origin + path, { headers })).status;
  console.log(
    await ask('/'),
    await ask('/backup/export'),
    await ask('/backup/export', { authorization: 'Bearer secret' }),
  );
  server.close();
  server.closeAllConnections();
  const { runAdminTool } = await import('./js/admin-tool/admin-tool.js');
  const output = { write: () => undefined };
  const run = { env: {}, signal: new AbortController().signal, stdout: output, stderr: output };
  console.log(await runAdminTool(['--help'], run), await runAdminTool(['verify', 'no-file'], run));`;

test(
  'the sync service and the admin tool compile and run with the packed package',
  { timeout: 300_000 },
  async () => {
    const work = await mkdtemp(join(tmpdir(), 'backup-streams-example-'));
    try {
      const folder = join(work, 'host');
      await installInto(folder, await pack(work), ['pg', '@types/pg', '@types/node']);
      const include = ['sync-service', 'admin-tool'];
      for (const name of include) {
        await cp(join(EXAMPLES, name), join(folder, name), { recursive: true });
      }
      const config = { compilerOptions: COMPILER_OPTIONS, include };
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
      const compiled = await typecheck(folder);
      assert.ok(compiled.ok, compiled.output);
      const { ok, output } = await runModule(USE, folder);
      assert.ok(ok, output);
      assert.equal(output.trim(), '404 401 503\n0 1');
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
);
