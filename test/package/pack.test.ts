// What npm would publish: only what belongs there, loadable and typed for somebody who has nothing
// else installed, and with documentation whose code compiles.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { codeBlocks, exampleBlocks } from './code-blocks.js';
import type { CodeBlock } from './code-blocks.js';
import { filesIn, installInto, pack, runModule, typecheck } from './packed.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const PG = ['pg'];
const NODE_TYPES = ['@types/node'];
const PG_TYPES = ['pg', '@types/pg'];

/** The compiler takes seconds and one core. */
const PAIRS = { concurrency: 2 };

const COMPILER_OPTIONS = {
  target: 'ES2022',
  module: 'NodeNext',
  strict: true,
  skipLibCheck: false,
  noEmit: true,
  types: ['node'],
};

/** Asks a service whose database is down, and the tool, for this and that; runs with plain node. */
const USE_OF_EXAMPLES = `
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
    await ask('/other'),
    await ask('/backup/export'),
    await ask('/backup/export', { authorization: 'Bearer secret' }),
  );
  server.close();
  server.closeAllConnections();
  const { runAdminTool } = await import('./js/admin-tool/admin-tool.js');
  const output = { write: () => undefined };
  const run = { env: {}, signal: new AbortController().signal, stdout: output, stderr: output };
  console.log(await runAdminTool(['--help'], run), await runAdminTool(['verify', 'no-file'], run));`;

describe('the packed package', { timeout: 300_000 }, () => {
  let work: string;
  let unpacked: string;
  let files: string[];

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'backup-streams-pack-'));
    unpacked = await pack(work);
    files = await filesIn(unpacked);
  });

  after(async () => {
    await rm(work, { recursive: true, force: true });
  });

  const projects = new Map<string, Promise<string>>();

  /** A project that installed the package and `beside`; nothing else can be found from it. */
  function project(beside: readonly string[]): Promise<string> {
    const key = beside.join(' ');
    const made = projects.get(key) ?? installed(beside);
    projects.set(key, made);
    return made;
  }

  async function installed(beside: readonly string[]): Promise<string> {
    const folder = await mkdtemp(join(work, 'project-'));
    await installInto(folder, unpacked, beside);
    return folder;
  }

  /** Type-checks `sources` in a folder of their own and fails with what tsc says. */
  async function compiles(
    sources: ReadonlyMap<string, string>,
    beside: readonly string[],
    more: object = {},
  ): Promise<void> {
    const folder = await mkdtemp(join(await project(beside), 'code-'));
    for (const [name, text] of sources) await writeFile(join(folder, name), text);
    const compilerOptions = { ...COMPILER_OPTIONS, ...more };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const { ok, output } = await typecheck(folder);
    assert.ok(ok, output);
  }

  describe('holds', () => {
    test('what is needed', () => {
      for (const file of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
        assert.ok(files.includes(file), `${file} is in the package`);
      }
    });

    test('what its README leads to', async () => {
      const text = await readFile(join(unpacked, 'README.md'), 'utf8');
      const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target!);
      assert.ok(targets.length > 5);
      for (const target of targets) {
        const isThere = files.some((file) => file === target || file.startsWith(`${target}/`));
        assert.ok(isThere, `${target} is in the package`);
      }
    });

    test('nothing else', () => {
      const wanted = [
        /^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/,
        /^dist\/[a-z0-9/-]+\.(js|d\.ts)(\.map)?$/,
        /^src\/[a-z0-9/-]+\.ts$/,
        /^docs\/(?!api\/)[\w/-]+\.(md|svg|png)$/,
        // What the README leads to.
        /^examples\/(sync-service|apply-changes|admin-tool)\/[\w-]+\.(ts|md)$/,
        /^bench\/(README\.md|chart\.svg)$/,
      ];
      const unwanted = files.filter((file) => !wanted.some((pattern) => pattern.test(file)));
      assert.deepEqual(unwanted, []);
    });

    test('one module and one declaration for each source, and no left-overs', () => {
      const of = (pattern: RegExp) => files.flatMap((file) => pattern.exec(file)?.[1] ?? []).sort();
      const sources = of(/^src\/(.+)\.ts$/);
      assert.ok(sources.length > 0);
      assert.deepEqual(of(/^dist\/(.+)\.js$/), sources);
      assert.deepEqual(of(/^dist\/(.+)\.d\.ts$/), sources);
    });

    test('the sources that its maps lead to', async () => {
      for (const map of files.filter((file) => file.endsWith('.map'))) {
        const { sources } = JSON.parse(await readFile(join(unpacked, map), 'utf8')) as {
          sources: string[];
        };
        for (const source of sources) {
          const target = posix.join(posix.dirname(map), source);
          assert.ok(files.includes(target), `${map} leads to ${target}`);
        }
      }
    });

    test('every file that its exports name', async () => {
      const { exports } = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8')) as {
        exports: Record<string, string | Record<string, string>>;
      };
      assert.deepEqual(Object.keys(exports), [
        '.',
        './postgres',
        './archive',
        './http',
        './package.json',
      ]);
      for (const entry of Object.values(exports)) {
        const targets = typeof entry === 'string' ? [entry] : Object.values(entry);
        for (const target of targets) {
          assert.ok(files.includes(posix.normalize(target)), `${target} is in the package`);
        }
      }
    });
  });

  describe('loads with plain node', () => {
    const exportsOf = (specifier: string) =>
      `console.log(Object.keys(await import('${specifier}')).join(' '))`;

    test('everything but "backup-streams/postgres" where pg and age-encryption are absent', async () => {
      const folder = await project([]);
      const pg = await runModule("await import('pg')", folder);
      assert.match(pg.output, /ERR_MODULE_NOT_FOUND/, 'pg is absent');

      const main = await runModule(exportsOf('backup-streams'), folder);
      assert.ok(main.ok, main.output);
      assert.match(main.output, /\bBackupError\b/);
      assert.match(main.output, /\bJsonlSerializer\b/);

      const http = await runModule(exportsOf('backup-streams/http'), folder);
      assert.ok(http.ok, http.output);
      assert.match(http.output, /\bexportHeaders\b/);

      const archive = await runModule(exportsOf('backup-streams/archive'), folder);
      assert.ok(archive.ok, archive.output);
      assert.match(archive.output, /\bwriteArchive\b/);
    });

    test('"backup-streams/postgres" beside pg', async () => {
      const { ok, output } = await runModule(
        exportsOf('backup-streams/postgres'),
        await project(PG),
      );
      assert.ok(ok, output);
      assert.match(output, /\bpgChangeSource\b/);
    });

    test('"backup-streams/postgres" not without pg, of which pg-cursor takes parts', async () => {
      const { ok, output } = await runModule(
        exportsOf('backup-streams/postgres'),
        await project([]),
      );
      assert.equal(ok, false);
      assert.match(output, /Cannot find module 'pg\//);
    });

    test('nothing below what it exports', async () => {
      const { ok, output } = await runModule(
        exportsOf('backup-streams/dist/errors.js'),
        await project([]),
      );
      assert.equal(ok, false);
      assert.match(output, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
    });

    test('from CommonJS too, by require()', async () => {
      const { ok, output } = await runModule(
        "import { createRequire } from 'node:module';" +
          "console.log(Object.keys(createRequire(process.cwd() + '/a.cjs')('backup-streams')).join(' '))",
        await project([]),
      );
      assert.ok(ok, output);
      assert.match(output, /\bBackupError\b/);
    });
  });

  describe('has declarations that compile on their own, without skipLibCheck', PAIRS, () => {
    const USES: Readonly<Record<string, string>> = {
      'backup-streams': `
        import { BackupError, isBackupError, JsonlSerializer } from 'backup-streams';
        import type { ChangeRow, ExportLine } from 'backup-streams';
        export const serializer: NodeJS.ReadWriteStream = new JsonlSerializer<ChangeRow>();
        export const lineOf = (line: ExportLine): string => line.eventId;
        export const codeOf = (error: unknown): string =>
          isBackupError(error) ? error.code : BackupError.name;`,
      'backup-streams/http': `
        import { exportFilename, exportHeaders } from 'backup-streams/http';
        const of = { userId: 'user-1', format: 'jsonl', at: new Date(0) } as const;
        export const headers: Record<string, string> = exportHeaders(of);
        export const name: string = exportFilename(of);`,
      'backup-streams/archive, where age-encryption is absent': `
        import { openArchive, sealArchive, verifyArchive, writeArchive } from 'backup-streams/archive';
        import type { Archive, VerifyReport } from 'backup-streams';
        export const open: (file: string) => Promise<Archive> = openArchive;
        export const verify: (file: string) => Promise<VerifyReport> = verifyArchive;
        export const write = [writeArchive, sealArchive];`,
      'backup-streams/postgres, where pg has no types': `
        import { pgChangeSource } from 'backup-streams/postgres';
        export type Pool = Parameters<typeof pgChangeSource>[0];
        export const eventIds = async (pool: Pool): Promise<string[]> => {
          const ids: string[] = [];
          for await (const row of pgChangeSource(pool, { userId: 'user-1' })) ids.push(row.id);
          return ids;
        };`,
    };
    // In one program: most of its time is the declarations of zod, which all of them lead to.
    test(Object.keys(USES).join('; '), () =>
      compiles(
        new Map(Object.values(USES).map((text, index) => [`use-${String(index)}.ts`, text])),
        NODE_TYPES,
      ),
    );

    test('backup-streams/postgres takes a Pool of pg and of its types', () =>
      compiles(
        new Map([
          [
            'use.ts',
            `
            import pg from 'pg';
            import { pgChangeSource, migrateSyncChanges } from 'backup-streams/postgres';
            const pool = new pg.Pool();
            const client = await pool.connect();
            await migrateSyncChanges(client);
            await using source = pgChangeSource(pool, { userId: 'user-1' });
            await source.ready();`,
          ],
        ]),
        [...NODE_TYPES, ...PG_TYPES],
        { lib: ['ES2022', 'ESNext.Disposable'] },
      ));
  });

  describe('has documentation whose code compiles', PAIRS, () => {
    /** As a reader would have it: their project, the package, pg, and the types of pg and Node. */
    const documentationCompiles = (blocks: ReadonlyMap<string, readonly CodeBlock[]>) =>
      compiles(
        new Map(
          [...blocks].flatMap(([file, found]) =>
            found.map(({ language, code }, index): [string, string] => [
              `${file.replaceAll('/', '__')}.${index + 1}.${language}`,
              code,
            ]),
          ),
        ),
        [...NODE_TYPES, ...PG_TYPES],
        {
          lib: ['ES2023', 'ESNext.Disposable'],
          // The declarations are checked above.
          skipLibCheck: true,
          allowJs: true,
          checkJs: true,
          moduleDetection: 'force',
        },
      );

    const blocksOf = async (
      pattern: RegExp,
      find: (text: string) => CodeBlock[],
    ): Promise<Map<string, CodeBlock[]>> => {
      const found = new Map<string, CodeBlock[]>();
      for (const file of files.filter((name) => pattern.test(name))) {
        const blocks = find(await readFile(join(unpacked, file), 'utf8'));
        if (blocks.length > 0) found.set(file, blocks);
      }
      return found;
    };

    // In one program, as above.
    test('in its Markdown files and in the examples of its TSDoc comments', async () => {
      const written = await blocksOf(/\.md$/, codeBlocks);
      assert.ok(written.has('README.md'), 'the README shows code');
      const commented = await blocksOf(/^src\/.+\.ts$/, exampleBlocks);
      assert.ok(commented.size > 0, 'the sources show examples');
      await documentationCompiles(new Map([...written, ...commented]));
    });

    test('and would be told if it did not', async () => {
      const bad = codeBlocks("```ts\nimport { noSuchName } from 'backup-streams';\n```");
      await assert.rejects(documentationCompiles(new Map([['BAD.md', bad]])), /BAD\.md\.1\.ts\(2,/);
    });
  });

  // As somebody has them who has copied them.
  test('is what the sync service and the admin tool compile and run with', async () => {
    const folder = await mkdtemp(join(await project([...NODE_TYPES, ...PG_TYPES]), 'copied-'));
    const include = ['sync-service', 'admin-tool'];
    for (const name of include) {
      await cp(join(EXAMPLES, name), join(folder, name), { recursive: true });
    }
    const compilerOptions = {
      ...COMPILER_OPTIONS,
      ...{ skipLibCheck: true, noEmit: false, rootDir: '.', outDir: 'js' },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include }));
    const compiled = await typecheck(folder);
    assert.ok(compiled.ok, compiled.output);
    const { ok, output } = await runModule(USE_OF_EXAMPLES, folder);
    assert.ok(ok, output);
    assert.equal(output.trim(), '200 404 401 503\n0 1');
  });
});
