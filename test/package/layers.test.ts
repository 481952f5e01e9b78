// The source tree keeps to its layers, and the check that says so sees every rule broken.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkLayers } from './layers.js';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

async function sourceFiles(): Promise<Map<string, string>> {
  const entries = await readdir(SRC, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((e) => join(e.parentPath, e.name));
  return new Map(
    await Promise.all(
      paths.map(async (path): Promise<[string, string]> => [
        relative(SRC, path).split(sep).join('/'),
        await readFile(path, 'utf8'),
      ]),
    ),
  );
}

test('src/ keeps to the rules of the layers', async () => {
  const files = await sourceFiles();
  assert.ok(files.has('index.ts'), 'src/index.ts exists');
  assert.deepEqual(checkLayers(files), []);
});

/** A small tree that breaks nothing; each case below puts one file into it. */
const GOOD: Readonly<Record<string, string>> = {
  'index.ts': `
    export { BackupError } from './errors.js';
    export { toExportLine, type ExportLine } from './format/export-line.js';
    export { JsonlSerializer } from './stream/jsonl-serializer.js';`,
  'errors.ts': 'export class BackupError extends Error {}',
  'format/raw-json.ts': 'export class RawJson {}',
  'format/export-line.ts': `
    import { z } from 'zod';
    import { BackupError } from '../errors.js';
    import { RawJson } from './raw-json.js';
    export type ExportLine = z.infer<typeof z.string>;
    export function toExportLine() { return [BackupError, RawJson]; }`,
  'stream/jsonl-serializer.ts': `
    import { Transform } from 'node:stream';
    import { toExportLine } from '../format/export-line.js';
    export class JsonlSerializer extends Transform { map = toExportLine; }`,
  'postgres/index.ts': "export { pgChangeSource } from './change-source.js';",
  'postgres/change-source.ts': `
    import Cursor from 'pg-cursor';
    import type { Pool } from 'pg';
    import type { JsonlSerializer } from '../stream/jsonl-serializer.js';
    export const pgChangeSource = (pool: Pool, s: JsonlSerializer) => [Cursor, pool, s];`,
  'archive/write.ts': "import { ZipFile } from 'yazl';\nexport const writeArchive = ZipFile;",
  'http/index.ts': "export const exportFilename = () => 'a';",
};

function problemsWith(bad: Readonly<Record<string, string>>): string[] {
  return checkLayers(new Map(Object.entries({ ...GOOD, ...bad })));
}

const BAD: readonly (readonly [rule: string, files: Record<string, string>, expected: RegExp])[] = [
  [
    'errors stand below format',
    {
      'errors.ts': "import type { RawJson } from './format/raw-json.js';\nexport type E = RawJson;",
    },
    /^errors\.ts: imports format\/raw-json\.ts, and format does not stand below errors/,
  ],
  [
    'format stands below stream, for types too',
    {
      'format/digest.ts':
        "import type { JsonlSerializer } from '../stream/jsonl-serializer.js';\nexport type D = JsonlSerializer;",
    },
    /^format\/digest\.ts: imports stream\/jsonl-serializer\.ts/,
  ],
  [
    'stream stands below postgres',
    { 'stream/digest.ts': "export { pgChangeSource } from '../postgres/change-source.js';" },
    /^stream\/digest\.ts: imports postgres\/change-source\.ts/,
  ],
  [
    'postgres and archive do not know each other',
    { 'postgres/restore.ts': "export { writeArchive } from '../archive/write.js';" },
    /^postgres\/restore\.ts: imports archive\/write\.ts/,
  ],
  [
    'archive and postgres do not know each other',
    { 'archive/read.ts': "export { pgChangeSource } from '../postgres/index.js';" },
    /^archive\/read\.ts: imports postgres\/index\.ts/,
  ],
  [
    'http and postgres do not know each other',
    { 'http/headers.ts': "export type P = import('../postgres/index.js').pgChangeSource;" },
    /^http\/headers\.ts: imports postgres\/index\.ts/,
  ],
  [
    'index.ts exports from errors, format and stream only',
    { 'index.ts': "export { exportFilename } from './http/index.js';" },
    /^index\.ts: imports http\/index\.ts/,
  ],
  [
    'index.ts holds no logic',
    { 'index.ts': 'export const version = 1;' },
    /^index\.ts: holds more than re-exports/,
  ],
  [
    'nothing imports index.ts',
    {
      'stream/digest.ts':
        "import { BackupError } from '../index.js';\nexport const d = BackupError;",
    },
    /^stream\/digest\.ts: imports index\.ts/,
  ],
  [
    'no file imports itself in a circle, by types either',
    {
      'format/raw-json.ts':
        "import type { ExportLine } from './export-line.js';\nexport class RawJson { of?: ExportLine }",
    },
    /format\/raw-json\.ts → format\/export-line\.ts → format\/raw-json\.ts: imports in a circle/,
  ],
  [
    'format/ imports nothing of Node',
    {
      'format/digest.ts': "import { createHash } from 'node:crypto';\nexport const d = createHash;",
    },
    /^format\/digest\.ts: is pure and imports node:crypto/,
  ],
  [
    'http/ imports nothing of Node',
    { 'http/headers.ts': "import { basename } from 'node:path';\nexport const h = basename;" },
    /^http\/headers\.ts: is pure and imports node:path/,
  ],
  [
    'pg is imported in postgres/ only, for types too',
    { 'stream/digest.ts': "import type { Pool } from 'pg';\nexport type P = Pool;" },
    /^stream\/digest\.ts: imports the package pg, which/,
  ],
  [
    'stream/ does not know pg-cursor, dynamically either',
    { 'stream/digest.ts': "export const load = () => import('pg-cursor');" },
    /^stream\/digest\.ts: imports the package pg-cursor, which/,
  ],
  [
    'stream/ does not know zip',
    { 'stream/digest.ts': "import { ZipFile } from 'yazl';\nexport const z = ZipFile;" },
    /^stream\/digest\.ts: imports the package yazl, which/,
  ],
  [
    'a package that no layer knows is refused, by require() and by subpath',
    { 'postgres/scope.ts': "export const _ = require('@acme/lodash/map');" },
    /^postgres\/scope\.ts: imports the package @acme\/lodash, which/,
  ],
  [
    'index.ts reaches nothing that needs pg',
    { 'format/raw-json.ts': "import type { Pool } from 'pg';\nexport class RawJson { p?: Pool }" },
    /^format\/raw-json\.ts: is reached from index\.ts, which must load without pg$/,
  ],
  [
    'what Node brings is imported with node:',
    { 'stream/digest.ts': "import { createHash } from 'crypto';\nexport const d = createHash;" },
    /^stream\/digest\.ts: imports crypto without node:/,
  ],
  [
    'an import names a file that exists',
    { 'stream/digest.ts': "export { f } from './gone.js';" },
    /^stream\/digest\.ts: imports \.\/gone\.js, which is no file/,
  ],
  [
    'an import is written with .js',
    { 'stream/digest.ts': "export { RawJson } from '../format/raw-json';" },
    /^stream\/digest\.ts: imports \.\.\/format\/raw-json, which is no file/,
  ],
  ['no file is named utils', { 'stream/utils.ts': '' }, /^stream\/utils\.ts: "utils" says nothing/],
  ['no file is named types', { 'format/types.ts': '' }, /^format\/types\.ts: "types" says nothing/],
  [
    'no folder is named helpers',
    { 'format/helpers/cut.ts': '' },
    /^format\/helpers\/cut\.ts: "helpers" says nothing/,
  ],
  ['no file is named common', { 'http/common.ts': '' }, /^http\/common\.ts: "common" says nothing/],
  [
    'file names are kebab-case',
    { 'format/changeRow.ts': '' },
    /^format\/changeRow\.ts: "changeRow" is not kebab-case/,
  ],
  ['only .ts files live in src/', { 'format/a.js': '' }, /^format\/a\.js: is not a \.ts file/],
  ['every file belongs to a layer', { 'misfit/a.ts': '' }, /^misfit\/a\.ts: belongs to no layer/],
  [
    'there is no `export *`',
    { 'postgres/index.ts': "export * from './change-source.js';" },
    /^postgres\/index\.ts: has an `export \*`/,
  ],
  [
    'there is no `export * as`',
    { 'postgres/index.ts': "export * as source from './change-source.js';" },
    /^postgres\/index\.ts: has an `export \*`/,
  ],
  [
    'there is no default export of a function',
    { 'http/index.ts': 'export default function name() {}' },
    /^http\/index\.ts: has a default export/,
  ],
  [
    'there is no default export of a value',
    { 'http/index.ts': 'export default 1;' },
    /^http\/index\.ts: has a default export/,
  ],
  [
    'there is no export as default',
    { 'http/index.ts': 'const a = 1; export { a as default };' },
    /^http\/index\.ts: has a default export/,
  ],
];

describe('the check of the layers', () => {
  test('finds nothing in a tree that keeps to the rules', () => {
    assert.deepEqual(problemsWith({}), []);
  });

  for (const [rule, files, expected] of BAD) {
    test(`sees it broken: ${rule}`, () => {
      const problems = problemsWith(files);
      assert.ok(
        problems.some((problem) => expected.test(problem)),
        `expected ${String(expected)} among ${JSON.stringify(problems, null, 1)}`,
      );
    });
  }
});
