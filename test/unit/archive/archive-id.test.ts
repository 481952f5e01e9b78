// An archive's id is a digest of its manifest without the id: found again in the bytes, and of no other manifest.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';

import { archiveIdOf, identified } from '../../../src/archive/archive-id.js';
import { encodeManifest, parseManifest } from '../../../src/format/manifest.js';

const MANIFEST = parseManifest(
  Buffer.from(
    JSON.stringify({
      ...{ formatVersion: 1, schemaVersion: 1, userId: 'user-1' },
      ...{ createdAt: '2026-04-15T00:00:00Z', eventCount: 0, eventsSha256: '0'.repeat(64) },
      ...{ apps: [], producedBy: 'test' },
    }),
  ),
);

test('the id is in the manifest and in its bytes, which give it again', () => {
  const { manifest, bytes } = identified(MANIFEST);
  const digest = createHash('sha256').update(encodeManifest(MANIFEST)).digest('hex');
  assert.equal(manifest.archiveId, digest.slice(0, 32));
  assert.equal(parseManifest(bytes).archiveId, manifest.archiveId);
  assert.equal(archiveIdOf(bytes), manifest.archiveId);
});

test('other bytes give another id, before the member and after it', () => {
  const { manifest, bytes } = identified(MANIFEST);
  const text = bytes.toString();
  for (const other of [
    text.replace('user-1', 'user-2'),
    `${text} `,
    text.replace('"test"', '""'),
  ]) {
    const id = archiveIdOf(Buffer.from(other));
    assert.match(id ?? '', /^[0-9a-f]{32}$/);
    assert.notEqual(id, manifest.archiveId);
  }
});

test('a manifest without an id gives none', () => {
  assert.equal(archiveIdOf(Buffer.from(encodeManifest(MANIFEST))), undefined);
});
