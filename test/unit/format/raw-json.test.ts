// RawJson: JSON text in, the same text out; what is not JSON, or not for Postgres, never gets in.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';

import { RawJson, decodeExportLine, encodeExportLine } from '../../../src/index.js';
import { exportLine } from '../../support/change-rows.js';

const DEEP = 100_000;

/** A text's name in a test's title. */
function named(text: string): string {
  return inspect(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

const accepted: Readonly<Record<string, readonly string[]>> = {
  literals: ['true', 'false', 'null'],
  'L14: numbers of any size and spelling': [
    ...['0', '-0', '-0.0', '1.0', '1.50', '9007199254740993', '-12345678901234567890123'],
    ...['1e400', '-1e400', '1e-400', '1E+5', '0e0', '0.1000', '123456789.000e-017'],
  ],
  strings: ['""', '"a"', '"\\" \\\\ \\/ \\b \\f \\n \\r \\t"', '"\\u0041\\u00e9\\uABCD\\uabcd"'],
  'L3: U+2028, U+2029 and U+0085 as they are': ['"\u2028\u2029\u0085"'],
  'L6: U+007F as it is': ['"\u007f"'],
  'characters beyond the BMP, raw and escaped': ['"😀"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00x"'],
  'U+FEFF within a string': ['"\ufeff"'],
  containers: ['[]', '{}', '[1,2]', '{"a":1}', '[[],{}]', '{"a":{"b":[]}}', '[{},[{}]]'],
  'white space wherever JSON allows it': [
    ' \t\r\n{ \t\r\n"a" \t\r\n: \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n} \t\r\n',
  ],
  'L10: repeated keys': ['{"a":1,"a":2}'],
  'L11: keys that trip plain objects': ['{"__proto__":1,"constructor":2,"":3}'],
  'hazard 15, L8: 100,000 levels': [
    '['.repeat(DEEP) + ']'.repeat(DEEP),
    '{"a":'.repeat(DEEP) + '1' + '}'.repeat(DEEP),
    '[{"a":'.repeat(DEEP) + '[]' + '}]'.repeat(DEEP),
  ],
};

const refused: Readonly<Record<string, readonly string[]>> = {
  nothing: ['', ' ', '\n'],
  'L15: numbers that are none': [
    ...['NaN', 'Infinity', '-Infinity', '01', '-01', '00', '+1', '.5', '-.5', '1.', '-', '1e'],
    ...['1e+', '1e1.5', '0x1', '1_000', '1n', '١', '--1', '1.2.3', '1.e1'],
  ],
  'words that are none': ['tru', 'truE', 'TRUE', 'nul', 'undefined', 'nullx', 'falsey'],
  'L12: an escaped NUL': ['"\\u0000"', '{"\\u0000":1}', '["a\\u0000b"]'],
  'L13: escapes of unpaired surrogates': [
    ...['"\\udc00\\udc00"', '"\\ud83d\\ue000"', '"\\ud83d\\uffff"', '"\\ud83d\\udbff"'],
    ...['"\\ud800"', '"\\udfff"', '"\\ud800\\ud800"', '"\\ude00\\ud83d"', '"\\ud83d\\n"'],
    ...['"\\ud83dx"', '"\\ud83d\\u0041"', '"\\ud83d\\ude0"', '{"\\ud83d":1}', '"\\ud83d"'],
  ],
  'L13: unpaired surrogates as they are': [
    '"\ud800"',
    '"\udfff"',
    '"\ud83d\\ude00"',
    '"\\ud83d\ude00"',
  ],
  'L6: raw control characters in a string': [
    ...Array.from({ length: 0x20 }, (_, code) => `"${String.fromCharCode(code)}"`),
    '{"\n":1}',
  ],
  'escapes that are none': [
    '"\\x41"',
    '"\\a"',
    '"\\u12"',
    '"\\u12g4"',
    '"\\u 123"',
    '"\\U0041"',
    '"\\"',
  ],
  'strings without an end or with other quotes': ['"a', '"', "'a'", '`a`', '{"a', '{"a":"b'],
  'containers without an end or with the wrong one': [
    ...['[', '{', '[1', '{"a"', '{"a":', '{"a":1', '[1}', '{"a":1]', ']', '}', '[[]', '{"a":{}'],
  ],
  'commas and colons out of place': [
    ...[
      '[1,]',
      '[,1]',
      '[1,,2]',
      '{"a":1,}',
      '{,"a":1}',
      '{"a" 1}',
      '{"a"::1}',
      '{"a",1}',
      '[1 2]',
    ],
    ...['{1:2}', '{a:1}', '{null:1}', ',', ':', '[1:2]', '{"a":1 "b":2}'],
  ],
  'text after the value': [
    '1 2',
    '{} {}',
    '{}x',
    'null,',
    '[]]',
    '"a" "b"',
    '{}//',
    '1\0',
    '{}\ufeff',
  ],
  'L2: a byte order mark': ['\ufeff{}', '\ufeff', ' \ufeff{}'],
  'white space that is not JSON white space': ['\u00a0{}', '{\u2028}', '[\v1]', '[\f]', '\u0085 1'],
  comments: ['/**/1', '{/**/}', '//\n1'],
  'hazard 15, L8: 100,000 levels that are not closed': ['['.repeat(DEEP), '{"a":'.repeat(DEEP)],
};

describe('RawJson takes', () => {
  for (const [what, texts] of Object.entries(accepted)) {
    test(what, () => {
      for (const text of texts) assert.equal(new RawJson(text).text, text, named(text));
    });
  }
});

describe('RawJson refuses', () => {
  for (const [what, texts] of Object.entries(refused)) {
    test(what, () => {
      for (const text of texts) assert.throws(() => new RawJson(text), TypeError, named(text));
    });
  }

  test('what is no text', () => {
    for (const value of [1, null, undefined, {}, new String('1'), Buffer.from('1')]) {
      assert.throws(() => new RawJson(value as string), TypeError);
    }
  });

  test('and quotes nothing of it', () => {
    for (const text of ['canary', '{"canary": canary}', '"canary']) {
      assert.throws(
        () => new RawJson(text),
        (error) => !inspect(error).split('\n')[0]!.includes('canary'),
      );
    }
  });
});

describe('RawJson.parse', () => {
  test('gives the value as JSON.parse does', () => {
    assert.deepEqual(new RawJson('{"a": [1, "x", null, 9007199254740993]}').parse(), {
      a: [1, 'x', null, Number('9007199254740993')],
    });
  });
});

/** The members as pairs of texts, in their order. */
function pairs(text: string): [string, string][] {
  return Array.from(new RawJson(text).members(), ([name, value]) => [name, value.text]);
}

describe('RawJson.members', () => {
  test('hazard 15, L14: gives each value as its exact text', () => {
    assert.deepEqual(pairs('{"n": 9007199254740993, "m": 1e400, "d": 1.50, "z": -0.0}'), [
      ['n', '9007199254740993'],
      ['m', '1e400'],
      ['d', '1.50'],
      ['z', '-0.0'],
    ]);
  });

  test('cuts at the right places where characters take more bytes than one', () => {
    assert.deepEqual(pairs('{"é": "ü", "😀": ["👨‍👩‍👧", "｡"], "\u2028": {"ключ": "знач"}, "z": 1}'), [
      ['é', '"ü"'],
      ['😀', '["👨‍👩‍👧", "｡"]'],
      ['\u2028', '{"ключ": "знач"}'],
      ['z', '1'],
    ]);
  });

  test('keeps U+FEFF at the beginning of texts', () => {
    assert.deepEqual(pairs('{"\ufeffk": "\ufeffv", "é": 1}'), [
      ['\ufeffk', '"\ufeffv"'],
      ['é', '1'],
    ]);
  });

  test('leaves out white space around values and keeps it within them', () => {
    assert.deepEqual(pairs(' { "a" :\t{ "b" : 1 } ,\n"c":[ ] } '), [
      ['a', '{ "b" : 1 }'],
      ['c', '[ ]'],
    ]);
  });

  test('reads escapes in names', () => {
    assert.deepEqual(pairs('{"\\u0061\\n\\ud83d\\ude00\\"": 1}'), [['a\n😀"', '1']]);
  });

  test('L11: gives names that trip plain objects like any other', () => {
    const text = '{"__proto__": 1, "constructor": 2, "toString": 3, "10": 4, "2": 5, "": 6}';
    const names = ['__proto__', 'constructor', 'toString', '10', '2', ''];
    assert.deepEqual([...new RawJson(text).members().keys()], names);
    assert.equal(RawJson.fromMembers(new RawJson(text).members()).text, text);
  });

  test('L10: keeps the last value of a repeated key', () => {
    assert.deepEqual(pairs('{"a": 1, "b": 2, "\\u0061": 3}'), [
      ['a', '3'],
      ['b', '2'],
    ]);
  });

  test('gives none for an empty object', () => {
    assert.deepEqual(pairs('{}'), []);
    assert.deepEqual(pairs(' {\n} '), []);
  });

  test('L8: takes members of any depth', () => {
    const deep = '['.repeat(DEEP) + ']'.repeat(DEEP);
    assert.deepEqual(pairs(`{"a": ${deep}, "b": 1}`), [
      ['a', deep],
      ['b', '1'],
    ]);
  });

  test('throws for what is no object', () => {
    for (const text of ['[]', '"{}"', '1', 'null', 'true', '[{"a":1}]']) {
      assert.throws(() => new RawJson(text).members(), TypeError, text);
    }
  });
});

describe('RawJson.fromMembers', () => {
  test('spaces an object as Postgres does', () => {
    const members = new Map([
      ['a', new RawJson('1')],
      ['b', new RawJson('[1,2]')],
    ]);
    assert.equal(RawJson.fromMembers(members).text, '{"a": 1, "b": [1,2]}');
    assert.equal(RawJson.fromMembers([]).text, '{}');
  });

  test('hazard 15: members are renamed and dropped without touching a digit of the others', () => {
    const data = new RawJson('{"n": 9007199254740993, "secret": "x", "m": 1e400, "d": 1.50}');
    const members = data.members();
    members.delete('secret');
    members.set('count', members.get('n')!);
    members.delete('n');
    const changed = RawJson.fromMembers(members);
    assert.equal(changed.text, '{"m": 1e400, "d": 1.50, "count": 9007199254740993}');
    assert.equal(data.text, '{"n": 9007199254740993, "secret": "x", "m": 1e400, "d": 1.50}');
  });

  test('escapes names', () => {
    const object = RawJson.fromMembers([['a"\\\n😀\u2028', new RawJson('1')]]);
    assert.equal(object.text, '{"a\\"\\\\\\n😀\u2028": 1}');
    assert.equal(new RawJson(object.text).text, object.text);
  });

  test('L12, L13: refuses names that Postgres cannot hold', () => {
    for (const name of ['\0', 'a\0', '\ud800', '\udfffa']) {
      assert.throws(() => RawJson.fromMembers([[name, new RawJson('1')]]), TypeError);
    }
  });

  test('refuses values that are no RawJson: their text was never checked', () => {
    for (const value of [1, '1', null, undefined, { text: 'x' }, {}]) {
      assert.throws(
        () => RawJson.fromMembers([['a', value as RawJson]]),
        TypeError,
        inspect(value),
      );
    }
  });
});

describe('JSON.stringify', () => {
  test('of a RawJson, or of what holds one, throws rather than loses digits', () => {
    const data = new RawJson('{"n": 1}');
    for (const value of [data, [data], exportLine({ data }), { extra: data }]) {
      assert.throws(() => JSON.stringify(value), TypeError);
    }
  });
});

describe('RawJson as bytes and as text', () => {
  const text = '{"title": "Ünïcode – 😀", "n": 9007199254740993}';

  test('holds the UTF-8 of its text', () => {
    assert.deepEqual(new RawJson(text).bytes, new TextEncoder().encode(text));
  });

  test('members hold the bytes and the text of their values', () => {
    const title = new RawJson(text).members().get('title');
    assert.equal(title?.text, '"Ünïcode – 😀"');
    assert.deepEqual(title.bytes, new TextEncoder().encode('"Ünïcode – 😀"'));
  });

  test('is compared by its content, wherever it comes from', () => {
    const line = decodeExportLine(encodeExportLine(exportLine({ data: new RawJson(text) })));
    assert.deepEqual(line.data, new RawJson(text));
    assert.deepEqual(new RawJson(text).members().get('n'), new RawJson('9007199254740993'));
    assert.deepEqual(RawJson.fromMembers(new RawJson(text).members()), new RawJson(text));
    assert.notDeepEqual(line.data, new RawJson(text.replace('3}', '2}')));
  });

  test('is checked whatever else the constructor is given', () => {
    for (const more of [0, null, {}, true, Symbol('vouched for'), 'vouched for']) {
      assert.throws(() => Reflect.construct(RawJson, ['{bad', more]), TypeError);
      assert.throws(() => Reflect.construct(RawJson, [Buffer.from('{}'), more]), TypeError);
    }
  });

  test('whose memory was transferred is an error, not a value that is left out', () => {
    const members = new RawJson(text).members();
    const line = exportLine({ data: members.get('title') });
    const { bytes } = members.get('n')!;
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    assert.throws(() => members.get('title')?.text, TypeError);
    assert.throws(() => encodeExportLine(line), { code: 'BACKUP_LINE_INVALID' });
  });

  test('is shown as its text', () => {
    assert.equal(inspect(new RawJson('{"a": 1}')), 'RawJson({"a": 1})');
  });
});
