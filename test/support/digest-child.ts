// Exports and archives of one user in a process of its own: `digest-child.ts <database url> <user>` prints the
// SHA-256 of each. Started with other time zones and languages.
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';

import pg from 'pg';

import { writeArchive } from '../../src/archive/index.js';
import { pgChangeSource, pgExportStream } from '../../src/postgres/index.js';
import { collectBytes } from './collect.js';
import { lanes } from './lanes.js';

const [url = '', userId = ''] = process.argv.slice(2);
const at = new Date('2026-04-15T00:00:00Z');
const pool = new pg.Pool({ connectionString: url, max: 1 });
const digests: Record<string, string> = {};

function note(name: string, bytes: Uint8Array): void {
  digests[name] = createHash('sha256').update(bytes).digest('hex');
}

for (const lane of lanes) note(lane.name, await collectBytes(lane.export(pool, { userId }).stream));
for (const [name, events] of [
  ['archive of rows', pgChangeSource(pool, { userId })],
  ['archive of bytes', pgExportStream(pool, { userId })],
] as const) {
  const zip = new PassThrough();
  const written = writeArchive(zip, { userId, events, at });
  const [bytes] = await Promise.all([collectBytes(zip), written]);
  note(name, bytes);
}
await pool.end();
process.stdout.write(JSON.stringify(digests));
