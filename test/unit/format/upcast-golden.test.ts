// The stability contract: lines of version 1, replayed under later versions, give the same bytes for ever.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { decodeExportLine, encodeExportLine } from '../../../src/index.js';
import { goldenUpcasters } from '../../support/golden-upcasters.js';

const golden = (name: string): string =>
  readFileSync(new URL(`../../vectors/golden/${name}`, import.meta.url), 'utf8');

const linesOf = (text: string): string[] => text.trimEnd().split('\n');

test('version 1 lines are read and written byte for byte', () => {
  for (const line of linesOf(golden('version-1.jsonl'))) {
    assert.equal(encodeExportLine(decodeExportLine(line)), line);
  }
});

for (const version of [2, 3] as const) {
  test(`version 1 lines replayed under version ${String(version)} give the golden lines`, () => {
    const expected = linesOf(golden(`version-1-under-${String(version)}.jsonl`));
    const replayed = linesOf(golden('version-1.jsonl')).map((line) =>
      encodeExportLine(goldenUpcasters[version].upcast(decodeExportLine(line))),
    );
    assert.deepEqual(replayed, expected);
  });
}

test('going on from version 2 gives what version 1 gives', () => {
  const expected = linesOf(golden('version-1-under-3.jsonl'));
  const replayed = linesOf(golden('version-1-under-2.jsonl')).map((line) =>
    encodeExportLine(goldenUpcasters[3].upcast(decodeExportLine(line))),
  );
  assert.deepEqual(replayed, expected);
});
