// The example of a host, as somebody has it who has copied it and installed the packed package.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { installInto, pack, runModule, typecheck } from './packed.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/sync-service', import.meta.url));

const COMPILER_OPTIONS = {
  target: 'ES2022',
  module: 'NodeNext',
  strict: true,
  skipLibCheck: true,
  rootDir: 'service',
  outDir: 'js',
  types: ['node'],
};

/** Asks a service whose database is down for this and that; runs with plain node. */
const USE = `
  import { once } from 'node:events';
  import { knownTokens } from './js/authenticate.js';
  import { createSyncService } from './js/server.js';
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
    await ask('/other'),
    await ask('/backup/export'),
    await ask('/backup/export', { authorization: 'Bearer secret' }),
  );
  server.close();
  server.closeAllConnections();`;

test(
  'the sync service compiles and runs with the packed package',
  { timeout: 120_000 },
  async () => {
    const work = await mkdtemp(join(tmpdir(), 'backup-streams-example-'));
    try {
      const folder = join(work, 'host');
      await installInto(folder, await pack(work), ['pg', '@types/pg', '@types/node']);
      await cp(EXAMPLE, join(folder, 'service'), { recursive: true });
      const config = { compilerOptions: COMPILER_OPTIONS, include: ['service'] };
      await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
      const compiled = await typecheck(folder);
      assert.ok(compiled.ok, compiled.output);
      const { ok, output } = await runModule(USE, folder);
      assert.ok(ok, output);
      assert.equal(output.trim(), '200 404 401 503');
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
);
