// The schema of a row.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';

import { changeOpSchema, changeRowSchema, RawJson } from '../../../src/index.js';
import { changeRow, vectorRow } from '../../support/change-rows.js';
import { lineVectors } from '../../support/vectors.js';

describe('changeRowSchema', () => {
  test('takes every row of the shared vectors', () => {
    for (const vector of lineVectors) {
      const row = vectorRow(vector);
      assert.deepEqual(changeRowSchema.parse(row), row, vector.name);
    }
  });

  test('takes what a row may leave out or hold besides', () => {
    const { schemaVersion: _, data: __, ...bare } = changeRow();
    const rows = [
      bare,
      { ...bare, schemaVersion: null, data: null, fieldTimestamps: null },
      { ...bare, schemaVersion: -3, data: [1, { a: null }], createdAt: new Date(0) },
      { ...bare, createdAt: '2026-04-14T12:00:00.5+02:00', clientId: '', appId: '' },
      { ...bare, extra: new Map([['spaceId', new RawJson('"s"')]]) },
    ];
    for (const row of rows) assert.deepEqual(changeRowSchema.parse(row), row);
  });

  test('refuses what is no row', () => {
    const changes: Readonly<Record<string, unknown>>[] = [
      ...[{ id: '' }, { id: undefined }, { userId: '' }, { appId: null }, { tableName: 1 }],
      ...[{ recordId: '\0' }, { clientId: '\ud800' }, { op: 'upsert' }, { schemaVersion: 1.5 }],
      ...[{ schemaVersion: 2147483648 }, { schemaVersion: '1' }, { createdAt: 0 }],
      ...[{ createdAt: 'infinity' }, { createdAt: new Date(NaN) }, { createdAt: new Date(8e15) }],
      ...[
        { extra: {} },
        { extra: new Map([['a', 1]]) },
        { extra: new Map([[7, new RawJson('1')]]) },
        { extra: new Map([['\0', new RawJson('1')]]) },
      ],
    ];
    for (const change of changes) {
      const { success } = changeRowSchema.safeParse({ ...changeRow(), ...change });
      assert.equal(success, false, inspect(change));
    }
  });
});

describe('changeOpSchema', () => {
  test('knows insert, update and delete', () => {
    assert.deepEqual(changeOpSchema.options, ['insert', 'update', 'delete']);
  });
});
