// Rows, lines and their text: what one accepts the other writes, and nothing changes on the way.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';

import { lineMembers } from '../../src/format/export-line.js';
import {
  changeRowSchema,
  decodeExportLine,
  encodeExportLine,
  exportLineSchema,
  isBackupError,
  RawJson,
  toExportLine,
} from '../../src/index.js';
import { anyJsonText, anyLine, anyRow, anyText, anyUnits } from '../support/arbitraries.js';

const canary = 'canary-9e1c7b5d';

/** What a function throws, which must be typed; undefined when it does not. */
function refusalOf(use: () => unknown): unknown {
  try {
    use();
    return undefined;
  } catch (error) {
    assert.ok(isBackupError(error), inspect(error));
    return error;
  }
}

describe('a line', () => {
  test('that the schema accepts can be written, and what is written is one line of JSON', () => {
    fc.assert(
      fc.property(anyLine, (line) => {
        assert.ok(exportLineSchema.safeParse(line).success);
        const text = encodeExportLine(line);
        assert.doesNotMatch(text, /[\r\n]/);
        assert.equal(new RawJson(text).text, text);
        const names = [...new RawJson(text).members().keys()];
        const named = lineMembers.filter((name) => names.includes(name));
        assert.deepEqual(names, [...named, ...(line.extra?.keys() ?? [])]);
      }),
      { numRuns: 500 },
    );
  });

  test('that is written, read and written again is the same to the byte', () => {
    fc.assert(
      fc.property(anyLine, (line) => {
        const text = encodeExportLine(line);
        const decoded = decodeExportLine(text);
        assert.equal(encodeExportLine(decoded), text);
        const { data: _, fieldTimestamps: __, extra: ___, ...texts } = line;
        const { data: d, fieldTimestamps: f, extra: e, ...same } = decoded;
        assert.deepEqual(same, texts);
        assert.ok([d, f].every((value) => value === undefined || value instanceof RawJson));
        assert.equal(e === undefined || e.size > 0, true);
      }),
      { numRuns: 500 },
    );
  });

  test('L14: holds data as the very text that was given, but for line breaks and space around it', () => {
    fc.assert(
      fc.property(anyLine, anyJsonText, (line, text) => {
        const decoded = decodeExportLine(encodeExportLine({ ...line, data: new RawJson(text) }));
        const expected = text.trim().replaceAll(/[\r\n]/g, ' ');
        if (/^(?:null|\{\s*\})$/.test(expected)) assert.equal(decoded.data, undefined);
        else assert.deepEqual(decoded.data, new RawJson(expected));
      }),
    );
  });

  test('L9: is read alike in any order of its members and with any spacing', () => {
    const spaces = fc.constantFrom('', ' ', '\t', '\n ', '\r\n');
    fc.assert(
      fc.property(
        anyLine,
        fc.array(fc.nat(), { minLength: 1 }),
        fc.array(spaces, { minLength: 1 }),
        (line, keys, gaps) => {
          const text = encodeExportLine(line);
          let used = 0;
          const gap = (): string => gaps[(used += 1) % gaps.length] ?? '';
          const members = Array.from(new RawJson(text).members(), ([name, value]) => ({
            name,
            text: `${gap()}${JSON.stringify(name)}${gap()}:${gap()}${value.text}${gap()}`,
            key: keys[(used += 1) % keys.length] ?? 0,
          }));
          const shuffled = members.toSorted((a, b) => a.key - b.key);
          const { extra, ...read } = decodeExportLine(
            `${gap()}{${shuffled.map((m) => m.text).join(',')}}${gap()}`,
          );
          const { extra: original, ...expected } = decodeExportLine(text);
          assert.deepEqual(read, expected);
          // An extra keeps the order in which its members come.
          assert.deepEqual(
            new Map([...(extra ?? [])].sort()),
            new Map([...(original ?? [])].sort()),
          );
        },
      ),
    );
  });

  test('that is read passes the schema', () => {
    fc.assert(
      fc.property(anyLine, (line) => {
        const decoded = decodeExportLine(encodeExportLine(line));
        assert.deepEqual(exportLineSchema.parse(decoded), decoded);
      }),
    );
  });

  test('with any text in a member is written if the schema accepts it, and refused by name if not', () => {
    const member = fc.constantFrom(
      'eventId' as const,
      'appId',
      'table',
      'id',
      'clientId',
      'createdAt',
      'op',
    );
    fc.assert(
      fc.property(anyLine, member, fc.oneof(anyUnits, anyText), (line, name, text) => {
        const changed = { ...line, [name]: text } as typeof line;
        const error = refusalOf(() => encodeExportLine(changed));
        assert.equal(error === undefined, exportLineSchema.safeParse(changed).success);
        if (isBackupError(error, 'BACKUP_LINE_INVALID')) assert.equal(error.details.member, name);
      }),
      { numRuns: 500 },
    );
  });

  test('whose text has something changed is read or refused, and what is read passes the schema', () => {
    const pieces = fc.constantFrom(
      '',
      '"',
      '\\',
      '{',
      '}',
      ',',
      ':',
      '1',
      ' ',
      '\0',
      '\\u0000',
      '\\ud800',
      'é',
      '0',
    );
    fc.assert(
      fc.property(anyLine, fc.nat(), fc.nat(2), pieces, (line, place, dropped, piece) => {
        const text = encodeExportLine(line);
        const at = place % (text.length + 1);
        const changed = text.slice(0, at) + piece + text.slice(at + dropped);
        const error = refusalOf(() => {
          const decoded = decodeExportLine(changed);
          assert.deepEqual(exportLineSchema.parse(decoded), decoded);
          const again = encodeExportLine(decoded);
          assert.equal(encodeExportLine(decodeExportLine(again)), again);
        });
        assert.ok(error === undefined || isBackupError(error, 'BACKUP_LINE_INVALID'));
      }),
      { numRuns: 2000 },
    );
  });

  test('that is cut or garbled is refused without a word of it', () => {
    fc.assert(
      fc.property(
        anyLine,
        fc.nat(),
        fc.constantFrom('', 'x', '"', '\0', '\ud800'),
        (line, place, piece) => {
          const secret = { ...line, eventId: 'e', appId: canary, data: { [canary]: canary } };
          const text = encodeExportLine(secret);
          const at = place % text.length;
          const error = refusalOf(() => decodeExportLine(text.slice(0, at) + piece));
          assert.ok(isBackupError(error));
          const shown = [error.message, JSON.stringify(error), inspect(error, { depth: null })];
          for (const part of shown) assert.ok(!part.includes('canary'), part);
        },
      ),
    );
  });
});

describe('a row', () => {
  test('that the schema accepts has a line, and the line can be written', () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        assert.ok(changeRowSchema.safeParse(row).success);
        const line = toExportLine(row);
        assert.ok(exportLineSchema.safeParse(line).success);
        assert.deepEqual(toExportLine(row), line);
        const text = encodeExportLine(line);
        assert.equal(encodeExportLine(decodeExportLine(text)), text);
      }),
      { numRuns: 500 },
    );
  });

  test('with any text in a member has a line that can be written exactly if the schema accepts it', () => {
    const member = fc.constantFrom(
      'id' as const,
      'appId',
      'tableName',
      'recordId',
      'clientId',
      'op',
      'createdAt',
    );
    fc.assert(
      fc.property(anyRow, member, fc.oneof(anyUnits, anyText), (row, name, text) => {
        const changed = { ...row, [name]: text } as typeof row;
        const error = refusalOf(() => encodeExportLine(toExportLine(changed)));
        assert.equal(error === undefined, changeRowSchema.safeParse(changed).success);
      }),
      { numRuns: 500 },
    );
  });
});
