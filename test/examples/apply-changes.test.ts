// The example of a host's own apply function: once or twice, whole or not, the store holds the same.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';

import { ChangeStore } from '../../examples/apply-changes/apply-server-changes.js';
import { restoreInto } from '../../examples/apply-changes/restore-into.js';
import { openArchive, writeArchive } from '../../src/archive/index.js';
import { changeSourceFrom, RawJson } from '../../src/index.js';
import type { SyncChange } from '../../src/index.js';
import { changeRow } from '../support/change-rows.js';
import { collectBytes } from '../support/collect.js';

async function archiveBytes(): Promise<Buffer> {
  const out = new PassThrough();
  const id = (n: number): string => `00000000-0000-4000-8000-00000000000${String(n)}`;
  const time = '2026-04-14T10:00:00Z';
  const events = changeSourceFrom([
    changeRow({ id: id(1), data: new RawJson('{"title": "Buy milk", "__proto__": 1}') }),
    changeRow({
      id: id(2),
      op: 'update',
      data: new RawJson('{"title": "Buy oat milk"}'),
      fieldTimestamps: new RawJson(`{"title": "${time}"}`),
    }),
    changeRow({ id: id(3), op: 'update', data: new RawJson('{"title": "no time"}') }),
    changeRow({ id: id(4), appId: '__proto__', recordId: 'gone' }),
    changeRow({ id: id(5), appId: '__proto__', recordId: 'gone', op: 'delete' }),
  ]);
  const [bytes] = await Promise.all([
    collectBytes(out),
    writeArchive(out, { userId: 'user-1', events }),
  ]);
  return bytes;
}

test('an archive applied twice is applied once', async () => {
  await using archive = await openArchive(await archiveBytes());
  const store = new ChangeStore();
  for (let time = 1; time <= 2; time += 1) {
    const report = await restoreInto(store, archive, 'user-1');
    assert.deepEqual([report.appliedCount, report.emptyUpdateCount], [4, 1]);
    const values = store.valuesOf('todo', 'tasks', 'task-1') ?? new Map();
    assert.deepEqual(
      [...values],
      [
        ['title', 'Buy oat milk'],
        ['__proto__', 1],
      ],
    );
    assert.equal(store.valuesOf('__proto__', 'tasks', 'gone'), undefined);
  }
});

test('an archive of somebody else is not applied', async () => {
  await using archive = await openArchive(await archiveBytes());
  const store = new ChangeStore();
  await assert.rejects(restoreInto(store, archive, 'user-2'));
  assert.equal(store.valuesOf('todo', 'tasks', 'task-1'), undefined);
});

test('the later time wins, with a fraction or without, and a record can be made again', () => {
  const store = new ChangeStore();
  const identity = { table: 'tasks', id: 'task-1', clientId: 'client-a', schemaVersion: 1 };
  const titles = (updates: readonly (readonly [title: string, updatedAt: string])[]): void => {
    for (const [value, updatedAt] of updates) {
      const eventId = `${value} ${updatedAt}`;
      const createdAt = '2026-04-14T11:00:00Z';
      const fields = { title: { value, updatedAt } };
      const change = { ...identity, eventId, createdAt, op: 'update', fields } as const;
      store.applyServerChanges('todo', [change]);
    }
  };
  titles([
    ['first', '2026-04-14T10:05:00Z'],
    ['second', '2026-04-14T10:05:00.500Z'],
    ['earlier', '2026-04-14T10:04:59.999Z'],
  ]);
  assert.equal(store.valuesOf('todo', 'tasks', 'task-1')?.get('title'), 'second');
  store.applyServerChanges('todo', [
    { ...identity, eventId: 'gone', op: 'delete' } as unknown as SyncChange,
    { ...identity, eventId: 'again', op: 'insert', data: { done: true } } as unknown as SyncChange,
  ]);
  assert.deepEqual([...(store.valuesOf('todo', 'tasks', 'task-1') ?? [])], [['done', true]]);
});
