// A file of nothing but bad lines: each is counted, a few are told, and others have their turn meanwhile.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';

import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { LinesCheck } from '../../src/archive/verify-events.js';
import type { LineProblems } from '../../src/archive/verify-events.js';
import type { Manifest } from '../../src/format/manifest.js';
import { failureOf } from '../support/failures.js';
import { buildZip } from '../support/zip-parts.js';

const LINES = 300_000;
const AT_ONCE = 5_000;

function archiveOf(content: Buffer, eventCount: number): Buffer {
  const eventsSha256 = createHash('sha256').update(content).digest('hex');
  const manifest = {
    ...{ formatVersion: 1, schemaVersion: 1, userId: 'user-1', createdAt: '2026-04-15T00:00:00Z' },
    ...{ eventCount, eventsSha256, apps: ['todo'], producedBy: 'test' },
    ...{ schemaVersionMin: 1, schemaVersionMax: 1 },
  };
  return buildZip([
    { name: 'events.jsonl', content },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
  ]);
}

const kinds = {
  'empty lines': Buffer.alloc(LINES, '\n'),
  'lines that are not UTF-8': Buffer.alloc(2 * LINES, Buffer.of(0xff, 0x0a)),
};

describe('an archive of bad lines', () => {
  for (const [what, content] of Object.entries(kinds)) {
    const zip = archiveOf(content, LINES);

    test(`is verified to its end: ${what}`, async () => {
      let turns = 0;
      let isDone = false;
      const take = (): void => {
        turns += 1;
        if (!isDone) setImmediate(take);
      };
      setImmediate(take);
      const { problems, problemCount } = await verifyArchive(zip, { maxProblems: 3 });
      isDone = true;
      assert.deepEqual([problems.length, problemCount], [3, LINES]);
      assert.deepEqual(
        problems.map(({ code, lineNumber, byteOffset }) => [code, lineNumber, byteOffset]),
        [1, 2, 3].map((n) => ['BACKUP_LINE_INVALID', n, (n - 1) * (content.length / LINES)]),
      );
      assert.ok(turns >= LINES / AT_ONCE, `${turns} turns`);
    });

    test(`is left soon after an abort: ${what}`, async () => {
      await using archive = await openArchive(zip);
      const controller = new AbortController();
      const lines = archive.verifiedLines({ signal: controller.signal });
      const reached: number[] = [0];
      while (reached.length < 5) {
        const { value, done } = await lines.next();
        assert.ok(done !== true);
        reached.push(value.lineNumber);
        assert.ok((reached.at(-1) ?? 0) - (reached.at(-2) ?? 0) <= AT_ONCE, String(reached));
      }
      const reason = { why: 'enough' };
      controller.abort(reason);
      assert.equal(await failureOf(lines.next()), reason);
    });
  }
});

test('beyond what is listed, lines are counted and no errors made of them', () => {
  const line = (n: number): string =>
    `{"eventId":"${n}","appId":"a","table":"t","id":"i","op":"insert","clientId":"c","createdAt":"2026-04-14T10:00:0${n}Z"}\n`;
  const told: [string, number, number][] = [];
  let counted = 0;
  const problems: LineProblems = {
    get isFull() {
      return told.length === 2;
    },
    addOfLine: ({ code }, { lineNumber, byteOffset }) => {
      told.push([code, lineNumber, byteOffset]);
    },
    countOfLine: () => {
      counted += 1;
    },
  };
  const check = new LinesCheck({ maxLineBytes: 1_000, maxDepth: undefined }, problems);
  const good = line(5);
  check.feed(
    Buffer.concat([
      ...[good, '\n', good].map((text) => Buffer.from(text)),
      Buffer.of(0xff, 0x0a),
      ...['[]\n', line(4), '{}\n', good.replace('insert', 'upsert'), good.replace('Z', '')].map(
        (text) => Buffer.from(text),
      ),
    ]),
  );
  const valid: number[] = [];
  while (check.next()) valid.push(check.lineNumber);
  assert.deepEqual(valid, [1, 3, 6]);
  assert.deepEqual(told, [
    ['BACKUP_LINE_INVALID', 2, good.length],
    ['BACKUP_ORDER_VIOLATED', 3, good.length + 1],
  ]);
  assert.equal(counted, 6);
});

describe('lines that are checked as they come', () => {
  const line = (n: number, appId = 'a'): string =>
    `{"eventId":"${n}","appId":"${appId}","table":"t","id":"i","op":"insert","clientId":"c","createdAt":"2026-04-14T10:00:00.${String(n).padStart(3, '0')}1Z"}\n`;

  function checked(
    chunks: Iterable<string>,
    maxLineBytes: number,
  ): { check: LinesCheck; told: unknown[]; valid: number[] } {
    const told: unknown[] = [];
    const problems: LineProblems = {
      isFull: false,
      addOfLine: ({ code }, { lineNumber }) => told.push([code, lineNumber]),
      countOfLine: () => assert.fail('counted'),
    };
    const check = new LinesCheck({ maxLineBytes, maxDepth: undefined }, problems);
    const valid: number[] = [];
    for (const chunk of chunks) {
      check.feed(Buffer.from(chunk));
      while (check.next()) valid.push(check.lineNumber);
    }
    return { check, told, valid };
  }

  test('after one over the limit, which may go on for ever, nothing is said of what follows', () => {
    const chunks = [line(1), 'x'.repeat(300), `${'x'.repeat(300)}\n`, line(2), '[]\n', line(1)];
    const { check, told, valid } = checked(chunks, 200);
    assert.deepEqual([valid, told], [[1], [['BACKUP_LIMIT_EXCEEDED', 2]]]);
    check.finish(undefined, () => assert.fail('told'));
  });

  test('of more apps than are kept, the manifest is told as wrong, whichever of them it lists', () => {
    const appOf = (n: number): string => `${String(n).padStart(3, '0')}${'a'.repeat(1024 * 1024)}`;
    const count = 66;
    const { check, told } = checked(
      (function* () {
        for (let n = 1; n <= count; n += 1) yield line(n, appOf(n));
      })(),
      2 * 1024 * 1024,
    );
    assert.deepEqual(told, []);
    // Those that were kept before there were too many.
    const apps = Array.from({ length: 64 }, (_, index) => appOf(index + 1));
    const manifest = { apps, schemaVersionMin: 1, schemaVersionMax: 1 } as unknown as Manifest;
    const wrong: unknown[] = [];
    check.finish(manifest, ({ code, details }) => {
      wrong.push([code, 'member' in details && details.member]);
    });
    assert.deepEqual(wrong, [['BACKUP_MANIFEST_INVALID', 'apps']]);
  });
});
