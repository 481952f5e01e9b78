// File names of downloads: exact for ordinary ids, harmless for all others.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { exportFilename, type ExportFilenameOptions } from '../../../src/http/index.js';

const at = new Date('2026-04-14T09:05:07.999Z');

function nameOf(userId: string, more: Partial<ExportFilenameOptions> = {}): string {
  return exportFilename({ userId, format: 'jsonl', at, ...more });
}

/** The part of the name that stands for the user. */
function userPartOf(userId: string): string {
  const match = /^sync-backup-(.*)-20260414-090507\.jsonl$/.exec(nameOf(userId));
  assert.ok(match, nameOf(userId));
  return match[1] ?? '';
}

describe('exportFilename', () => {
  test('names an ordinary export after user and time', () => {
    assert.equal(nameOf('anna'), 'sync-backup-anna-20260414-090507.jsonl');
    assert.equal(
      nameOf('6f1c7a52-0b8e-4b7e-9d0e-3f1f4f3c2b1a', { format: 'archive' }),
      'sync-backup-6f1c7a52-0b8e-4b7e-9d0e-3f1f4f3c2b1a-20260414-090507.mana',
    );
  });

  test('takes prefix and suffix of the host', () => {
    const name = nameOf('anna', { prefix: 'acme_sync', suffix: '.jsonl.gz' });
    assert.equal(name, 'acme_sync-backup-anna-20260414-090507.jsonl.gz');
    const unset = nameOf('anna', { prefix: undefined, suffix: undefined });
    assert.equal(unset, nameOf('anna'));
  });

  test('tells the time in UTC, with all digits of the year', () => {
    const early = nameOf('anna', { at: new Date('0001-02-03T00:00:00Z') });
    assert.equal(early, 'sync-backup-anna-00010203-000000.jsonl');
    const late = nameOf('anna', { at: new Date('9999-12-31T23:59:59.999Z') });
    assert.equal(late, 'sync-backup-anna-99991231-235959.jsonl');
  });

  test('keeps a safe id as it is, up to 64 characters', () => {
    for (const id of ['a', 'A.b_c-9', '-', '__proto__', 'x'.repeat(64), 'a.b.c.']) {
      assert.equal(userPartOf(id), id);
    }
  });

  test('reduces other ids, with a tag that tells them apart', () => {
    assert.match(userPartOf('anna@example.test'), /^anna_example\.test-[0-9a-f]{8}$/);
    assert.match(userPartOf('日本'), /^user-[0-9a-f]{8}$/);
    assert.match(userPartOf('../../etc/passwd'), /^_etc_passwd-[0-9a-f]{8}$/);
    assert.match(userPartOf('.hidden'), /^_hidden-[0-9a-f]{8}$/);
    assert.match(userPartOf('a"; filename="evil.exe'), /^a_filename_evil\.exe-[0-9a-f]{8}$/);
    assert.match(userPartOf('x'.repeat(300)), /^x{55}-[0-9a-f]{8}$/);
    assert.notEqual(userPartOf('日本'), userPartOf('中国'));
    assert.notEqual(userPartOf('a/b'), userPartOf('a\\b'));
    assert.notEqual(userPartOf('x'.repeat(299)), userPartOf('x'.repeat(300)));
  });

  test('gives the same name for the same id each time', () => {
    // Literal, so that a change of the tag does not go unnoticed: scripts may look for names.
    assert.equal(userPartOf('a b'), 'a_b-10a3f9f2');
    assert.equal(nameOf('a b'), nameOf('a b'));
  });

  test('fits into 144 characters', () => {
    const prefix = 'p'.repeat(32);
    const suffix = `.${'s'.repeat(23)}`;
    assert.equal(nameOf('x'.repeat(500), { prefix, suffix }).length, 144);
  });

  describe('throws a TypeError at the call for', () => {
    const good = { userId: 'anna', format: 'jsonl', at };
    const cases: Readonly<Record<string, unknown>> = {
      'no options': undefined,
      'null instead of options': null,
      'an empty userId': { ...good, userId: '' },
      'a userId that is no string': { ...good, userId: 7 },
      'no userId': { format: 'jsonl', at },
      'an unknown format': { ...good, format: 'csv' },
      'a format from the prototype': { ...good, format: 'toString' },
      'no format': { userId: 'anna', at },
      'an invalid date': { ...good, at: new Date(Number.NaN) },
      'a year of five digits': { ...good, at: new Date(Date.UTC(10_000, 0)) },
      'a year before 1': { ...good, at: new Date('0000-12-31T23:59:59Z') },
      'a time that is no Date': { ...good, at: '2026-04-14T10:00:00Z' },
      'an unknown option': { ...good, user: 'anna' },
      'an empty prefix': { ...good, prefix: '' },
      'a prefix that is no text, though it looks like one': { ...good, prefix: ['acme'] },
      'a prefix with a quote': { ...good, prefix: 'a"' },
      'a prefix with a line break at its end': { ...good, prefix: 'a\n' },
      'a prefix with a dot': { ...good, prefix: 'con.x' },
      'a prefix that looks like a flag': { ...good, prefix: '-rf' },
      'a prefix of 33 characters': { ...good, prefix: 'p'.repeat(33) },
      'a suffix without a dot': { ...good, suffix: 'jsonl' },
      'a suffix with two dots in a row': { ...good, suffix: '..jsonl' },
      'a suffix with a slash': { ...good, suffix: './jsonl' },
      'a suffix of 25 characters': { ...good, suffix: `.${'s'.repeat(24)}` },
    };
    for (const [what, options] of Object.entries(cases)) {
      test(what, () => {
        assert.throws(() => exportFilename(options as ExportFilenameOptions), TypeError);
      });
    }
  });
});
