// encodeExportLine and decodeExportLine: a line and its text.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';

import { isAbsentJson, lineMembers } from '../../../src/format/export-line.js';
import {
  decodeExportLine,
  encodeExportLine,
  exportLineSchema,
  isBackupError,
  RawJson,
  toExportLine,
} from '../../../src/index.js';
import type { BackupErrorDetails, ExportLine } from '../../../src/index.js';
import { exportLine } from '../../support/change-rows.js';
import { assertQuotesNoRow } from '../../support/failures.js';
import { lineVectors } from '../../support/vectors.js';

type Refusal = BackupErrorDetails['BACKUP_LINE_INVALID'];

const { eventId } = exportLine();
const plain = encodeExportLine(exportLine());

/** What a refused line is refused for; that nothing of it is quoted is checked on the way. */
function refusalOf(use: () => unknown): Refusal {
  try {
    use();
  } catch (error) {
    assert.ok(isBackupError(error, 'BACKUP_LINE_INVALID'), inspect(error));
    assertQuotesNoRow(error);
    assert.equal(error.details.reason.length > 0, true);
    return error.details;
  }
  assert.fail('the line was accepted');
}

/** The member that a line cannot be written for. */
function unwritable(changes: Readonly<Record<string, unknown>>): string | undefined {
  const details = refusalOf(() => encodeExportLine({ ...exportLine(), ...changes }));
  if (!('eventId' in changes)) assert.equal(details.eventId, eventId);
  return details.member;
}

/** The plain line with one member's text replaced, or left out. */
function withText(member: (typeof lineMembers)[number], text: string | undefined): string {
  const members = new RawJson(plain).members();
  if (text === undefined) members.delete(member);
  else members.set(member, new RawJson(text));
  return RawJson.fromMembers(members).text;
}

describe('a line of the shared vectors', () => {
  for (const { name, line } of lineVectors) {
    test(`${name}: is read and written again byte for byte`, () => {
      const decoded = decodeExportLine(line);
      assert.equal(encodeExportLine(decoded), line);
      assert.deepEqual(exportLineSchema.parse(decoded), decoded);
    });
  }

  for (const { name, row, dataText, fieldTimestampsText, line } of lineVectors) {
    // A number that is no double has no plain value.
    if (name.startsWith('number-')) continue;
    test(`${name}: comes out of plain values too, but for Postgres' spaces`, () => {
      const encoded = encodeExportLine(
        toExportLine({
          id: row.id,
          appId: row.app_id,
          tableName: row.table_name,
          recordId: row.record_id,
          userId: row.user_id,
          op: row.op as ExportLine['op'],
          data: JSON.parse(dataText ?? 'null') as unknown,
          fieldTimestamps: JSON.parse(fieldTimestampsText ?? 'null') as unknown,
          clientId: row.client_id,
          createdAt: row.created_at,
          schemaVersion: row.schema_version,
        }),
      );
      assert.equal(encoded, JSON.stringify(JSON.parse(line)));
    });
  }
});

describe('encodeExportLine', () => {
  test('writes members in the order of the format, whatever order they come in', () => {
    const line = exportLine({
      fieldTimestamps: new RawJson('{"a": "t"}'),
      extra: new Map([
        ['z', new RawJson('1')],
        ['a', new RawJson('{"b": 2}')],
      ]),
    });
    const backwards = Object.fromEntries(Object.entries(line).reverse()) as ExportLine;
    const text = encodeExportLine(backwards);
    assert.equal(text, encodeExportLine(line));
    assert.deepEqual([...new RawJson(text).members().keys()], [...lineMembers, 'z', 'a']);
  });

  test('writes one line: line breaks between tokens become spaces', () => {
    const data = new RawJson('\r\n{"a":\n[1,\r2]\n}\n');
    assert.equal(
      encodeExportLine(exportLine({ data })),
      encodeExportLine(exportLine({ data: new RawJson('{"a": [1, 2] }') })),
    );
    for (const text of ['{"a":\n1}', '{"a":\r1}', '{"a":\r\n1}']) {
      assert.doesNotMatch(encodeExportLine(exportLine({ data: new RawJson(text) })), /[\r\n]/);
    }
  });

  test('hazard 16: writes one line for an extra of a json column with raw newlines', () => {
    const text = encodeExportLine(
      exportLine({ extra: new Map([['x', new RawJson('{\n"a"\r\n: 1}')]]) }),
    );
    assert.ok(text.endsWith(',"x":{ "a"  : 1}}'), text);
  });

  test('leaves out white space around values, which no reading would keep', () => {
    const spaced = exportLine({ data: new RawJson(' \t{"a": 1}\n') });
    const text = encodeExportLine(spaced);
    assert.equal(text, encodeExportLine(exportLine({ data: new RawJson('{"a": 1}') })));
    assert.equal(encodeExportLine(decodeExportLine(text)), text);
  });

  test('leaves out data and fieldTimestamps that turn out to be nothing', () => {
    const { data: _, ...none } = exportLine();
    const expected = encodeExportLine(none);
    const becomesNothing = [
      ...[undefined, null, {}, new RawJson('null'), new RawJson('{ }'), { a: undefined }],
      ...[new Date(NaN), { toJSON: () => null }, { toJSON: () => ({}) }],
    ];
    for (const value of becomesNothing) {
      const line = { ...none, data: value, fieldTimestamps: value };
      assert.equal(encodeExportLine(line), expected, inspect(value));
    }
  });

  test('L11: writes members of an extra with names that trip plain objects', () => {
    const extra = new Map([
      ['__proto__', new RawJson('1')],
      ['a"\n😀', new RawJson('2')],
    ]);
    const text = encodeExportLine(exportLine({ extra }));
    assert.ok(text.endsWith(',"__proto__":1,"a\\"\\n😀":2}'));
    assert.deepEqual(decodeExportLine(text).extra, extra);
  });

  test('L16: refuses texts that are none, by member', () => {
    for (const member of ['eventId', 'appId', 'table', 'id', 'clientId']) {
      for (const value of [undefined, null, 7, {}, new String('a'), Symbol('a')]) {
        assert.equal(unwritable({ [member]: value }), member, inspect(value));
      }
    }
    assert.equal(unwritable({ eventId: '' }), 'eventId');
  });

  test('L12, L13: refuses texts that Postgres cannot hold, by member', () => {
    for (const member of ['eventId', 'appId', 'table', 'id', 'clientId']) {
      for (const value of ['\0', 'canary\0', '\ud800', 'canary\udfff']) {
        const line = { ...exportLine(), [member]: value };
        assert.equal(exportLineSchema.safeParse(line).success, false);
        if (member !== 'eventId') assert.equal(unwritable({ [member]: value }), member);
        else assert.throws(() => encodeExportLine(line), { code: 'BACKUP_LINE_INVALID' });
      }
    }
  });

  test('L19: refuses an op that is none', () => {
    for (const op of ['upsert', 'INSERT', '', 'canary', undefined, null, 1]) {
      assert.equal(unwritable({ op }), 'op');
    }
  });

  test('L20: refuses a schemaVersion that is none', () => {
    for (const schemaVersion of [0, -1, 1.5, NaN, Infinity, 2147483648, '1', 1n, undefined, null]) {
      assert.equal(unwritable({ schemaVersion }), 'schemaVersion');
    }
  });

  test('L21: refuses a createdAt in any form but the one', () => {
    const others = [
      '2026-04-14T10:00:00+00:00',
      '2026-04-14T10:00:00.10Z',
      'infinity',
      '',
      'canary',
    ];
    for (const createdAt of [...others, new Date(0), undefined, null, 0]) {
      assert.equal(unwritable({ createdAt }), 'createdAt');
    }
  });

  test('refuses data and fieldTimestamps that JSON cannot hold, by member', () => {
    const values = [NaN, new Map([['canary', 1]]), { a: ['\0canary'] }, () => 'canary', new Set()];
    for (const value of [...values, Promise.resolve(1), { canary: Symbol('canary') }]) {
      assert.equal(unwritable({ data: value }), 'data', inspect(value));
      assert.equal(unwritable({ fieldTimestamps: value }), 'fieldTimestamps', inspect(value));
    }
  });

  test('refuses a value whose toJSON or getter throws, and quotes nothing of what it threw', () => {
    const thrower = (): never => {
      throw new TypeError('canary');
    };
    const getter = Object.defineProperty({}, 'a', { get: thrower, enumerable: true });
    for (const value of [{ toJSON: thrower }, getter, { a: [{ toJSON: thrower }] }]) {
      assert.equal(unwritable({ data: value }), 'data');
      const line = exportLine({ data: value });
      assert.throws(() => encodeExportLine(line), { cause: { name: 'TypeError' } });
    }
  });

  test('refuses an extra that is no Map, or holds what it cannot', () => {
    const one = new RawJson('1');
    for (const extra of [{ a: one }, null, [], 'canary', new Set(['a'])]) {
      assert.equal(unwritable({ extra }), 'extra', inspect(extra));
    }
    assert.equal(unwritable({ extra: new Map<unknown, RawJson>([[7, one]]) }), 'extra');
    assert.equal(unwritable({ extra: new Map([['canary\0', one]]) }), 'extra');
    assert.equal(unwritable({ extra: new Map([['\ud800', one]]) }), 'extra');
    assert.equal(unwritable({ extra: new Map([['space', undefined]]) }), 'space');
    assert.equal(unwritable({ extra: new Map([['space', NaN]]) }), 'space');
  });

  test('refuses an extra that repeats a member of the format', () => {
    for (const member of lineMembers) {
      const extra = new Map([[member, new RawJson('1')]]);
      assert.equal(unwritable({ extra }), member);
      assert.equal(exportLineSchema.safeParse(exportLine({ extra })).success, false);
    }
  });
});

describe('decodeExportLine', () => {
  test('gives data, fieldTimestamps and unknown members as their exact text', () => {
    const text =
      '{"eventId":"e","schemaVersion":2,"appId":"a","table":"t","id":"i","op":"update",' +
      '"data":{"n": 1e400, "d":1.50},"fieldTimestamps":{"n":  "x"},"clientId":"",' +
      '"createdAt":"2026-04-14T10:00:00Z","spaceId":"s","actor":{"n": 9007199254740993}}';
    assert.deepEqual(decodeExportLine(text), {
      eventId: 'e',
      schemaVersion: 2,
      appId: 'a',
      table: 't',
      id: 'i',
      op: 'update',
      data: new RawJson('{"n": 1e400, "d":1.50}'),
      fieldTimestamps: new RawJson('{"n":  "x"}'),
      clientId: '',
      createdAt: '2026-04-14T10:00:00Z',
      extra: new Map([
        ['spaceId', new RawJson('"s"')],
        ['actor', new RawJson('{"n": 9007199254740993}')],
      ]),
    });
    assert.equal(encodeExportLine(decodeExportLine(text)), text);
  });

  test('L9: takes members in any order, any spacing, escapes, and a carriage return at the end', () => {
    const original =
      ' { "createdAt" : "2026-04-14T10:00:00Z" , "op":"insert","id":"task-1", "table":"\\u0074asks"' +
      ',"data": {"title": "Buy milk"} ,"clientId":"client-a","\\u0061ppId":"todo","schemaVersion":1 ' +
      `,"eventId":"${eventId}"}\r`;
    assert.equal(encodeExportLine(decodeExportLine(original)), plain);
  });

  test('leaves data as the original service wrote it, its escapes included', () => {
    const data = '{"html":"\\u003cb\\u003e \\u0026 \\u2028\\u2029"}';
    assert.deepEqual(decodeExportLine(withText('data', data)).data, new RawJson(data));
  });

  test('takes data and fieldTimestamps that are null or empty for none', () => {
    for (const none of ['null', '{}', '{ }', undefined]) {
      assert.equal('data' in decodeExportLine(withText('data', none)), false);
      const line = decodeExportLine(withText('fieldTimestamps', none ?? '{}'));
      assert.equal('fieldTimestamps' in line, false);
    }
  });

  test('L20: reads a schemaVersion that is missing, zero or negative as 1', () => {
    for (const text of [undefined, '0', '-0', '-1', '1', '1.0', '1e0', '-2147483649']) {
      assert.equal(decodeExportLine(withText('schemaVersion', text)).schemaVersion, 1, text);
    }
    assert.equal(
      decodeExportLine(withText('schemaVersion', '2147483647')).schemaVersion,
      2147483647,
    );
  });

  test('L20: refuses a schemaVersion that is no integer, or too large', () => {
    const texts = ['1.5', '"1"', '2147483648', '1e400', '-1e400', 'null', 'true', '[1]', '{}'];
    for (const text of texts) {
      const details = refusalOf(() => decodeExportLine(withText('schemaVersion', text)));
      assert.equal(details.member, 'schemaVersion', text);
    }
  });

  test('L16: refuses a line without a member, by its name', () => {
    const needed = ['eventId', 'appId', 'table', 'id', 'op', 'clientId', 'createdAt'] as const;
    for (const member of needed) {
      for (const text of [undefined, 'null', '1', '{}', '["canary"]', 'true']) {
        const details = refusalOf(() => decodeExportLine(withText(member, text)));
        assert.equal(details.member, member);
      }
    }
    assert.equal(refusalOf(() => decodeExportLine(withText('eventId', '""'))).member, 'eventId');
  });

  test('L16, L17: takes any other text, an empty one too', () => {
    for (const member of ['appId', 'table', 'id', 'clientId'] as const) {
      assert.equal(decodeExportLine(withText(member, '""'))[member], '');
    }
    for (const id of ['ABCDEF00-0000-4000-8000-00000000000A', '{x}', 'a'.repeat(37), ' ']) {
      assert.equal(decodeExportLine(withText('eventId', JSON.stringify(id))).eventId, id);
    }
  });

  test('L11: takes app and table names that trip plain objects', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.equal(decodeExportLine(withText('appId', JSON.stringify(name))).appId, name);
      assert.equal(decodeExportLine(withText('table', JSON.stringify(name))).table, name);
    }
  });

  test('L19: refuses an op that is none', () => {
    for (const op of ['"upsert"', '"INSERT"', '""', '"іnsert"', '"insert "', '"canary"']) {
      assert.equal(refusalOf(() => decodeExportLine(withText('op', op))).member, 'op');
    }
  });

  test('L21: refuses a createdAt in any form but the one', () => {
    const texts = [
      ...['infinity', '-infinity', '2026-04-14T24:00:00Z', '2026-04-14T23:59:60Z'],
      ...['10000-01-01T00:00:00Z', '2026-04-14T10:00:00.123456789Z', '2026-04-14T10:00:00'],
      ...['2026-04-14T10:00:00+02:00', '2026-04-14T10:00:00.10Z', '0044-03-15T12:00:00Z BC', ''],
    ];
    for (const text of texts) {
      const details = refusalOf(() =>
        decodeExportLine(withText('createdAt', JSON.stringify(text))),
      );
      assert.deepEqual([details.member, details.eventId], ['createdAt', eventId], text);
    }
  });

  test('L2: refuses nothing, spaces, a lone carriage return and a byte order mark', () => {
    for (const text of ['', ' ', '\r', '\n', `\ufeff${plain}`, `${plain}\ufeff`]) {
      assert.equal(refusalOf(() => decodeExportLine(text)).member, undefined, inspect(text));
    }
    assert.equal(refusalOf(() => decodeExportLine(`\ufeff${plain}`)).byteOffset, 0);
  });

  test('L4: refuses what is no object, and two objects', () => {
    for (const text of ['null', '1', '"canary"', '[]', '{}{}', `${plain}${plain}`, `[${plain}]`]) {
      assert.equal(typeof refusalOf(() => decodeExportLine(text)).byteOffset, 'number', text);
    }
  });

  test('L1: refuses every beginning of a line', () => {
    const text = encodeExportLine(
      exportLine({ data: new RawJson('{"canary": ["é😀", 1.5, null]}') }),
    );
    for (let end = 0; end < text.length; end += 1) {
      assert.equal(
        typeof refusalOf(() => decodeExportLine(text.slice(0, end))).byteOffset,
        'number',
      );
    }
  });

  test('L3: takes U+2028, U+2029 and U+0085 raw within a string', () => {
    const text = withText('id', '"\u2028\u2029\u0085"');
    assert.equal(decodeExportLine(text).id, '\u2028\u2029\u0085');
  });

  test('L6: refuses raw control characters in a string, and takes U+007F', () => {
    for (let code = 0; code < 0x20; code += 1) {
      const text = plain.replace('todo', `to${String.fromCharCode(code)}do`);
      const { byteOffset } = refusalOf(() => decodeExportLine(text));
      assert.equal(byteOffset, plain.indexOf('todo') + 2);
    }
    assert.equal(decodeExportLine(plain.replace('todo', 'to\u007fdo')).appId, 'to\u007fdo');
  });

  test('L8: takes data of 100,000 levels', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const { data } = decodeExportLine(plain.replace('"Buy milk"', deep));
    assert.ok(data instanceof RawJson);
    assert.ok(data.text === `{"title": ${deep}}`);
  });

  test('L9: refuses a repeated member, however it is spelled', () => {
    const repeats = ['"op":"insert"', '"\\u006fp":"insert"', '"data":1', '"eventId":"canary"'];
    for (const member of repeats) {
      const text = `${plain.slice(0, -1)},${member}}`;
      assert.equal(refusalOf(() => decodeExportLine(text)).byteOffset, plain.length, member);
    }
    refusalOf(() => decodeExportLine(`${plain.slice(0, -1)},"x":1,"x":1}`));
  });

  test('L10: takes keys repeated within data as they are', () => {
    const text = plain.replace('"Buy milk"', '1, "title": 2');
    assert.equal(encodeExportLine(decodeExportLine(text)), text);
  });

  test('L12, L13: refuses an escaped NUL and unpaired surrogates, raw or escaped', () => {
    for (const text of ['\\u0000', '\\ud800', '\\udfff\\ud83d', '\ud800', '\udfff']) {
      for (const place of ['todo', 'Buy milk', 'client-a', 'title']) {
        const line = plain.replace(place, `canary${text}`);
        assert.equal(typeof refusalOf(() => decodeExportLine(line)).byteOffset, 'number');
      }
    }
  });

  test('L14: keeps every number as it is spelled', () => {
    const numbers = '[1e400, -1e400, 1e-400, 123456789012345678901234567890, -0, 1.0, 1E+2]';
    const text = plain.replace('"Buy milk"', numbers);
    assert.equal(encodeExportLine(decodeExportLine(text)), text);
  });

  test('L15: refuses numbers that are none', () => {
    for (const number of ['NaN', 'Infinity', '01', '+1', '.5', '1.', '0x1', '-']) {
      const text = plain.replace('"Buy milk"', number);
      const { byteOffset } = refusalOf(() => decodeExportLine(text));
      const at = plain.indexOf('"Buy milk"');
      assert.ok(byteOffset !== undefined && byteOffset >= at && byteOffset <= at + number.length);
    }
  });

  test('counts the byte offset in bytes', () => {
    const text = plain.replace('todo', 'é😀').replace('"Buy milk"', 'x');
    const { byteOffset } = refusalOf(() => decodeExportLine(text));
    assert.equal(byteOffset, Buffer.byteLength(text.slice(0, text.indexOf('x}'))));
  });

  test('a line that is refused leaves nothing behind for the next one', () => {
    const begin = `${plain.slice(0, -1)},"newer":`;
    refusalOf(() => decodeExportLine(`${begin}{"a": }}`));
    const { extra } = decodeExportLine(`${begin}{"a": 1}}`);
    assert.deepEqual(extra, new Map([['newer', new RawJson('{"a": 1}')]]));
  });

  test('L23: keeps a user id that is smuggled in out of the named members', () => {
    const line = decodeExportLine(`${plain.slice(0, -1)},"userId":"other"}`);
    assert.equal('userId' in line, false);
    assert.deepEqual(line.extra, new Map([['userId', new RawJson('"other"')]]));
  });
});

describe('isAbsentJson', () => {
  test('is so for null and {} only', () => {
    for (const value of [undefined, null, {}, new RawJson('null'), new RawJson(' { } ')]) {
      assert.equal(isAbsentJson(value), true, inspect(value));
    }
    const texts = ['[]', '""', '0', 'false', '{"":1}', '{ "a":1}', '[null]', '"{}"', '[{}]'];
    const values = [0, '', false, [], 0n, new Map(), new Date(0), { a: 1 }, { toJSON: () => 1 }];
    for (const value of [...texts.map((text) => new RawJson(text)), ...values]) {
      assert.equal(isAbsentJson(value), false, inspect(value));
    }
    const hidden = Object.defineProperty({}, 'toJSON', { value: () => 1 });
    assert.equal(isAbsentJson(hidden), false);
  });
});

describe('exportLineSchema', () => {
  test('takes a line and refuses what is none', () => {
    assert.deepEqual(exportLineSchema.parse(exportLine()), exportLine());
    const changes: Readonly<Record<string, unknown>>[] = [
      { eventId: '' },
      { schemaVersion: 0 },
      { schemaVersion: 1.5 },
      { schemaVersion: 2147483648 },
      { op: 'upsert' },
      { createdAt: '2026-04-14T10:00:00+00:00' },
      { appId: undefined },
      { table: 1 },
      { id: null },
      { clientId: undefined },
      { extra: { a: new RawJson('1') } },
      { extra: new Map([['a', 1]]) },
      { extra: new Map([['\0', new RawJson('1')]]) },
    ];
    for (const change of changes) {
      const line = { ...exportLine(), ...change };
      assert.equal(exportLineSchema.safeParse(line).success, false, inspect(change));
    }
  });

  test('has the members that the format names, in its order', () => {
    const shape = Object.keys(exportLineSchema.unwrap().shape);
    assert.deepEqual(shape, [...lineMembers, 'extra']);
  });
});

test('a member is read once: what was checked is what is written', () => {
  const line = exportLine();
  for (const [member, later] of [
    ['id', 5.5],
    ['appId', 'x'.repeat(10_000)],
    ['schemaVersion', 1.5],
    ['op', 'upsert'],
    ['data', new RawJson('{"later": true}')],
  ] as const) {
    let reads = 0;
    const changing = Object.defineProperty({ ...line }, member, {
      enumerable: true,
      get: () => (reads++ === 0 ? line[member] : later),
    });
    assert.equal(encodeExportLine(changing), encodeExportLine(line), member);
  }
});
