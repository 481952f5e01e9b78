// Headers of downloads: exact for ordinary ids, one well-formed header whatever the id is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import {
  exportFilename,
  exportHeaders,
  type ExportFilenameOptions,
} from '../../../src/http/index.js';
import { parseDisposition } from '../../support/disposition.js';

const at = new Date('2026-04-14T10:00:00Z');

function dispositionOf(userId: string): string {
  return exportHeaders({ userId, format: 'jsonl', at })['Content-Disposition'] ?? '';
}

/** The user as `filename*` has it; the quoted name where there is none. */
function unicodeUserOf(userId: string): string {
  const { extended, filename } = parseDisposition(dispositionOf(userId));
  const match = /^sync-backup-(.*)-20260414-100000\.jsonl$/su.exec(extended ?? filename);
  assert.ok(match, extended);
  return match[1] ?? '';
}

describe('exportHeaders', () => {
  test('are these for lines', () => {
    assert.deepEqual(exportHeaders({ userId: 'anna', format: 'jsonl', at }), {
      'Content-Type': 'application/x-ndjson',
      'Content-Disposition': 'attachment; filename="sync-backup-anna-20260414-100000.jsonl"',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
      'Cache-Control': 'no-store',
    });
  });

  test('are these for an archive', () => {
    const headers = exportHeaders({ userId: 'anna', format: 'archive', at, prefix: 'acme' });
    assert.deepEqual(headers, {
      'Content-Type': 'application/zip',
      'Content-Disposition': 'attachment; filename="acme-backup-anna-20260414-100000.mana"',
      'X-Content-Type-Options': 'nosniff',
      'X-Accel-Buffering': 'no',
      'Cache-Control': 'no-store',
    });
  });

  test('tell the rest of the id in filename*', () => {
    const name = exportFilename({ userId: 'zoë@example.test', format: 'jsonl', at });
    assert.equal(
      dispositionOf('zoë@example.test'),
      `attachment; filename="${name}"; ` +
        "filename*=UTF-8''sync-backup-zo%C3%AB%40example.test-20260414-100000.jsonl",
    );
    assert.equal(unicodeUserOf('日本'), '日本');
    assert.equal(unicodeUserOf('👩 and 日'), '_and_日');
  });

  const hostile: Readonly<Record<string, string>> = {
    'a quote': '"',
    'a quote that opens a second name': 'a"; filename="evil.exe',
    'a backslash': 'a\\"b',
    'CR LF': 'a\r\nSet-Cookie: stolen=1\r\n\r\n<html>',
    NUL: 'a\0b',
    DEL: 'a\x7fb',
    'a way up': '../../etc/passwd',
    'a way up on Windows': '..\\..\\windows\\system.ini',
    'a way up in full-width characters': '．．／．．／etc',
    'a percent-encoded way up': '..%2f..%2fetc',
    'dots alone': '......',
    'the end of an extended value': "x'y'z*!()",
    'an unpaired surrogate': 'a\ud800b',
    'an unpaired surrogate at the end': 'ab\udfff',
    'marks that turn text around': 'exe.\u202elnosj\u2066',
    'line separators': 'a\u2028b\u2029c\u0085d',
    '300 letters': 'x'.repeat(300),
    '300 letters outside the first plane': '𠮷'.repeat(300),
    'white space': '   \t ',
    'a member of every object': '__proto__',
  };
  for (const [what, userId] of Object.entries(hostile)) {
    test(`stay one attachment with two plain names for ${what}`, () => {
      const headers = exportHeaders({ userId, format: 'jsonl', at });
      for (const value of Object.values(headers)) assert.match(value, /^[\x20-\x7e]+$/);
      assert.equal(Object.keys(headers).length, 5);
      const { type, filename, extended } = parseDisposition(dispositionOf(userId));
      assert.equal(type, 'attachment');
      assert.equal(filename, exportFilename({ userId, format: 'jsonl', at }));
      for (const name of [filename, extended ?? filename]) {
        assert.match(name, /^sync-backup-[^\s/\\"'%:*?<>|\p{C}\p{Z}]+-20260414-100000\.jsonl$/u);
        assert.doesNotMatch(name, /\.\./);
        assert.ok(Buffer.byteLength(name) <= 255);
      }
    });
  }

  test('cut the id in filename* between characters, at 128 bytes', () => {
    assert.equal(unicodeUserOf('𠮷'.repeat(300)), '𠮷'.repeat(32));
    assert.equal(unicodeUserOf(`xé${'日'.repeat(300)}`), `xé${'日'.repeat(41)}`);
  });

  test('have no character that a file system could fold into a dot or a slash', () => {
    const dangerous = /[\p{Cc}./\\:"]/u;
    const foldable: string[] = [];
    for (let codePoint = 0x80; codePoint <= 0x10ffff; codePoint += 1) {
      const character = String.fromCodePoint(codePoint);
      if (dangerous.test(character.normalize('NFKC'))) foldable.push(character);
    }
    assert.ok(foldable.length > 50, 'such as the full-width dot');
    for (const character of foldable) {
      const user = unicodeUserOf(`日${character}本`);
      assert.equal(user, '日_本', character.codePointAt(0)?.toString(16));
    }
  });

  test('throw a TypeError at the call for options that are none', () => {
    const wrong: unknown[] = [
      undefined,
      { userId: '', format: 'jsonl', at },
      { userId: 'anna', format: 'zip', at },
      { userId: 'anna', format: 'jsonl', at: new Date('x') },
      { userId: 'anna', format: 'jsonl', at, charset: 'utf-8' },
    ];
    for (const options of wrong) {
      assert.throws(() => exportHeaders(options as ExportFilenameOptions), TypeError);
    }
  });
});
