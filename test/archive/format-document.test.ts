// docs/FORMAT.md is normative: what it names as the holder of a rule exists, and each rule has one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { archiveVectors } from '../support/archive-vectors.js';

const read = (name: string): string =>
  readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const text = read('docs/FORMAT.md');
const namesIn = (file: string): readonly string[] =>
  (JSON.parse(read(file)) as readonly { readonly name: string }[]).map(({ name }) => name);

const known: Readonly<Record<string, readonly string[]>> = {
  lines: namesIn('test/vectors/lines.json'),
  jsonl: namesIn('test/vectors/jsonl.json'),
  archives: archiveVectors().map(({ name }) => name),
};

/** Every `lines:…`, `jsonl:…`, `archives:…` and `test/…` of a text. */
function holders(of: string): string[] {
  return [...of.matchAll(/`((?:lines|jsonl|archives):[^`]+|test\/[^`…]+\.ts)`/g)].map(
    ([, holder = '']) => holder,
  );
}

test('every vector and test that docs/FORMAT.md names exists', () => {
  for (const holder of holders(text).filter((name) => !name.endsWith(':name'))) {
    const [kind = '', name = ''] = holder.split(/:(.*)/s);
    const exists = holder.startsWith('test/')
      ? existsSync(new URL(`../../${holder}`, import.meta.url))
      : known[kind]?.some((one) =>
          name.endsWith('*') ? one.startsWith(name.slice(0, -1)) : one === name,
        );
    assert.ok(exists, holder);
  }
});

test('every rule of docs/FORMAT.md names what holds it', () => {
  const rules = text.split(/^(?=\*\*[A-Z]\d+\.\*\*)/m).slice(1);
  assert.ok(rules.length > 30);
  for (const rule of rules) {
    assert.ok(holders(rule.split(/^## /m)[0] ?? '').length > 0, rule.slice(0, 40));
  }
});

test('every archive vector is named by a rule of docs/FORMAT.md, except what only shows more', () => {
  const named = holders(text).flatMap((holder) => holder.split('archives:').slice(1));
  const unnamed = known['archives']?.filter(
    (name) =>
      !named.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name)),
  );
  assert.deepEqual(unnamed, ['TENANCY_MISMATCH-M7-user-other', 'LINE_INVALID-L4-array']);
});
