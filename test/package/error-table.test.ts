// The README's table of errors against the types: every code, with the details that it has.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import ts from 'typescript';

const fileOf = (path: string): Promise<string> =>
  readFile(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The members of each code's details, as `name` or `name?`. */
function detailsIn(source: string): Map<string, readonly string[]> {
  const file = ts.createSourceFile('errors.ts', source, ts.ScriptTarget.Latest, true);
  const found = new Map<string, readonly string[]>();
  const namesOf = (members: ts.NodeArray<ts.TypeElement>): readonly string[] =>
    members.map((member) => `${member.name?.getText() ?? ''}${member.questionToken ? '?' : ''}`);
  for (const statement of file.statements) {
    if (!ts.isInterfaceDeclaration(statement)) continue;
    if (statement.name.text !== 'BackupErrorDetails') continue;
    for (const member of statement.members) {
      assert.ok(ts.isPropertySignature(member) && member.type && ts.isTypeLiteralNode(member.type));
      found.set(member.name.getText(), namesOf(member.type.members));
    }
  }
  return found;
}

test('the README lists every code with its details', async () => {
  const details = detailsIn(await fileOf('src/errors.ts'));
  const rows = [...(await fileOf('README.md')).matchAll(/^\| `(BACKUP_\w+)` .*\| ([^|]*) \|$/gm)];
  const listed = rows.map(([, code = '', cell = '']): [string, readonly string[]] => [
    code,
    [...cell.matchAll(/`(\w+\??)`/g)].map(([, name = '']) => name),
  ]);
  assert.ok(details.size > 20);
  assert.deepEqual(new Map(listed), details);
  assert.equal(listed.length, details.size);
});
