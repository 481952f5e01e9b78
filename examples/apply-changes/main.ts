// npx tsx examples/apply-changes/main.ts: a small archive, made here, applied to a store of one's own.
import { PassThrough } from 'node:stream';
import { changeSourceFrom } from 'backup-streams';
import { openArchive, writeArchive } from 'backup-streams/archive';

import { ChangeStore } from './apply-server-changes.js';
import { restoreInto } from './restore-into.js';

const userId = 'user-1';
const row = { appId: 'todo', tableName: 'tasks', recordId: 'task-1', userId, clientId: 'client-a' };
const source = changeSourceFrom([
  {
    ...row,
    id: '00000000-0000-4000-8000-000000000001',
    op: 'insert',
    data: { title: 'Buy milk', done: false },
    createdAt: '2026-04-14T10:00:00Z',
  },
  {
    ...row,
    id: '00000000-0000-4000-8000-000000000002',
    op: 'update',
    data: { done: true },
    fieldTimestamps: { done: '2026-04-14T10:05:00Z' },
    createdAt: '2026-04-14T10:05:01Z',
  },
]);

const out = new PassThrough();
const [bytes] = await Promise.all([
  out.toArray() as Promise<Buffer[]>,
  writeArchive(out, { userId, events: source }),
]);

const store = new ChangeStore();
await using archive = await openArchive(Buffer.concat(bytes));
const report = await restoreInto(store, archive, userId);
console.log(`${report.appliedCount} changes applied, ${report.emptyUpdateCount} carried no field`);
console.log(store.valuesOf('todo', 'tasks', 'task-1'));
