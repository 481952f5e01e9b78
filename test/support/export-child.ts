// An export in a process of its own: what it does to memory, and whether the process can end after it.
// Started by runExportChild() of export-process.ts; takes its task as JSON in argv[2], answers as JSON on stdout.
import pg from 'pg';

import { isBackupError } from '../../src/index.js';
import type { ExportReport, ExportTask } from './export-process.js';
import { lanes } from './lanes.js';

async function run({
  laneName,
  url,
  pool: config,
  ending,
  options,
}: ExportTask): Promise<ExportReport> {
  const lane = lanes.find(({ name }) => name === laneName);
  if (lane === undefined) throw new Error(`There is no lane ${laneName}`);
  const pool = new pg.Pool({ connectionString: url, max: 1, ...config });
  const baselineBytes = await measureBaseline(pool);
  let peakBytes = baselineBytes;
  const controller = new AbortController();
  const { stream } = lane.export(pool, { ...options, signal: controller.signal });
  let byteCount = 0;
  let code: string | undefined;
  try {
    for await (const chunk of stream) {
      byteCount += (chunk as Buffer).length;
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
      if (ending === 'break') break;
      if (ending === 'abort') controller.abort(new Error('abort'));
    }
  } catch (error) {
    code = isBackupError(error) ? error.code : String(error);
  }
  await pool.end();
  return { byteCount, baselineBytes, peakBytes, ...(code !== undefined && { code }) };
}

/** Once everything that an export needs has been loaded and used. */
async function measureBaseline(pool: pg.Pool): Promise<number> {
  await pool.query('SELECT 1');
  return process.memoryUsage.rss();
}

process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as ExportTask)));
