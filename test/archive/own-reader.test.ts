// What an archive's own reader would refuse is not written; what it takes, it takes in bounded time.
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';

import { verifyArchive } from '../../src/archive/index.js';
import { type ChangeRow, changeSourceFrom, JsonlSerializer } from '../../src/index.js';
import { archiveBytes } from '../support/archives.js';
import { changeRows } from '../support/change-rows.js';
import { failsWith } from '../support/failures.js';

function archiveOf(rows: readonly ChangeRow[]): Promise<Buffer> {
  return archiveBytes({ events: changeSourceFrom(rows) });
}

test('rows that do not rise fail the writing, which names the first of them', async () => {
  const [first, second, third] = changeRows(3) as [ChangeRow, ChangeRow, ChangeRow];
  const earlier = await failsWith(archiveOf([first, third, second]), 'BACKUP_ORDER_VIOLATED');
  assert.deepEqual(earlier.details, { lineNumber: 3, reason: 'earlier' });
  const repeated = await failsWith(archiveOf([first, second, second]), 'BACKUP_ORDER_VIOLATED');
  assert.deepEqual(repeated.details, { lineNumber: 3, reason: 'repeated' });
});

test('lines of a JsonlSerializer that do not rise fail the writing too, wherever they are', async () => {
  const [first, second, third, last] = changeRows(4) as [
    ChangeRow,
    ChangeRow,
    ChangeRow,
    ChangeRow,
  ];
  for (const [rows, lineNumber, reason] of [
    [[first, third, second, last], 3, 'earlier'],
    [[second, first, last, third], 2, 'earlier'],
    [[first, second, last, last], 4, 'repeated'],
  ] as const) {
    const events = new JsonlSerializer();
    const fed = pipeline(Readable.from(rows), events);
    const { details } = await failsWith(archiveBytes({ events }), 'BACKUP_ORDER_VIOLATED');
    assert.deepEqual(details, { lineNumber, reason });
    await fed;
  }
});

test('rows of one time rise by their ids, whatever their case', async () => {
  const createdAt = '2026-04-14T10:00:00Z';
  const rows = ['A0', 'b0', 'C0'].map((start) => ({
    ...(changeRows(1)[0] as ChangeRow),
    id: `${start}000000-0000-4000-8000-000000000000`,
    createdAt,
  }));
  assert.equal((await verifyArchive(await archiveOf(rows))).ok, true);
});

test('more apps than a manifest can list fail the writing', async () => {
  const rows = changeRows(30_000).map((row, index) => ({
    ...row,
    appId: `an app with a name of forty characters ${String(index)}`,
  }));
  const { details } = await failsWith(archiveOf(rows), 'BACKUP_LIMIT_EXCEEDED');
  assert.deepEqual(details, {
    limit: 'maxManifestBytes',
    limitValue: 1024 * 1024,
    entry: 'manifest.json',
  });
});

test('many apps are verified one by one', async () => {
  const rows = changeRows(2_000).map((row, index) => ({
    ...row,
    appId: `app ${String(index % 900)}`,
  }));
  const { ok, manifest } = await verifyArchive(await archiveOf(rows));
  assert.deepEqual([ok, manifest?.apps.length], [true, 900]);
});
