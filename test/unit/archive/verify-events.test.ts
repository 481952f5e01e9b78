// Each line looked at, and what all of them were held against the manifest, however their bytes are cut and
// whoever's memory they lie in.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LinesCheck } from '../../../src/archive/verify-events.js';
import type { LineProblems } from '../../../src/archive/verify-events.js';
import type { BackupError, Manifest } from '../../../src/index.js';
import { chunked } from '../../support/collect.js';

const MIB = 1024 * 1024;

interface LineFields {
  readonly eventId?: string;
  /** As it stands between its quotes. */
  readonly appId?: string;
  readonly createdAt?: string;
  readonly schemaVersion?: number;
}

function line(second: number, fields: LineFields = {}): string {
  const { eventId = 'e', appId = 'todo', schemaVersion = 1 } = fields;
  const {
    createdAt = new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString().replace('.000', ''),
  } = fields;
  const head = `{"eventId":"${eventId}","schemaVersion":${schemaVersion},"appId":"${appId}"`;
  return `${head},"table":"t","id":"i","op":"insert","clientId":"c","createdAt":"${createdAt}"}\n`;
}

type Told = readonly [code: string, details: object];

interface Found {
  readonly valid: readonly number[];
  readonly told: readonly (readonly [...Told, lineNumber: number, byteOffset: number])[];
  readonly counted: number;
  readonly ofManifest: readonly Told[];
}

interface Given {
  readonly manifest?: Manifest;
  readonly maxLineBytes?: number;
  readonly maxDepth?: number;
  /** How many problems are listed. */
  readonly maxProblems?: number;
}

function problemsFor(maxProblems: number): {
  readonly problems: LineProblems;
  readonly told: (readonly [...Told, number, number])[];
  readonly counted: () => number;
} {
  const told: (readonly [...Told, number, number])[] = [];
  let counted = 0;
  const problems: LineProblems = {
    get isFull() {
      return told.length === maxProblems;
    },
    addOfLine: ({ code, details }, { lineNumber, byteOffset }) => {
      told.push([code, details, lineNumber, byteOffset]);
    },
    countOfLine: () => {
      counted += 1;
    },
  };
  return { problems, told, counted: () => counted };
}

/** What is found in bytes of which each chunk lies in the same memory, as a file's may. */
function foundIn(chunks: Iterable<Uint8Array>, given: Given = {}): Found {
  const { maxLineBytes = 64 * MIB, maxDepth, maxProblems = Infinity } = given;
  const { problems, told, counted } = problemsFor(maxProblems);
  const check = new LinesCheck({ maxLineBytes, maxDepth }, problems);
  const memory = Buffer.alloc(64 * 1024);
  const valid: number[] = [];
  for (const chunk of chunks) {
    const bytes = chunk.length > memory.length ? Buffer.from(chunk) : memory;
    bytes.set(chunk);
    check.feed(bytes.subarray(0, chunk.length));
    for (;;) {
      while (check.next()) valid.push(check.lineNumber);
      if (!check.isPaused) break;
      check.resume();
    }
    bytes.fill(0x20);
  }
  const ofManifest: Told[] = [];
  check.finish(given.manifest, ({ code, details }: BackupError) => {
    ofManifest.push([code, details]);
  });
  return { valid, told, counted: counted(), ofManifest };
}

/** The same for any way to cut the bytes. */
function found(text: string, given: Given = {}): Found {
  const bytes = Buffer.from(text, 'latin1');
  const whole = foundIn([bytes], given);
  assert.deepEqual(foundIn([bytes, Buffer.alloc(0)], given), whole);
  for (const size of [1, 7, 100, 150]) {
    assert.deepEqual(foundIn(chunked(bytes, size), given), whole, `in pieces of ${size}`);
  }
  return whole;
}

const texts = [
  line(1, { appId: 'b', schemaVersion: 2 }),
  line(2, { appId: 'a', schemaVersion: 3, eventId: 'longest' }),
  line(3, { appId: '\\u0062', schemaVersion: 1 }),
  line(3, { appId: 'b', eventId: 'f', schemaVersion: 2 }),
];
const manifest: Manifest = {
  ...{ formatVersion: 1, schemaVersion: 3, userId: 'user-1', createdAt: '2026-04-15T00:00:00Z' },
  ...{ eventCount: 4, eventsSha256: '0'.repeat(64), apps: ['a', 'b'], producedBy: 'test' },
  ...{ schemaVersionMin: 1, schemaVersionMax: 3 },
  maxLineBytes: Math.max(...texts.map((text) => text.length - 1)),
  firstPosition: { createdAt: '2026-01-01T00:00:01Z', eventId: 'e' },
  lastPosition: { createdAt: '2026-01-01T00:00:03Z', eventId: 'f' },
};

/** The members of the manifest that are told not to be what the lines give. */
function wrongMembers({ ofManifest }: Found): readonly unknown[] {
  return ofManifest.map(([code, details]) => {
    assert.equal(code, 'BACKUP_MANIFEST_INVALID');
    return (details as { member?: string }).member;
  });
}

test('lines that are what the manifest tells are no problem, however little that is', () => {
  const { maxLineBytes: _, firstPosition: __, lastPosition: ___, ...least } = manifest;
  for (const told of [manifest, least, undefined]) {
    assert.deepEqual(found(texts.join(''), told && { manifest: told }), {
      ...{ valid: [1, 2, 3, 4], told: [], counted: 0, ofManifest: [] },
    });
  }
});

test('each member that the lines do not give is told', () => {
  const position = { createdAt: '2026-01-01T00:00:02Z', eventId: 'e' };
  const others: Partial<Manifest> = {
    ...{ apps: ['b'], schemaVersionMin: 2, schemaVersionMax: 2 },
    ...{ maxLineBytes: 1, firstPosition: position, lastPosition: position },
  };
  for (const [member, value] of Object.entries(others)) {
    const told = found(texts.join(''), { manifest: { ...manifest, [member]: value } });
    assert.deepEqual(wrongMembers(told), [member]);
  }
  const all = found(texts.join(''), { manifest: { ...manifest, ...others } });
  assert.deepEqual(wrongMembers(all), Object.keys(others));
});

test('of no lines there are neither versions nor apps', () => {
  const { schemaVersionMin: _, schemaVersionMax: __, ...rest } = manifest;
  const { firstPosition: ___, lastPosition: ____, ...least } = rest;
  const none = { ...least, apps: [], maxLineBytes: 0 };
  assert.deepEqual(wrongMembers(found('', { manifest: none })), []);
  assert.deepEqual(wrongMembers(found('', { manifest })), [
    ...['apps', 'schemaVersionMin', 'schemaVersionMax'],
    ...['maxLineBytes', 'firstPosition', 'lastPosition'],
  ]);
});

test('a bad line hides neither another nor a good one, and leaves the manifest alone', () => {
  const latin = texts[1]!.replace('longest', 'l\xf6nger');
  const bad = [texts[0], '\n', texts[1], latin, '[[[]]]\n', '{"a":[[[]]]}\n', texts[3]];
  const offset = (lineNumber: number): number => bad.slice(0, lineNumber - 1).join('').length;
  const { valid, told, counted, ofManifest } = found(bad.join(''), { manifest, maxDepth: 2 });
  assert.deepEqual(valid, [1, 3, 7]);
  assert.deepEqual(
    told.map(([code, , ...place]) => [code, ...place]),
    [
      ['BACKUP_LINE_INVALID', 2, offset(2)],
      ['BACKUP_LINE_INVALID', 4, offset(4)],
      ['BACKUP_LINE_INVALID', 5, offset(5)],
      ['BACKUP_LIMIT_EXCEEDED', 6, offset(6)],
    ],
  );
  assert.deepEqual([counted, ofManifest], [0, []]);
  const listed = found(bad.join(''), { manifest, maxDepth: 2, maxProblems: 1 });
  assert.deepEqual([listed.told, listed.counted], [told.slice(0, 1), 3]);
});

test('a line that was cut is let go of before the bytes of the next one take its place', () => {
  // Half of an escape comes to lie where the first line's id was.
  const [first, second] = [line(1), line(2, { eventId: '\\u0066' })];
  const chunks = [first.slice(0, 50), first.slice(50) + second.slice(0, 60), second.slice(60)];
  const { valid, told } = foundIn(chunks.map((chunk) => Buffer.from(chunk)));
  assert.deepEqual([valid, told], [[1, 2], []]);
});

test('a line that is not after the one before it is told, and valid by itself', () => {
  const lines = [texts[1], texts[0], texts[0], texts[1]] as readonly string[];
  const { valid, told, ofManifest } = found(lines.join(''), { manifest });
  assert.deepEqual(valid, [1, 2, 3, 4]);
  assert.deepEqual(
    told.map(([code, details]) => [code, details]),
    [
      ['BACKUP_ORDER_VIOLATED', { lineNumber: 2, reason: 'earlier' }],
      ['BACKUP_ORDER_VIOLATED', { lineNumber: 3, reason: 'repeated' }],
    ],
  );
  assert.deepEqual(ofManifest, []);
});

test('a last line without its end is told where it starts', () => {
  const { valid, told, ofManifest } = found(`${texts[0]}${texts[1]}{"cut`, { manifest });
  assert.deepEqual(valid, [1, 2]);
  assert.deepEqual(
    told.map(([code, , ...place]) => [code, ...place]),
    [['BACKUP_LINE_INVALID', 3, `${texts[0]}${texts[1]}`.length]],
  );
  assert.deepEqual(ofManifest, []);
});

test('nothing is said of what follows a line that is too long', () => {
  const maxLineBytes = 200;
  const long = `${'x'.repeat(maxLineBytes + 1)}\n`;
  const first = texts[0]!;
  assert.ok(first.length <= maxLineBytes);
  for (const text of [`${first}${long}\n{"cut`, `${first}${long.trimEnd()}`]) {
    const { valid, told, ofManifest } = found(text, { manifest, maxLineBytes });
    assert.deepEqual(valid, [1]);
    assert.deepEqual(told, [
      [
        'BACKUP_LIMIT_EXCEEDED',
        { limit: 'maxLineBytes', limitValue: maxLineBytes, lineNumber: 2 },
        ...[2, first.length],
      ],
    ] as unknown);
    assert.deepEqual(ofManifest, []);
  }
});

test('others have their turn after 2,000 lines of a chunk, be they good or bad', () => {
  for (const [text, isGood] of [
    ['\n', false],
    [texts[0]!, true],
  ] as const) {
    const { problems, counted } = problemsFor(0);
    const check = new LinesCheck({ maxLineBytes: 1000, maxDepth: undefined }, problems);
    const take = (): number => {
      const before = check.lineNumber;
      let steps = 0;
      while (check.next()) {
        assert.equal(check.lineNumber, before + (steps += 1));
        assert.equal(check.line.text('appId'), 'b');
      }
      assert.equal(steps, isGood ? check.lineNumber - before : 0);
      return check.lineNumber - before;
    };
    check.feed(Buffer.from(text.repeat(1500)));
    assert.deepEqual([take(), check.isPaused], [1500, false]);
    check.feed(Buffer.from(text.repeat(4500)));
    assert.deepEqual([take(), check.isPaused], [2000, true]);
    assert.deepEqual([take(), check.isPaused], [0, true]);
    check.resume();
    assert.deepEqual([take(), check.isPaused], [2000, true]);
    check.resume();
    assert.deepEqual([take(), check.isPaused], [500, false]);
    assert.equal(counted(), isGood ? 5999 : 6000);
  }
});

test('any number of apps and of ways to spell them is told right, up to what no manifest lists', () => {
  const few = Array.from({ length: 20 }, (_, index) => `app-${index + 10}`);
  const spelt = few.map((app) => app.replace('a', '\\u0061'));
  // With the others exactly as long as is told apart.
  const large = Array.from({ length: 8 }, (_, index) => `${index}`.padEnd(8 * MIB, 'x'));
  large[7] = large[7]!.slice(few.join('').length);
  const { maxLineBytes: _, firstPosition: __, lastPosition: ___, ...rest } = manifest;
  const told = { ...rest, schemaVersionMin: 1, schemaVersionMax: 1 };
  const wrong = (written: readonly string[], apps: readonly string[]): readonly unknown[] => {
    const lines = written.map((appId, index) => Buffer.from(line(index, { appId })));
    return wrongMembers(foundIn(lines, { manifest: { ...told, apps: [...apps] } }));
  };
  assert.deepEqual(wrong([...few, ...spelt, ...few], few), []);
  assert.deepEqual(wrong([...few, ...spelt, ...few], few.slice(1)), ['apps']);
  assert.deepEqual(wrong([...few, ...large, large[0]!], [...large, ...few].sort()), []);
  assert.deepEqual(wrong([...few, ...large, 'y'], [...large, ...few, 'y'].sort()), ['apps']);
});
