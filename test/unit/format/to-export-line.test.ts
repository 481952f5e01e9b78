// toExportLine: the one mapping from a row to its line.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';

import { encodeExportLine, isBackupError, RawJson, toExportLine } from '../../../src/index.js';
import type { BackupError, ChangeRow } from '../../../src/index.js';
import { changeRow, vectorRow } from '../../support/change-rows.js';
import { assertQuotesNoRow } from '../../support/failures.js';
import { lineVectors } from '../../support/vectors.js';

const EVENT_ID = changeRow().id;

/** The error that a row must give. */
function refusalOf(row: ChangeRow): BackupError<'BACKUP_ROW_UNMAPPABLE'> {
  try {
    toExportLine(row);
  } catch (error) {
    assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'), inspect(error));
    return error;
  }
  assert.fail('a line was made');
}

/** What a member may not be, whatever the types say. */
function refusals(member: keyof ChangeRow, values: readonly unknown[]): void {
  for (const value of values) {
    const { details } = refusalOf({ ...changeRow(), [member]: value });
    assert.deepEqual(details, { member, eventId: EVENT_ID }, inspect(value));
  }
}

describe('a row out of the shared vectors gives its line', () => {
  assert.equal(lineVectors.length, 39);
  for (const vector of lineVectors) {
    test(`${vector.name}: ${vector.why}`, () => {
      assert.equal(encodeExportLine(toExportLine(vectorRow(vector))), vector.line);
    });
  }
});

describe('toExportLine', () => {
  test('maps each member to its place', () => {
    const data = new RawJson('{"a": 1}');
    const fieldTimestamps = new RawJson('{"a": "2026-04-14T10:00:00Z"}');
    const extra = new Map([['spaceId', new RawJson('"s"')]]);
    const row = changeRow({ op: 'update', data, fieldTimestamps, extra, schemaVersion: 4 });
    const line = toExportLine(row);
    assert.deepEqual(line, {
      eventId: EVENT_ID,
      schemaVersion: 4,
      appId: 'todo',
      table: 'tasks',
      id: 'task-1',
      op: 'update',
      data,
      fieldTimestamps,
      clientId: 'client-a',
      createdAt: '2026-04-14T10:00:00Z',
      extra,
    });
    assert.equal(line.data, data);
    assert.equal(line.fieldTimestamps, fieldTimestamps);
  });

  test('is pure: it changes nothing, and gives the same line again', () => {
    const row = changeRow({ data: { a: [1] }, createdAt: new Date(0), schemaVersion: 0 });
    const before = structuredClone(row);
    assert.deepEqual(toExportLine(row), toExportLine(row));
    assert.deepEqual(row, before);
  });

  test('does not show whose row it was', () => {
    const line = toExportLine(changeRow({ userId: 'canary' }));
    assert.doesNotMatch(inspect(line), /canary/);
  });

  test('takes a Date', () => {
    const row = changeRow({ createdAt: new Date('2026-04-14T12:00:00.120+02:00') });
    assert.equal(toExportLine(row).createdAt, '2026-04-14T10:00:00.12Z');
  });

  test('takes plain values as data', () => {
    const { data, fieldTimestamps } = toExportLine(
      changeRow({ data: { a: [1, null] }, fieldTimestamps: { a: '2026-04-14T10:00:00Z' } }),
    );
    assert.deepEqual(data, { a: [1, null] });
    assert.deepEqual(fieldTimestamps, { a: '2026-04-14T10:00:00Z' });
  });

  test('L20: takes a row without a schemaVersion as version 1', () => {
    const { schemaVersion: _, ...row } = changeRow();
    assert.equal(toExportLine(row).schemaVersion, 1);
    for (const schemaVersion of [null, undefined, 0, -3]) {
      assert.equal(toExportLine({ ...row, schemaVersion }).schemaVersion, 1);
    }
  });

  test('leaves out data and fieldTimestamps that are nothing', () => {
    const nothing: unknown[] = [undefined, null, {}, Object.create(null), new RawJson('null')];
    for (const none of [...nothing, new RawJson('{}'), new RawJson(' { \n} ')]) {
      const line = toExportLine(changeRow({ data: none, fieldTimestamps: none }));
      assert.equal('data' in line, false, inspect(none));
      assert.equal('fieldTimestamps' in line, false, inspect(none));
    }
  });

  test('keeps data of any type that is something', () => {
    const kept = [0, '', false, [], [null], { a: null }, { a: undefined }, new Date(0)];
    const texts = ['[]', '""', '0', 'false', '{"":{}}', '"null"', '[{}]', ' {"a":null}'];
    for (const data of [...kept, ...texts.map((text) => new RawJson(text))]) {
      assert.equal(toExportLine(changeRow({ data })).data, data, inspect(data));
    }
  });

  test('does not take a collection or an instance without own members for nothing', () => {
    for (const data of [new Map([['a', 1]]), new Set([1]), Promise.resolve(1), new Error('a')]) {
      assert.equal(toExportLine(changeRow({ data })).data, data, inspect(data));
    }
  });

  test('L17: writes a uuid in lower case, and any other id as it is', () => {
    const upper = 'ABCDEF00-0000-4000-8000-00000000000A';
    assert.equal(toExportLine(changeRow({ id: upper })).eventId, upper.toLowerCase());
    for (const id of [`{${upper}}`, upper.replaceAll('-', ''), `${upper}A`, 'Event-A', ' A']) {
      assert.equal(toExportLine(changeRow({ id })).eventId, id);
    }
  });

  test('leaves out an extra that is empty', () => {
    assert.equal('extra' in toExportLine(changeRow({ extra: new Map() })), false);
  });
});

describe('a row that no line can express is refused by member and event', () => {
  const noTexts = [undefined, null, 7, {}, ['a'], new String('a')];

  test('L16: a text that is none', () => {
    for (const member of ['appId', 'tableName', 'recordId', 'clientId'] as const) {
      refusals(member, noTexts);
    }
  });

  test('L16: an id that is none or empty', () => {
    for (const id of noTexts) {
      assert.deepEqual(refusalOf(changeRow({ id: id as string })).details, { member: 'id' });
    }
    assert.deepEqual(refusalOf(changeRow({ id: '' })).details, { member: 'id', eventId: '' });
  });

  test('L19: an op that is none', () => {
    refusals('op', ['upsert', 'INSERT', '', 'іnsert', 'insert ', undefined, null, 1]);
  });

  test('L20: a schemaVersion that is no integer or too large', () => {
    refusals('schemaVersion', [1.5, '1', NaN, Infinity, 2147483648, 1n]);
  });

  test('L21, hazard 15: a time that no line can hold', () => {
    const texts = ['infinity', '-infinity', '', '10000-01-01T00:00:00Z', '2026-04-14T10:00:00'];
    const dates: unknown[] = [new Date(NaN), new Date(8.64e15), runInNewContext('new Date(0)')];
    refusals('createdAt', [...texts, ...dates, Infinity, 0, null, undefined, {}]);
  });

  test('an extra that is no Map', () => {
    refusals('extra', [{ spaceId: new RawJson('"s"') }, null, [], 'a', new Set(['a'])]);
  });

  test('without a word of the row', () => {
    const canaries = {
      appId: 'canary-app',
      tableName: 'canary-table',
      recordId: 'canary-record',
      userId: 'canary-user',
      clientId: 'canary-client',
      data: new RawJson('{"canary": "canary"}'),
      fieldTimestamps: { canary: 'canary' },
      createdAt: 'canary-time',
      extra: new Map([['canary', new RawJson('"canary"')]]),
    };
    const row = changeRow(canaries);
    const broken = { op: 'canary-op', schemaVersion: 'canary-version', extra: { canary: 1 } };
    assertQuotesNoRow(refusalOf(row));
    for (const [member, value] of Object.entries(broken)) {
      const error = refusalOf({ ...row, createdAt: new Date(0), [member]: value });
      assert.equal(error.details.member, member);
      assertQuotesNoRow(error);
    }
  });
});
