// Bytes held against a manifest: each thing that they are not is told once, where it is, however they are cut.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';

import { EventsCheck } from '../../../src/archive/events-check.js';
import type { BackupError, Manifest } from '../../../src/index.js';

type Segment = NonNullable<Manifest['segments']>[number];

const lines = ['a\n', 'bb\n', 'ccc\n', '\n', 'dddd\n'];
const events = lines.join('');
const entry = 'events.jsonl';

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Segments of these texts one after the other. */
function segmentsOf(...texts: readonly string[]): readonly Segment[] {
  return texts.map((text, index) => ({
    lineCount: text.split('\n').length - 1,
    byteCount: text.length,
    crc32: crc32(text).toString(16).padStart(8, '0'),
    prefixSha256: sha256(texts.slice(0, index + 1).join('')),
  }));
}

const segments = segmentsOf('a\nbb\n', 'ccc\n\n', 'dddd\n');
const manifest: Manifest = {
  ...{ formatVersion: 1, schemaVersion: 1, userId: 'user-1', createdAt: '2026-04-15T00:00:00Z' },
  ...{ eventCount: lines.length, eventsSha256: sha256(events), apps: ['todo'], producedBy: 'test' },
  ...{ byteCount: events.length, segments },
};

/** What is told of these bytes, which has to be the same wherever they are cut. */
function problemsOf(text: string, told: Manifest): readonly [string, object][] {
  const bytes = Buffer.from(text);
  const everyByte = Array.from(bytes, (byte) => Buffer.of(byte));
  const inTwo = everyByte.map((_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
  const [whole = [], ...others] = [[bytes], everyByte, ...inTwo].map((chunks) => {
    const problems: [string, object][] = [];
    const check = new EventsCheck(told, ({ code, details }: BackupError) => {
      problems.push([code, details]);
    });
    for (const chunk of chunks) check.add(chunk);
    check.finish();
    return problems;
  });
  for (const other of others) assert.deepEqual(other, whole);
  return whole;
}

const otherWhole = ['BACKUP_DIGEST_MISMATCH', { entry, member: 'eventsSha256' }];

function otherSegment(segment: number, lineNumber: number, byteOffset: number): unknown {
  const place = { segment, lineNumber, byteOffset };
  return ['BACKUP_DIGEST_MISMATCH', { entry, member: 'segments', ...place }];
}

/** The manifest with something else about one of its segments. */
function changed(segment: number, changes: Partial<Segment>): Manifest {
  return {
    ...manifest,
    segments: segments.map((told, index) => (index === segment ? { ...told, ...changes } : told)),
  };
}

test('bytes that are what the manifest tells are no problem, however little that is', () => {
  const { segments: _, ...withoutSegments } = manifest;
  const { byteCount: __, ...withoutByteCount } = manifest;
  const { byteCount: ___, ...least } = withoutSegments;
  for (const told of [manifest, withoutSegments, withoutByteCount, least]) {
    assert.deepEqual(problemsOf(events, told), []);
  }
  const none = { ...least, eventCount: 0, eventsSha256: sha256('') };
  for (const told of [none, { ...none, byteCount: 0 }, { ...none, segments: [] }]) {
    assert.deepEqual(problemsOf('', told), []);
  }
});

test('the length of the whole is told by its own member, or by the segments', () => {
  const byteCount = events.length + 1;
  const { byteCount: _, segments: __, ...least } = manifest;
  const otherLength = (member: string): unknown => ['BACKUP_DIGEST_MISMATCH', { entry, member }];
  assert.deepEqual(problemsOf(events, { ...manifest, byteCount }), [otherLength('byteCount')]);
  assert.deepEqual(problemsOf(events, { ...least, segments: segments.slice(0, 2) }), [
    otherLength('segments'),
  ]);
  assert.deepEqual(problemsOf(events, { ...least, segments: [] }), [otherLength('segments')]);
});

test('another whole and another count of lines are told by themselves', () => {
  const eventsSha256 = sha256('other');
  assert.deepEqual(problemsOf(events, { ...manifest, eventsSha256 }), [otherWhole]);
  for (const eventCount of [4, 6]) {
    assert.deepEqual(problemsOf(events, { ...manifest, eventCount }), [
      ['BACKUP_COUNT_MISMATCH', { expected: eventCount, found: 5 }],
    ]);
  }
});

test('M6 damage is told of the segments that it is in, and of no other', () => {
  const places = [
    ['a', otherSegment(0, 1, 0)],
    ['cc', otherSegment(1, 3, 5)],
    ['dd', otherSegment(2, 5, 10)],
  ] as const;
  for (let mask = 1; mask < 8; mask += 1) {
    const chosen = places.filter((_, index) => (mask & (1 << index)) !== 0);
    let damaged = events;
    for (const [text] of chosen) damaged = damaged.replace(text, text.toUpperCase());
    const problems = problemsOf(damaged, manifest);
    assert.deepEqual(problems, [...chosen.map(([, problem]) => problem), otherWhole]);
  }
});

test('M6 damage is told by either of the digests alone', () => {
  const wrong = { crc32: '00000000', prefixSha256: sha256('other') };
  for (const digest of ['crc32', 'prefixSha256'] as const) {
    const other = digest === 'crc32' ? 'prefixSha256' : 'crc32';
    for (const more of [{}, { [other]: undefined }] as readonly Partial<Segment>[]) {
      const told = changed(1, { [digest]: wrong[digest], ...more });
      assert.deepEqual(problemsOf(events, told), [otherSegment(1, 3, 5)]);
    }
  }
  assert.deepEqual(
    problemsOf(events, changed(1, { crc32: undefined, prefixSha256: undefined })),
    [],
  );
});

test('M6 from a damaged segment on, no prefix is asked, and each CRC-32 is', () => {
  const told = {
    ...manifest,
    segments: segments.map((segment, index) =>
      index === 0
        ? { ...segment, crc32: '00000000' }
        : { ...segment, ...(index === 1 && { prefixSha256: sha256('other') }) },
    ),
  };
  assert.deepEqual(problemsOf(events, told), [otherSegment(0, 1, 0)]);
});

test('another count of lines is told of its segment, unless that is damaged', () => {
  for (const lineCount of [1, 3]) {
    for (const segment of [0, 1]) {
      assert.deepEqual(problemsOf(events, changed(segment, { lineCount })), [
        ['BACKUP_COUNT_MISMATCH', { expected: lineCount, found: 2, segment }],
      ]);
    }
    assert.deepEqual(problemsOf(events, changed(1, { lineCount, crc32: '00000000' })), [
      otherSegment(1, 3, 5),
    ]);
  }
});

test('M6 a segment that ends within a line is told', () => {
  const told = { ...manifest, segments: segmentsOf('a\nb', 'b\nccc\n\n', 'dddd\n') };
  const [problem, ...others] = problemsOf(events, told);
  assert.equal(problem?.[0], 'BACKUP_MANIFEST_INVALID');
  assert.equal((problem[1] as { member?: string }).member, 'segments');
  assert.deepEqual(others, []);
});

test('bytes after the segments that are told are in none of them', () => {
  const told = { ...manifest, segments: segments.slice(0, 2) };
  assert.deepEqual(problemsOf(events, told), []);
  const more = `${events}more\n`;
  assert.deepEqual(problemsOf(more, manifest), [
    ['BACKUP_DIGEST_MISMATCH', { entry, member: 'byteCount' }],
    otherWhole,
    ['BACKUP_COUNT_MISMATCH', { expected: 5, found: 6 }],
  ]);
});

test('a problem is told as soon as it is known, and whoever is told may stop the reading', () => {
  const stop = new Error('stop');
  const check = new EventsCheck(changed(0, { crc32: '00000000' }), () => {
    throw stop;
  });
  check.add(Buffer.from('a\nbb'));
  assert.throws(
    () => {
      check.add(Buffer.from('\n'));
    },
    (error) => error === stop,
  );
});
