// What writeArchive writes, and that whatever fails leaves nothing that looks like an archive.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, stat } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openArchive, verifyArchive, writeArchive } from '../../src/archive/index.js';
import type { EventBytes, WriteArchiveOptions } from '../../src/archive/index.js';
import { changeSourceFrom, JsonlSerializer } from '../../src/index.js';
import type { ChangeRow, ExportSummary } from '../../src/index.js';
import { keepBusy } from '../support/busy.js';
import { changeRow, changeRows } from '../support/change-rows.js';
import { collect, collectText, failAfter, stallAfter } from '../support/collect.js';
import { settlesWithin } from '../support/deadline.js';
import { failsWith, failureOf } from '../support/failures.js';

const at = new Date('2026-04-15T00:00:00Z');
const of = (rows: Iterable<ChangeRow> | AsyncIterable<ChangeRow>): WriteArchiveOptions => ({
  userId: 'user-1',
  at,
  events: changeSourceFrom(rows),
});

/** A destination in memory; `delayMs` makes it a slow one. */
class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  readonly #delayMs: number;

  constructor(delayMs = 0) {
    super({ highWaterMark: 1024 });
    this.#delayMs = delayMs;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    if (this.#delayMs === 0) callback();
    else setTimeout(callback, this.#delayMs);
  }
}

async function archiveOf(options: WriteArchiveOptions): Promise<Buffer> {
  const sink = new Sink();
  await writeArchive(sink, options);
  return sink.bytes;
}

async function jsonlOf(rows: readonly ChangeRow[]): Promise<string> {
  return collectText(Readable.from(changeSourceFrom(rows).batches()).pipe(new JsonlSerializer()));
}

function assertNoArchive(sink: Sink): void {
  assert.equal(sink.destroyed, true);
  for (const mark of ['manifest.json', 'PK\x05\x06', 'PK\x01\x02']) {
    assert.equal(sink.bytes.includes(mark, 0, 'latin1'), false);
  }
}

describe('an archive', () => {
  test('of the most compressible values there are is read with the default limits', async () => {
    const value = 'a'.repeat(3_000_000);
    const rows = changeRows(3).map((row) => ({ ...row, data: { value } }));
    const zip = await archiveOf(of(rows));
    assert.deepEqual((await verifyArchive(zip)).problems, []);
    await using archive = await openArchive(zip);
    assert.equal(await collectText(archive.bytes()), await jsonlOf(rows));
  });

  test('holds the bytes of the export, and a manifest that tells what they are', async () => {
    const rows = changeRows(1200);
    const zip = await archiveOf(of(rows));
    await using archive = await openArchive(zip);
    const jsonl = await jsonlOf(rows);
    assert.equal(await collectText(archive.bytes()), jsonl);
    const { segments, archiveId, ...manifest } = archive.manifest;
    assert.deepEqual(manifest, {
      formatVersion: 1,
      schemaVersion: 1,
      userId: 'user-1',
      createdAt: '2026-04-15T00:00:00Z',
      eventCount: 1200,
      eventsSha256: createHash('sha256').update(jsonl).digest('hex'),
      apps: ['todo'],
      producedBy: 'backup-streams/0.1.0',
      schemaVersionMin: 1,
      schemaVersionMax: 1,
      firstPosition: { createdAt: rows[0]!.createdAt, eventId: rows[0]!.id },
      lastPosition: { createdAt: rows.at(-1)!.createdAt, eventId: rows.at(-1)!.id },
      byteCount: Buffer.byteLength(jsonl),
      maxLineBytes: Math.max(...jsonl.split('\n').map((line) => Buffer.byteLength(line))),
    });
    assert.equal(segments?.length, 1);
    assert.match(archiveId ?? '', /^[0-9a-f]{32}$/);
  });

  test('of a user without events is an archive', async () => {
    const zip = await archiveOf(of([]));
    const { ok, manifest } = await verifyArchive(zip);
    assert.deepEqual([ok, manifest?.eventCount, manifest?.apps], [true, 0, []]);
  });

  test('says the producer that package.json names', async () => {
    const { name, version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    const { manifest } = await verifyArchive(await archiveOf(of([])));
    assert.equal(manifest?.producedBy, `${name}/${version}`);
  });

  test('has the same bytes for the same rows, however they come', async () => {
    const rows = changeRows(3000, 900);
    const reference = await archiveOf(of(rows));
    assert.ok(reference.equals(await archiveOf(of(rows))));
    const serializer = new JsonlSerializer({ flushEvery: 7 });
    const fed = pipeline(changeSourceFrom(rows), serializer);
    assert.ok(reference.equals(await archiveOf({ userId: 'user-1', at, events: serializer })));
    await fed;
    const slow = new Sink(1);
    await writeArchive(slow, of(rows));
    assert.ok(reference.equals(slow.bytes));
  });

  test('of more than one block and segment is read back whole', async () => {
    // Hex digits of digests, since a million equal letters would look like a bomb.
    const digits = (n: number): string =>
      Array.from({ length: 8000 }, (_, k) =>
        createHash('sha256').update(`${n} ${k}`).digest('hex'),
      ).join('');
    const rows = changeRows(40).map((row, n) => ({ ...row, data: digits(n) }));
    const zip = await archiveOf(of(rows));
    const { ok, manifest } = await verifyArchive(zip);
    assert.equal(ok, true);
    assert.deepEqual(
      manifest?.segments?.map(({ lineCount }) => lineCount),
      [17, 17, 6],
    );
  });

  test('tells a newer producer than its events, and never an older one', async () => {
    const rows = [changeRow({ schemaVersion: 3 })];
    const told = async (schemaVersion: number): Promise<number | undefined> =>
      (await verifyArchive(await archiveOf({ ...of(rows), schemaVersion }))).manifest
        ?.schemaVersion;
    assert.deepEqual([await told(7), await told(2)], [7, 3]);
  });

  test('can be stored, and announced as zip64', async () => {
    for (const more of [{ compressionLevel: 0 }, { zip64: true }] as const) {
      const { ok } = await verifyArchive(await archiveOf({ ...of(changeRows(20)), ...more }));
      assert.equal(ok, true);
    }
  });

  test('is of a lane whose summary tells the same afterwards, each time', async () => {
    const rows = changeRows(2000);
    const events = Readable.from(rows).pipe(new JsonlSerializer({ flushEvery: 500 }));
    // What waits in the stream by now has been counted, and is digested with all the rest.
    await once(events, 'readable');
    const sink = new Sink();
    const manifest = await writeArchive(sink, { userId: 'user-1', at, events });
    const sha256 = createHash('sha256')
      .update(await jsonlOf(rows))
      .digest('hex');
    assert.equal(manifest.eventsSha256, sha256);
    for (let time = 0; time < 2; time += 1) assert.equal(events.summary().sha256, sha256);
  });

  test('is refused by nobody who reads the first format version', async () => {
    // What such a reader looks at: plain end record, deflate, no zip64, the digest of the content.
    const zip = await archiveOf(of(changeRows(5)));
    const end = zip.length - 22;
    assert.equal(zip.readUInt32LE(end), 0x06054b50);
    assert.equal(zip.readUInt16LE(end + 10), 2);
    const directory = zip.readUInt32LE(end + 16);
    assert.equal(zip.readUInt16LE(directory + 6), 20);
    assert.equal(zip.readUInt16LE(directory + 10), 8);
    assert.equal(zip.toString('latin1', directory + 46, directory + 58), 'events.jsonl');
  });
});

describe('nothing that looks like an archive is left when', () => {
  test('the source fails', async () => {
    const sink = new Sink();
    const broken = new Error('broken');
    const events = failAfter(changeRows(3000), 2500, broken);
    assert.equal(await failureOf(writeArchive(sink, of(events))), broken);
    assertNoArchive(sink);
  });

  test('the source fails, and to be disposed of as well: what it failed with first is told', async () => {
    const sink = new Sink();
    const broken = new Error('broken');
    const source = changeSourceFrom(failAfter(changeRows(3000), 2500, broken));
    let disposeCount = 0;
    const events = Object.assign(source, {
      [Symbol.asyncDispose]: () => {
        disposeCount += 1;
        return Promise.reject(new Error('cannot be disposed of'));
      },
    });
    assert.equal(await failureOf(writeArchive(sink, { userId: 'user-1', events, at })), broken);
    await turn();
    assert.equal(disposeCount, 1);
    assertNoArchive(sink);
  });

  test('a byte source is destroyed without an error', async () => {
    const sink = new Sink();
    const events = Object.assign(new PassThrough(), { summary: () => ({}) as ExportSummary });
    events.write('{}\n');
    setImmediate(() => events.destroy());
    const error = await failureOf(writeArchive(sink, { userId: 'user-1', events }));
    assert.equal((error as { code?: string }).code, 'ERR_STREAM_PREMATURE_CLOSE');
    assertNoArchive(sink);
  });

  test('a row is of another user: TypeError', async () => {
    const sink = new Sink();
    const events = [...changeRows(700), changeRow({ userId: 'user-2' })];
    assert.ok((await failureOf(writeArchive(sink, of(events)))) instanceof TypeError);
    assertNoArchive(sink);
  });

  test('a summary does not tell what the bytes were: TypeError', async () => {
    const summary = (): ExportSummary => ({
      ...{ eventCount: 1, byteCount: 3, sha256: '0'.repeat(64), apps: ['a'] },
    });
    const events: EventBytes = Object.assign(Readable.from([Buffer.from('{}\n')]), { summary });
    const sink = new Sink();
    const error = await failureOf(writeArchive(sink, { userId: 'user-1', events }));
    assert.ok(error instanceof TypeError);
    assertNoArchive(sink);
  });

  test('somebody has read some of the bytes before: TypeError', async () => {
    const events = Readable.from(changeRows(2000)).pipe(new JsonlSerializer({ flushEvery: 500 }));
    await once(events, 'readable');
    const before = events.read() as Buffer | null;
    assert.ok(before !== null && before.length > 0);
    const sink = new Sink();
    const error = await failureOf(writeArchive(sink, { userId: 'user-1', events }));
    assert.ok(error instanceof TypeError);
    assertNoArchive(sink);
  });

  test("a subclass's summary does not tell what its bytes were: TypeError", async () => {
    class Signed extends JsonlSerializer {
      override push(chunk: unknown): boolean {
        const bytes = chunk as Buffer | null;
        // As many bytes and lines as were counted, but not those that were digested.
        if (bytes !== null) bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
        return super.push(bytes);
      }
    }
    const sink = new Sink();
    const events = Readable.from(changeRows(30)).pipe(new Signed());
    const error = await failureOf(writeArchive(sink, { userId: 'user-1', events }));
    assert.ok(error instanceof TypeError);
    assertNoArchive(sink);
  });

  test('F34 the destination is destroyed, with or without an error', async () => {
    for (const error of [undefined, new Error('enough')]) {
      const sink = new Sink(1);
      sink.once('drain', () => sink.destroy(error));
      await failsWith(writeArchive(sink, of(changeRows(9000, 900))), 'BACKUP_SINK_FAILED');
      assertNoArchive(sink);
    }
  });

  test('F29 the disk is full', async () => {
    const full = createWriteStream('/dev/full');
    const error = await failsWith(writeArchive(full, of(changeRows(9))), 'BACKUP_SINK_FAILED');
    assert.equal(error.cause?.code, 'ENOSPC');
  });

  test('F32 it is aborted at any chunk, or before the first', async () => {
    for (let chunk = 0; ; chunk += 1) {
      const sink = new Sink(1);
      const controller = new AbortController();
      const reason = { why: 'enough' };
      let seen = 0;
      if (chunk === 0) controller.abort(reason);
      const write = sink._write.bind(sink);
      sink._write = (...args) => {
        seen += 1;
        if (seen === chunk) controller.abort(reason);
        else write(...args);
      };
      const writing = writeArchive(sink, { ...of(changeRows(50)), signal: controller.signal });
      const outcome = await settlesWithin(
        writing.then(
          () => 'written',
          (error: unknown) => error,
        ),
        2000,
      );
      if (outcome === 'written') {
        assert.ok(chunk > 5);
        break;
      }
      assert.equal(outcome, reason);
      assert.equal((await verifyArchive(sink.bytes)).ok, false);
      assert.equal(sink.destroyed, true);
    }
  });

  test('F32 it is aborted while the source hangs', async () => {
    const sink = new Sink();
    const controller = new AbortController();
    const events = stallAfter(changeRows(900), 800);
    const writing = failureOf(
      writeArchive(sink, { ...of(events), signal: controller.signal }),
      1000,
    );
    setTimeout(() => {
      controller.abort('enough');
    }, 50);
    assert.equal(await writing, 'enough');
    assertNoArchive(sink);
  });

  test('the destination takes nothing any more', async () => {
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const options = { ...of(changeRows(9)), sinkStallTimeoutMs: 50 };
    await failsWith(writeArchive(stuck, options), 'BACKUP_SINK_STALLED', 1000);
    assert.equal(stuck.destroyed, true);
  });
});

describe('writeArchive', () => {
  test('a process that is busy itself for longer than the destination may take nothing is no stall', async () => {
    let busyCount = 0;
    const chunks: Buffer[] = [];
    const sink = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(chunk);
        // The destination is ready while the process is busy, which hears of it afterwards.
        stat('.', () => {
          callback();
        });
        if (busyCount++ < 3) process.nextTick(keepBusy, 300);
      },
    });
    await writeArchive(sink, { ...of(changeRows(3)), sinkStallTimeoutMs: 200 });
    assert.equal((await verifyArchive(Buffer.concat(chunks))).ok, true);
  });

  test('reads no further ahead than the destination takes', async () => {
    let given = 0;
    function* rows(): Generator<ChangeRow> {
      for (const row of changeRows(100, 1_000_000)) {
        given += 1;
        yield row;
      }
    }
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const controller = new AbortController();
    const serializer = new JsonlSerializer();
    pipeline(rows, serializer).catch(() => undefined);
    const writing = writeArchive(stuck, {
      userId: 'user-1',
      events: serializer,
      signal: controller.signal,
    });
    writing.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    controller.abort();
    await failureOf(writing);
    assert.ok(given <= 12, `${given} MB were read`);
  });

  test('reads and deflates further blocks while one is being written', async () => {
    const block = randomBytes(2 * 1024 * 1024);
    let given = 0;
    const events = Object.assign(
      new Readable({
        highWaterMark: 1,
        read() {
          given += 1;
          if (given === 5) this.emit('fifth');
          this.push(block);
        },
      }),
      { summary: () => assert.fail('it does not come to an end') },
    );
    // Takes the entry's header, and nothing more.
    const stuck = new Writable({
      highWaterMark: 1,
      write: (chunk: Buffer, _encoding, callback) => {
        if (chunk.length < 100) callback();
      },
    });
    const controller = new AbortController();
    const fifth = once(events, 'fifth');
    const { signal } = controller;
    const writing = failureOf(writeArchive(stuck, { userId: 'user-1', events, signal }));
    await settlesWithin(fifth, 5000);
    controller.abort('enough');
    assert.equal(await writing, 'enough');
  });

  test('a file gets a block as one piece, since each one waits for a thread that deflates', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = path.join(folder, 'a.mana');
      const lengths: number[] = [];
      const stream = createWriteStream(file);
      const write = stream._write.bind(stream);
      stream._write = (chunk: Buffer, encoding, callback) => {
        lengths.push(chunk.length);
        write(chunk, encoding, callback);
      };
      const random = changeRows(80).map((row) => ({
        ...row,
        data: randomBytes(50_000).toString('hex'),
      }));
      await writeArchive(stream, of(random));
      assert.equal((await verifyArchive(file)).ok, true);
      const blocks = lengths.filter((length) => length > 64 * 1024);
      assert.equal(blocks.length, 4, `writes of ${lengths.join()}`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('fulfils when a file has everything', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-'));
    try {
      const file = path.join(folder, 'a.mana');
      const manifest = await writeArchive(createWriteStream(file), of(changeRows(30)));
      const report = await verifyArchive(file, { userId: 'user-1' });
      assert.deepEqual([report.ok, report.manifest], [true, manifest]);
      assert.ok((await readFile(file)).equals(await archiveOf(of(changeRows(30)))));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('refuses options that are none before it touches anything', async () => {
    const events = changeSourceFrom([]);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
    const bad: object[] = [
      { userId: '', events },
      { userId: 7, events },
      { userId: 'user-\ud800', events },
      { userId: 'user-1', events: null },
      { userId: 'user-1', events: 'rows' },
      { userId: 'user-1', events: Readable.from([]) },
      { userId: 'user-1', events: Object.assign(Readable.from([]), { summary: 7 }) },
      { userId: 'user-1', events, at: '2026-04-15T00:00:00Z' },
      { userId: 'user-1', events: [] },
      { userId: 'user-1', events, at: new Date(NaN) },
      { userId: 'user-1', events, compressionLevel: 10 },
      { userId: 'user-1', events, sign: true },
      { userId: 'user-1', events, signingKey: rsa },
      { userId: 'user-1', events, signingKey: 'no pem' },
      { userId: 'user-1', events, schemaVersion: 0 },
      { userId: 'user-1', events, zip64: 1 },
      { userId: 'user-1', events: Object.assign(new JsonlSerializer(), { userId: 'user-2' }) },
    ];
    for (const options of bad) {
      const sink = new Sink();
      const error = await failureOf(writeArchive(sink, options as WriteArchiveOptions));
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      assert.deepEqual([sink.destroyed, sink.chunks.length], [false, 0]);
    }
    for (const none of [undefined, null, {}] as unknown as Writable[]) {
      const writing = writeArchive(none, { userId: 'u', events });
      assert.ok((await failureOf(writing)) instanceof TypeError);
    }
    const ended = new Sink();
    ended.end();
    await once(ended, 'finish');
    assert.ok((await failureOf(writeArchive(ended, { userId: 'u', events }))) instanceof TypeError);
  });
});

test('an archive is open until it is disposed of', async () => {
  const archive = await openArchive(await archiveOf(of(changeRows(3))));
  assert.equal((await collect(archive.lines())).length, 3);
  assert.equal((await archive.verify({ userId: 'user-1' })).ok, true);
  await archive[Symbol.asyncDispose]();
  await archive[Symbol.asyncDispose]();
  assert.throws(() => archive.bytes(), TypeError);
});
