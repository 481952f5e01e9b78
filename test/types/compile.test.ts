// The files beside this one are never run: they compile, and every line under @ts-expect-error
// does not.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(CONFIG, (path) => ts.sys.readFile(path)) as {
    config: { compilerOptions: object };
  };
  const { options, errors } = ts.convertCompilerOptionsFromJson(
    config.compilerOptions,
    fileURLToPath(new URL('../..', import.meta.url)),
  );
  assert.deepEqual(errors, []);
  return options;
}

/** Compiles files of this folder and says what the compiler says about them, and only them. */
function complaints(files: readonly string[], inMemory: ReadonlyMap<string, string>): string[] {
  const options = compilerOptions();
  const host = ts.createCompilerHost(options);
  const onDisk = ts.createCompilerHost(options);
  host.readFile = (path) => inMemory.get(path) ?? onDisk.readFile(path);
  host.fileExists = (path) => inMemory.has(path) || onDisk.fileExists(path);
  const program = ts.createProgram([...files], options, host);
  return files.flatMap((file) => {
    const source = program.getSourceFile(file);
    assert.ok(source, `${file} is compiled`);
    return [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map((diagnostic) => {
      const line = source.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line + 1;
      const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
      return `${file.slice(HERE.length)}:${line} TS${diagnostic.code} ${text}`;
    });
  });
}

test('what the types allow compiles, and what they forbid does not', () => {
  const files = readdirSync(HERE)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => HERE + name);
  assert.ok(files.length > 0);
  assert.deepEqual(complaints(files, new Map()), []);
});

describe('the check of the types', () => {
  const inMemory = (text: string): string[] => {
    const path = `${HERE}in-memory.ts`;
    return complaints([path], new Map([[path, text]]));
  };

  test('sees a type that allows too much', () => {
    const [found, ...more] = inMemory(
      "import { isBackupError } from '../../src/index.js';\n" +
        '// @ts-expect-error -- but it is a code\n' +
        "export const is = isBackupError(undefined, 'BACKUP_HOOK_FAILED');\n",
    );
    assert.match(found ?? '', /^in-memory\.ts:2 TS2578 /);
    assert.deepEqual(more, []);
  });

  test('sees a type that allows too little', () => {
    const [found, ...more] = inMemory(
      "import { isBackupError } from '../../src/index.js';\n" +
        "export const is = isBackupError(undefined, 'NO_SUCH_CODE');\n",
    );
    assert.match(found ?? '', /^in-memory\.ts:2 TS\d+ .*NO_SUCH_CODE/);
    assert.deepEqual(more, []);
  });
});
