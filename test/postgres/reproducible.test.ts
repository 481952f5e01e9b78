// The same rows give the same bytes, wherever the process believes to be and whatever it is told to speak.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { sampleRows, writeRows } from '../../dev/sample-log.js';
import { USER } from '../support/change-log.js';
import type { TestDatabase } from '../support/database.js';
import { withEmptyLog } from '../support/restored.js';
import { lineVectors } from '../support/vectors.js';

const child = fileURLToPath(new URL('../support/digest-child.ts', import.meta.url));

async function digestsOf(
  db: TestDatabase,
  env: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', child, db.url(), USER],
    { env: { ...process.env, ...env } },
  );
  return JSON.parse(stdout) as Record<string, string>;
}

test('exports and archives are the same bytes in any time zone and any language', () =>
  withEmptyLog(async (db) => {
    await writeRows(db.admin, sampleRows({ count: 300, seed: 4, userIds: [USER] }));
    await db.insert(
      lineVectors.map(({ row }, index) => ({
        ...row,
        user_id: USER,
        id: row.id.slice(0, -4) + String(1000 + index),
      })),
    );
    const found: Readonly<Record<string, string>>[] = [];
    // Half an hour and a quarter off, summer time on either side of the equator, a language with its own i.
    for (const TZ of ['UTC', 'Asia/Kathmandu', 'America/St_Johns']) {
      const inEach = ['C', 'tr_TR.UTF-8'].map((LC_ALL) => digestsOf(db, { TZ, LC_ALL }));
      found.push(...(await Promise.all(inEach)));
    }
    const [first] = found;
    assert.equal(Object.keys(first ?? {}).length, 4);
    for (const digests of found) assert.deepEqual(digests, first);
    assert.equal(first?.['pgChangeSource'], first?.['pgExportStream']);
    assert.equal(first?.['archive of rows'], first?.['archive of bytes']);
  }));
