// manifest.json as a stranger may have written it: what is wrong is told in sentences of this format, and
// costs no more than its length.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { parseManifest } from '../../src/format/manifest.js';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import { isBackupError, manifestSchema } from '../../src/index.js';
import { archiveVectors } from '../support/archive-vectors.js';
import { collectBytes } from '../support/collect.js';
import { buildZip } from '../support/zip-parts.js';

const CHILD = fileURLToPath(new URL('../support/manifest-child.ts', import.meta.url));
const run = promisify(execFile);

const segment = {
  lineCount: 1,
  byteCount: 2,
  crc32: '0'.repeat(8),
  prefixSha256: '0'.repeat(64),
};
const position = { createdAt: '2026-04-14T10:00:00Z', eventId: 'x' };
const manifest = {
  ...{ formatVersion: 1, schemaVersion: 1, userId: 'user-1', createdAt: '2026-04-15T00:00:00Z' },
  ...{ eventCount: 1, eventsSha256: '0'.repeat(64), apps: ['todo'], producedBy: 'test' },
  ...{ schemaVersionMin: 1, schemaVersionMax: 1 },
};

function reasonOf(changes: object): string | undefined {
  const bytes = Buffer.from(JSON.stringify({ ...manifest, ...changes }));
  try {
    parseManifest(bytes);
    return undefined;
  } catch (error) {
    assert.ok(isBackupError(error, 'BACKUP_MANIFEST_INVALID'), String(error));
    assert.equal(error.details.member, Object.keys(changes)[0]);
    return error.details.reason;
  }
}

describe('a manifest', () => {
  test('of the longest that is read is judged in little memory, whatever it holds', async () => {
    const { stdout } = await run(process.execPath, [
      '--max-old-space-size=64',
      '--import=tsx',
      CHILD,
    ]);
    const answers = JSON.parse(stdout) as readonly [string, number, readonly unknown[]][];
    for (const [member, byteCount, problems] of answers) {
      assert.ok(byteCount > 1_000_000 && byteCount <= 1024 * 1024, String(byteCount));
      const expected = member === 'unknown' ? [] : [['BACKUP_MANIFEST_INVALID', member]];
      assert.deepEqual(problems, expected, member);
    }
    assert.equal(answers.length, 16);
  });

  test('is told what is wrong within a position or a segment, and where', () => {
    const { eventId, createdAt } = position;
    assert.deepEqual(
      [{ createdAt }, { eventId }, { createdAt, eventId: 7 }, { ...position, eventId: '' }].map(
        (firstPosition) => reasonOf({ firstPosition }),
      ),
      ['eventId: missing', 'createdAt: missing', 'eventId: not a text', 'eventId: empty'],
    );
    assert.equal(reasonOf({ lastPosition: [] }), 'not a position');
    const { lineCount } = segment;
    assert.deepEqual(
      [
        7,
        { lineCount },
        { ...segment, lineCount: 0 },
        { ...segment, crc32: 'ABCDEF01' },
        { ...segment, prefixSha256: null },
      ].map((second) => reasonOf({ segments: [segment, second] })),
      [
        'segment 1: not a segment',
        'segment 1: byteCount: missing',
        'segment 1: lineCount: a segment without lines',
        'segment 1: crc32: not 8 lower-case hex digits',
        'segment 1: prefixSha256: not a SHA-256',
      ],
    );
    assert.equal(reasonOf({ segments: {} }), 'not a list of segments');
    assert.equal(reasonOf({ apps: ['todo', 7] }), 'not a list of texts');
    assert.equal(reasonOf({ userId: { a: 1 } }), 'not a text');
  });

  test('is refused when it tells two things that cannot both be', () => {
    const empty = { eventCount: 0, apps: [], schemaVersionMin: undefined };
    const none = { ...empty, schemaVersionMax: undefined };
    const cases: readonly (readonly [member: string, changes: object])[] = [
      ['schemaVersionMin', { ...none, schemaVersionMin: 1 }],
      ['schemaVersionMax', { ...none, schemaVersionMax: 1 }],
      ['firstPosition', { ...none, firstPosition: position, lastPosition: position }],
      ['byteCount', { ...none, byteCount: 1 }],
      ['byteCount', { byteCount: 0 }],
      ['maxLineBytes', { byteCount: 100, maxLineBytes: 101 }],
      ['segments', { byteCount: 3, segments: [segment] }],
      ['segments', { eventCount: 2, segments: [segment] }],
    ];
    for (const [member, changes] of cases) {
      const text = JSON.stringify({ ...manifest, ...changes });
      const parse = (): unknown => parseManifest(Buffer.from(text));
      assert.throws(parse, (error) => {
        assert.ok(isBackupError(error, 'BACKUP_MANIFEST_INVALID'), text);
        assert.equal(error.details.member, member, text);
        return true;
      });
    }
    for (const changes of [
      none,
      { ...none, byteCount: 0, segments: [] },
      { byteCount: 100, maxLineBytes: 100 },
      { byteCount: 2, segments: [segment] },
    ]) {
      parseManifest(Buffer.from(JSON.stringify({ ...manifest, ...changes })));
    }
  });

  test('may tell of segments without the bytes of all of them', () => {
    const { segments } = parseManifest(
      Buffer.from(JSON.stringify({ ...manifest, segments: [segment] })),
    );
    assert.deepEqual(segments, [segment]);
  });

  test('may tell more than is known here, also of a segment and of a position', async () => {
    const more = { deep: [{}] };
    const later = {
      firstPosition: { more, ...position },
      lastPosition: { ...position, more },
      segments: [{ ...segment, more }],
    };
    const known = { firstPosition: position, lastPosition: position, segments: [segment] };
    const parsed = parseManifest(Buffer.from(JSON.stringify({ ...manifest, ...later, more })));
    assert.deepEqual(parsed, { ...manifest, ...known });
    // Hosts that parse the text themselves get the same.
    assert.deepEqual(manifestSchema.parse({ ...manifest, ...later, more }), parsed);

    // What is known is held against the lines as ever.
    await using archive = await openArchive(
      archiveVectors().find(({ name }) => name === 'good-plain')!.bytes,
    );
    const events = { name: 'events.jsonl', content: await collectBytes(archive.bytes()) };
    const { firstPosition, lastPosition } = archive.manifest;
    for (const [last, members] of [
      [lastPosition, []],
      [firstPosition, ['lastPosition']],
    ] as const) {
      const text = JSON.stringify({ ...archive.manifest, lastPosition: { ...last, more } });
      const zip = buildZip([events, { name: 'manifest.json', content: Buffer.from(text) }]);
      const { problems } = await verifyArchive(zip);
      assert.deepEqual(
        problems.map(({ member }) => member),
        members,
      );
    }
  });

  test('of a producer that knows less than its lines hold is read, as one that is behind its users', () => {
    const ahead = { ...manifest, schemaVersionMax: 7 };
    assert.deepEqual(parseManifest(Buffer.from(JSON.stringify(ahead))), ahead);
  });
});
