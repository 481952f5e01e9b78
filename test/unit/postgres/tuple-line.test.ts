// One tuple to one line: what is left out, what is refused, and how texts are escaped.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BackupError, isBackupError } from '../../../src/index.js';
import { TupleError } from '../../../src/postgres/copy-frames.js';
import { CopyDecoder, decodeCopy } from '../../support/copy-decoder.js';
import {
  type Field,
  INFINITY_MICROS,
  type TupleRow,
  copyHeader,
  copyOf,
  encodeTuple,
  fieldsOf,
  jsonbField,
  microsOf,
  tupleRow,
} from '../../support/copy-tuples.js';

const EVENT = '00000000-0000-4000-8000-000000000001';

/** The members of the line of a row, as JSON reads them. */
function membersOf(changes: Partial<TupleRow>): Record<string, unknown> {
  return JSON.parse(decodeCopy([copyOf([tupleRow(changes)])])) as Record<string, unknown>;
}

/** The error of a tuple after one good row, of which nothing may be in the output. */
function errorOf(fields: readonly Field[], extraMembers: readonly string[] = []): unknown {
  const decoder = new CopyDecoder({ extraMembers, takeBytes: Infinity });
  const good = fieldsOf(tupleRow({ extra: extraMembers.map(() => null) }));
  decoder.push(Buffer.concat([copyHeader(), encodeTuple(good)]));
  const before = decoder.text();
  let thrown: unknown;
  try {
    decoder.push(encodeTuple(fields));
  } catch (error) {
    thrown = error;
  }
  assert.equal(decoder.text(), before, 'the output holds something of a refused row');
  assert.equal(decoder.lineCount, 1);
  return thrown;
}

function withField(index: number, field: Field, changes: Partial<TupleRow> = {}): Field[] {
  const fields = [...fieldsOf(tupleRow(changes))];
  fields[index] = field;
  return fields;
}

test('data and fieldTimestamps are left out for SQL NULL, JSON null and {}, and for nothing else', () => {
  for (const absent of [null, 'null', '{}']) {
    const members = membersOf({ data: absent, fieldTimestamps: absent });
    assert.ok(!('data' in members) && !('fieldTimestamps' in members), String(absent));
  }
  for (const present of ['[]', '""', '0', 'false', 'true', '"null"', '"{}"', '[null]', '{"":{}}']) {
    const line = decodeCopy([copyOf([tupleRow({ data: present, fieldTimestamps: present })])]);
    assert.ok(line.includes(`,"data":${present},"fieldTimestamps":${present},"clientId"`), present);
  }
});

test('each of data and fieldTimestamps is left out alone', () => {
  const one = { data: '{"a": 1}', fieldTimestamps: null };
  assert.deepEqual(Object.keys(membersOf(one)).slice(5, 8), ['op', 'data', 'clientId']);
  const other = { data: null, fieldTimestamps: '{"a": 1}' };
  assert.deepEqual(Object.keys(membersOf(other)).slice(5, 8), [
    'op',
    'fieldTimestamps',
    'clientId',
  ]);
});

test('a version that is NULL, zero or negative is 1, and no other is changed', () => {
  for (const version of [null, 0, -1, -(2 ** 31)]) {
    assert.equal(membersOf({ schemaVersion: version })['schemaVersion'], 1);
  }
  for (const version of [1, 2, 9, 10, 99, 100, 65_536, 1_000_000_000, 2 ** 31 - 1]) {
    assert.equal(membersOf({ schemaVersion: version })['schemaVersion'], version);
  }
});

for (const op of ['insert', 'update', 'delete']) {
  test(`op ${op} is written`, () => {
    assert.equal(membersOf({ op })['op'], op);
  });
}

for (const op of ['', 'INSERT', 'insert ', 'inser', 'truncate', 'inserts']) {
  test(`op ${JSON.stringify(op)} is refused`, () => {
    const error = errorOf(fieldsOf(tupleRow({ op })));
    assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'));
    assert.deepEqual(error.details, { member: 'op', eventId: EVENT });
  });
}

for (const member of ['appId', 'tableName', 'recordId', 'clientId', 'op'] as const) {
  test(`a row whose ${member} is NULL is refused by name`, () => {
    const error = errorOf(fieldsOf(tupleRow({ [member]: null })));
    assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'));
    assert.deepEqual(error.details, { member, eventId: EVENT });
  });
}

test('a row whose createdAt is NULL is refused by name', () => {
  const error = errorOf(fieldsOf(tupleRow({ createdAt: null })));
  assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'));
  assert.equal(error.details.member, 'createdAt');
  assert.equal(error.details.eventId, EVENT);
});

test('a row whose id is NULL is refused, also when more of it is wrong', () => {
  for (const more of [{}, { op: null }, { appId: null }, { createdAt: null }]) {
    const error = errorOf(fieldsOf(tupleRow({ id: null, ...more })));
    assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'));
    assert.deepEqual(error.details, { member: 'id' });
  }
});

const unwritable = {
  infinity: INFINITY_MICROS.plus,
  '-infinity': INFINITY_MICROS.minus,
  'a microsecond before year 1': microsOf('0001-01-01T00:00:00Z') - 1n,
  '4714 BC': microsOf('0001-01-01T00:00:00Z') - 4713n * 366n * 86_400_000_000n,
  'year 10000': microsOf('9999-12-31T23:59:59.999999Z') + 1n,
  'year 294276': 9_223_371_331_199_999_999n,
  'almost infinity': INFINITY_MICROS.plus - 1n,
  'almost -infinity': INFINITY_MICROS.minus + 1n,
};
for (const [name, createdAt] of Object.entries(unwritable)) {
  test(`a row of ${name} is refused, and the event is named`, () => {
    const error = errorOf(fieldsOf(tupleRow({ createdAt })));
    assert.ok(isBackupError(error, 'BACKUP_ROW_UNMAPPABLE'));
    const { details } = error;
    assert.deepEqual(details, { member: 'createdAt', column: 'created_at', eventId: EVENT });
  });
}

const foreign = ['user-2', 'user-', 'user-11', 'User-1', '', 'user-1\u0301', 'canary'];
for (const userId of foreign) {
  test(`a row of ${JSON.stringify(userId)} is refused, and nothing of it is shown`, () => {
    const error = errorOf(fieldsOf(tupleRow({ userId, recordId: 'canary', appId: 'canary' })));
    assert.ok(isBackupError(error, 'BACKUP_TENANCY_MISMATCH'));
    assert.deepEqual(error.details, { found: 'row', rowCount: 2 });
    assert.doesNotMatch(JSON.stringify(error) + error.message, /canary/);
  });
}

test('a row without a user is refused, whatever else it holds', () => {
  for (const changes of [{}, { op: null }, { createdAt: INFINITY_MICROS.plus }, { id: null }]) {
    const error = errorOf(fieldsOf(tupleRow({ userId: null, ...changes })));
    assert.ok(isBackupError(error, 'BACKUP_TENANCY_MISMATCH'));
  }
});

test('users are compared by their bytes', () => {
  for (const userId of ['ü', '日本語', '😀', 'a"b\\c', ' ', '\u2028']) {
    const line = decodeCopy([copyOf([tupleRow({ userId })])], { userId });
    assert.ok(!line.includes('userId'));
    const other = new CopyDecoder({ userId: userId + 'x' });
    assert.throws(() => other.push(copyOf([tupleRow({ userId })])), BackupError);
  }
});

test('every ASCII character in every text column is escaped as JSON.stringify does', () => {
  const ascii = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code));
  for (const text of [...ascii, ascii.join(''), ascii.join('é')]) {
    const row = tupleRow({ appId: text, tableName: text, recordId: text, clientId: text });
    const json = JSON.stringify(text);
    assert.equal(
      decodeCopy([copyOf([row])]),
      `{"eventId":"${EVENT}","schemaVersion":1,"appId":${json},"table":${json},"id":${json},` +
        `"op":"insert","data":{"title": "Buy milk"},"clientId":${json},` +
        '"createdAt":"2026-04-14T10:00:00Z"}\n',
    );
  }
});

test('characters of two to four bytes are written as they are', () => {
  const text = '\u0080\u07ff\u0800\u2028\u2029\ud7ff\ue000\ufeff\ufffd\uffff😀\u{10ffff}';
  const line = decodeCopy([copyOf([tupleRow({ recordId: text, appId: text })])]);
  assert.ok(line.includes(`"appId":"${text}"`) && line.includes(`"id":"${text}"`));
});

test('texts that are all escapes fit, however long', () => {
  const text = '\u0001'.repeat(300_000);
  const row = tupleRow({ appId: text, tableName: text, recordId: text, clientId: text });
  const members = JSON.parse(decodeCopy([copyOf([row])])) as Record<string, unknown>;
  for (const member of ['appId', 'table', 'id', 'clientId']) assert.equal(members[member], text);
});

test('extra columns come after createdAt in their order; only SQL NULL is left out', () => {
  const extraMembers = ['zeta', 'alpha', '_1', 'four'];
  const tail = (extra: readonly (string | null)[]): string => {
    const line = decodeCopy([copyOf([tupleRow({ extra })])], { extraMembers });
    return line.slice(line.indexOf('"createdAt"') + 34);
  };
  assert.equal(tail([null, null, null, null]), '}\n');
  assert.equal(
    tail(['null', '{}', '"é\u2028"', '[1, 2.50]']),
    ',"zeta":null,"alpha":{},"_1":"é\u2028","four":[1, 2.50]}\n',
  );
  assert.equal(tail([null, '1e400', null, '0']), ',"alpha":1e400,"four":0}\n');
});

const dataField = 6;
for (const [name, field] of Object.entries({
  'version 2': jsonbField('{"a": 1}', 2),
  'version 0': jsonbField('{"a": 1}', 0),
  'no version but text': Buffer.from('{"a": 1}'),
  'no bytes at all': Buffer.alloc(0),
  'a version and no text': Buffer.from([1]),
})) {
  test(`a jsonb with ${name} is refused`, () => {
    assert.ok(errorOf(withField(dataField, field)) instanceof TupleError);
    assert.ok(errorOf(withField(dataField + 1, field)) instanceof TupleError);
    const extra = { extra: ['1'] };
    assert.ok(errorOf(withField(11, field, extra), ['actor']) instanceof TupleError);
  });
}

for (const [name, index, widths] of [
  ['id', 0, [0, 4, 15, 17, 36]],
  ['createdAt', 9, [0, 4, 7, 9, 20]],
  ['schemaVersion', 10, [0, 2, 3, 5, 8]],
] as const) {
  for (const width of widths) {
    test(`${name} of ${width} bytes is of another type, and refused`, () => {
      const field = Buffer.alloc(width, 0x30);
      assert.ok(errorOf(withField(index, field)) instanceof TupleError);
    });
  }
}

test('room is made for the row and not for the offsets of its NULLs', () => {
  const extraMembers = ['a', 'b', 'c'];
  const data = JSON.stringify('x'.repeat(5 << 20));
  const decoder = new CopyDecoder({ extraMembers });
  decoder.push(copyOf([tupleRow({ data, extra: [null, null, null] })]));
  assert.ok(decoder.output.bytes.length < data.length + 100_000, `${decoder.output.bytes.length}`);
});

test('lines are tallied: counts, versions, apps and positions', () => {
  const ids = [3, 1, 2].map((n) => `0000000${n}-0000-4000-8000-00000000000A`);
  const decoder = new CopyDecoder();
  assert.deepEqual(decoder.facts, { eventCount: 0, apps: [] });
  decoder.push(
    copyOf([
      tupleRow({ id: ids[0]!, appId: 'é', schemaVersion: 4, createdAt: 0n }),
      tupleRow({ id: ids[1]!, appId: 'b', schemaVersion: -3, createdAt: 1n }),
      tupleRow({ id: ids[2]!, appId: 'é', schemaVersion: 9, createdAt: 100_000n }),
    ]),
  );
  assert.deepEqual(decoder.facts, {
    eventCount: 3,
    apps: ['é', 'b'],
    schemaVersionMin: 1,
    schemaVersionMax: 9,
    firstPosition: { createdAt: '2000-01-01T00:00:00Z', eventId: ids[0]!.toLowerCase() },
    lastPosition: { createdAt: '2000-01-01T00:00:00.1Z', eventId: ids[2]!.toLowerCase() },
  });
});

test('apps are tallied once each, however many there are and in whatever order', () => {
  const names = Array.from({ length: 100 }, (_, index) => `app-${index % 40}`);
  const decoder = new CopyDecoder();
  decoder.push(copyOf(names.map((appId) => tupleRow({ appId }))));
  assert.deepEqual(decoder.facts.apps.toSorted(), [...new Set(names)].toSorted());
});

test('an empty text is a text', () => {
  const members = membersOf({ appId: '', tableName: '', recordId: '', clientId: '' });
  for (const member of ['appId', 'table', 'id', 'clientId']) assert.equal(members[member], '');
});

test('apps are tallied out of memory that is used again for the next app', () => {
  const names = ['todo', 'note', 'mail', 'todo', 'chat', 'food'];
  const decoder = new CopyDecoder();
  decoder.push(copyHeader());
  for (const appId of names) decoder.push(encodeTuple(fieldsOf(tupleRow({ appId }))));
  assert.deepEqual(decoder.facts.apps, ['todo', 'note', 'mail', 'chat', 'food']);
});
