import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RawJson, syncChangeSchema, toSyncChange } from '../../../src/index.js';
import { exportLine } from '../../support/change-rows.js';

const raw = (text: string): RawJson => new RawJson(text);
const time = '2026-04-14T10:00:00Z';

test('an insert carries its data, {} where the line has none', () => {
  const change = toSyncChange(exportLine({ data: raw('{"a": [1, {"b": null}]}') }));
  const { eventId, schemaVersion, table, id } = exportLine();
  assert.deepEqual(change, {
    ...{ eventId, schemaVersion, table, id },
    op: 'insert',
    data: { a: [1, { b: null }] },
  });
  assert.deepEqual(syncChangeSchema.parse(toSyncChange(exportLine({ data: undefined }))), {
    ...change,
    data: {},
  });
});

test('an update carries the fields that have both a value and a time', () => {
  const change = toSyncChange(
    exportLine({
      op: 'update',
      data: raw('{"a": 1, "b": null, "c": 3, "d": 4, "toString": 5}'),
      fieldTimestamps: raw(
        `{"a": "${time}", "b": {"at": "${time}", "by": "x"}, "c": 7, "e": "${time}", "hasOwnProperty": "${time}"}`,
      ),
    }),
  );
  assert.ok(change.op === 'update');
  assert.deepEqual(change.fields, {
    a: { value: 1, updatedAt: time },
    b: { value: null, updatedAt: time },
  });
  assert.deepEqual(syncChangeSchema.parse(change), change);
});

test('the schema of a change asks for each of its members', () => {
  const { eventId, schemaVersion, table, id } = exportLine();
  const head = { eventId, schemaVersion, table, id };
  const fields = { a: { value: 1, updatedAt: time } };
  for (const change of [
    { ...head, op: 'insert', data: { a: 1 } },
    { ...head, op: 'update', fields },
    { ...head, op: 'delete', deletedAt: time },
    { ...head, op: 'delete', schemaVersion: 2_147_483_647 },
  ]) {
    assert.deepEqual(syncChangeSchema.parse(change), change);
    for (const [member, wrong] of [
      ...(['', undefined] as const).map((value) => ['eventId', value] as const),
      ...([0, 1.5, 2_147_483_648, undefined] as const).map(
        (value) => ['schemaVersion', value] as const,
      ),
      ['table', undefined],
      ['id', undefined],
      ['op', 'upsert'],
    ] as const) {
      const refused = syncChangeSchema.safeParse({ ...change, [member]: wrong });
      assert.equal(refused.success, false, member);
    }
  }
  for (const wrong of [{ value: 1 }, { value: 1, updatedAt: 7 }]) {
    const update = { ...head, op: 'update', fields: { a: wrong } };
    assert.equal(syncChangeSchema.safeParse(update).success, false);
  }
});

test('L11 a field named __proto__ is a field', () => {
  const change = toSyncChange(
    exportLine({
      op: 'update',
      data: raw('{"__proto__": {"x": 1}}'),
      fieldTimestamps: raw(`{"__proto__": "${time}"}`),
    }),
  );
  assert.ok(change.op === 'update');
  assert.deepEqual(Object.entries(change.fields), [
    ['__proto__', { value: { x: 1 }, updatedAt: time }],
  ]);
  assert.equal(Object.getPrototypeOf(change.fields), Object.prototype);
});

test('an update without times, or of no object, carries no fields', () => {
  for (const line of [
    exportLine({ op: 'update' }),
    exportLine({ op: 'update', data: raw('[1]'), fieldTimestamps: raw('["a"]') }),
    exportLine({ op: 'update', data: raw('"text"'), fieldTimestamps: raw(`{"0": "${time}"}`) }),
  ]) {
    const change = toSyncChange(line);
    assert.ok(change.op === 'update');
    assert.deepEqual(change.fields, {});
  }
});

test('what data only inherits is none of it', () => {
  const data: unknown = Object.create({ deletedAt: time });
  assert.equal('deletedAt' in toSyncChange(exportLine({ op: 'delete', data })), false);
});

test('a delete carries deletedAt where it is a text', () => {
  const at = (data: RawJson | undefined) => toSyncChange(exportLine({ op: 'delete', data }));
  const withTime = at(raw(`{"deletedAt": "${time}"}`));
  assert.ok(withTime.op === 'delete');
  assert.equal(withTime.deletedAt, time);
  for (const data of [undefined, raw('{"deletedAt": 5}'), raw('[]'), raw('null')]) {
    assert.equal('deletedAt' in at(data), false);
  }
});
