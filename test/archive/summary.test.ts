// What a host's own events may say of themselves: nothing gets into a manifest that its reader refuses.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, test } from 'node:test';
import { openArchive, verifyArchive, writeArchive } from '../../src/archive/index.js';
import type { EventBytes, WriteArchiveOptions } from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import type { ExportSummary } from '../../src/index.js';
import { changeRows, jsonlOf } from '../support/change-rows.js';
import { collectBytes } from '../support/collect.js';
import { failureOf } from '../support/failures.js';

const rows = changeRows(3);
const bytes = Buffer.from(jsonlOf(rows));
const position = (index: number): { createdAt: string; eventId: string } => ({
  createdAt: String(rows[index]?.createdAt),
  eventId: rows[index]?.id ?? '',
});
const truth: ExportSummary = {
  eventCount: rows.length,
  byteCount: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  apps: ['todo'],
  schemaVersionMin: 1,
  schemaVersionMax: 1,
  firstPosition: position(0),
  lastPosition: position(2),
};

/** Events of the host's own, with a summary that says this besides or instead. */
function told(changes: object): EventBytes {
  const summary = (): ExportSummary => ({ ...truth, ...changes });
  return Object.assign(Readable.from([bytes]), { summary });
}

async function archiveOf(events: EventBytes): Promise<Buffer> {
  const through = new PassThrough();
  const options = { userId: 'user-1', events, at: new Date('2026-04-15T00:00:00Z') };
  const [zip] = await Promise.all([collectBytes(through), writeArchive(through, options)]);
  return zip;
}

describe("a host's summary()", () => {
  test('that is true makes an archive', async () => {
    assert.equal((await verifyArchive(await archiveOf(told({})))).ok, true);
  });

  test('has no say in what is not asked of it', async () => {
    const more = { userId: 'user-2', createdAt: '1999-01-01T00:00:00Z', formatVersion: 7, x: 1 };
    const zip = await archiveOf(told(more));
    assert.ok(zip.equals(await archiveOf(told({}))));
    await using archive = await openArchive(zip);
    assert.equal(archive.manifest.userId, 'user-1');
  });

  const bad: Readonly<Record<string, object>> = {
    'apps that are not sorted': { apps: ['b', 'a'] },
    'apps that are no texts': { apps: [1] },
    'no apps': { apps: [] },
    'other bytes': { byteCount: bytes.length + 1 },
    'other events': { eventCount: 2 },
    'an app with NUL': { apps: ['a\0'] },
    'no range': { schemaVersionMin: undefined, schemaVersionMax: undefined },
    'a range upside down': { schemaVersionMin: 2 },
    'a version that is none': { schemaVersionMax: 'one' },
    'one position of two': { lastPosition: undefined },
    'a position that is none': { lastPosition: { createdAt: 'noon', eventId: '' } },
  };
  for (const [name, changes] of Object.entries(bad)) {
    test(`with ${name} is a TypeError, and there is no archive`, async () => {
      const chunks: Buffer[] = [];
      const destination = new Writable({
        write: (chunk: Buffer, _encoding, callback) => {
          chunks.push(chunk);
          callback();
        },
      });
      const writing = writeArchive(destination, { userId: 'user-1', events: told(changes) });
      assert.ok((await failureOf(writing)) instanceof TypeError);
      assert.equal(destination.destroyed, true);
      assert.equal(Buffer.concat(chunks).includes('manifest.json'), false);
    });
  }
});

test('events of a host that are texts, not bytes, are a TypeError, and there is no archive', async () => {
  const texts = Object.assign(Readable.from([bytes.toString('utf8')]), { summary: () => truth });
  const destination = new PassThrough();
  const writing = writeArchive(destination, { userId: 'user-1', events: texts });
  assert.ok((await failureOf(writing)) instanceof TypeError);
  assert.deepEqual([texts.destroyed, destination.destroyed], [true, true]);
});

test('what a manifest says is what writeArchive has given', async () => {
  const through = new PassThrough();
  const options: WriteArchiveOptions = { userId: 'user-1', events: changeSourceFrom(rows) };
  const [zip, manifest] = await Promise.all([
    collectBytes(through),
    writeArchive(through, options),
  ]);
  await using archive = await openArchive(zip);
  assert.deepEqual(archive.manifest, manifest);
});

test('texts with NUL are refused before anything is touched', async () => {
  for (const changes of [{ userId: 'user\0' }, { producedBy: 'me\0/1' }]) {
    const destination = new PassThrough();
    const options = { userId: 'user-1', events: changeSourceFrom([]), ...changes };
    assert.ok((await failureOf(writeArchive(destination, options))) instanceof TypeError);
    assert.equal(destination.destroyed, false);
  }
});
