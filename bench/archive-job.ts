// One measured run, in a process of its own: `archive-job.ts <job> <database url> <archive file>`.
import { createHash } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

import pg from 'pg';
import QueryStream from 'pg-query-stream';
import yazl from 'yazl';

import { verifyArchive, writeArchive } from '../src/archive/index.js';
import { pgExportStream } from '../src/postgres/index.js';

const [job = '', url = '', file = ''] = process.argv.slice(2);
const userId = 'user-1';
const rowSecurity = 'explicit-filter-only';

interface Row {
  readonly id: string;
  readonly schema_version: number | null;
  readonly app_id: string;
  readonly table_name: string;
  readonly record_id: string;
  readonly op: string;
  readonly data: object | null;
  readonly field_timestamps: object | null;
  readonly client_id: string;
  readonly created_at: Date;
}

/**
 * What a host without this library does: a cursor, objects, JSON.stringify, a zip library. Handed on
 * line by line, as they come, each line costs zlib a round trip to its thread; so a careful host
 * gathers them.
 *
 * @param pieceBytes - about how many bytes of lines are handed on together
 */
async function byHand(pool: pg.Pool, pieceBytes: number): Promise<void> {
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(
    "SELECT set_config('app.current_user_id', $1, true), set_config('enable_sort', 'off', true)",
    [userId],
  );
  const hash = createHash('sha256');
  let eventCount = 0;
  const rows = client.query(
    new QueryStream(
      'SELECT * FROM sync_changes WHERE user_id = $1 ORDER BY created_at, id',
      [userId],
      { batchSize: 200 },
    ),
  );
  async function* lines(): AsyncGenerator<Buffer> {
    let text = '';
    const taken = (): Buffer => {
      const piece = Buffer.from(text);
      hash.update(piece);
      text = '';
      return piece;
    };
    for await (const row of rows as AsyncIterable<Row>) {
      text += `${JSON.stringify(lineOf(row))}\n`;
      eventCount += 1;
      if (text.length >= pieceBytes) yield taken();
    }
    if (text !== '') yield taken();
  }
  const zip = new yazl.ZipFile();
  const options = { compressionLevel: 6 };
  const events = Readable.from(lines(), { objectMode: false });
  events.on('end', () => {
    const manifest = { formatVersion: 1, userId, eventCount, eventsSha256: hash.digest('hex') };
    zip.addBuffer(Buffer.from(JSON.stringify(manifest)), 'manifest.json', options);
    zip.end();
  });
  zip.addReadStream(events, 'events.jsonl', options);
  await pipeline(zip.outputStream, createWriteStream(file));
  await client.query('COMMIT');
  client.release();
  if (eventCount === 0) throw new Error('no rows');
}

function lineOf(row: Row): object {
  return {
    eventId: row.id,
    schemaVersion: row.schema_version ?? 1,
    appId: row.app_id,
    table: row.table_name,
    id: row.record_id,
    op: row.op,
    data: row.data ?? undefined,
    fieldTimestamps: row.field_timestamps ?? undefined,
    clientId: row.client_id,
    createdAt: row.created_at.toISOString(),
  };
}

function peakBytes(): number {
  // maxRSS is on Linux also the parent's, from which this process was cloned.
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024;
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

const jobs: Readonly<Record<string, (pool: pg.Pool) => Promise<unknown>>> = {
  lane: (pool) =>
    pipeline(
      pgExportStream(pool, { userId, rowSecurity }),
      new Writable({
        write: (_chunk, _encoding, done) => {
          done();
        },
      }),
    ),
  archive: (pool) =>
    writeArchive(createWriteStream(file), {
      userId,
      events: pgExportStream(pool, { userId, rowSecurity }),
    }),
  yazl: (pool) => byHand(pool, 64 * 1024),
  'yazl-by-line': (pool) => byHand(pool, 1),
  verify: async () => {
    const { ok } = await verifyArchive(file, { userId });
    if (!ok) throw new Error('the archive does not verify');
  },
};

const run = jobs[job];
if (run === undefined) throw new Error(`no job ${job}`);
const pool = new pg.Pool({ connectionString: url });
const start = performance.now();
const cpuStart = process.cpuUsage();
await run(pool);
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpuStart);
await pool.end();
const maxRssMb = peakBytes() / 2 ** 20;
console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, maxRssMb }));
