// Holds a downloaded export against the database it came from.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { comparePositions, decodeExportLine } from 'backup-streams';
import type { ExportLine } from 'backup-streams';
import type { Witness } from './log-database.js';
import { DemoError } from './options.js';

/** What {@link checkExport} holds a file against. */
export interface Expectation {
  readonly userId: string;
  /** The ids of the user's rows as they were before the export. */
  readonly eventIds: ReadonlySet<string>;
  readonly witness: Pick<Witness, 'eventIds'>;
  /** What the service says it has sent. */
  readonly sent: { readonly rows: number; readonly bytes: number; readonly sha256: string };
}

/**
 * Checks that a file holds every row of the user once, in the log's order, none of anybody else,
 * and exactly the bytes that were sent.
 *
 * @throws DemoError for the first thing that is wrong
 */
export async function checkExport(file: string, expected: Expectation): Promise<void> {
  const { userId, eventIds, witness, sent } = expected;
  const missing = new Set(eventIds);
  const others: string[] = [];
  const digest = createHash('sha256');
  let byteCount = 0;
  let rowCount = 0;
  let previous: ExportLine | undefined;
  const chunks = counted(createReadStream(file), (chunk) => {
    digest.update(chunk);
    byteCount += chunk.length;
  });
  for await (const text of linesOf(chunks)) {
    rowCount += 1;
    const line = decodeExportLine(text);
    // Strictly rising, so that no row is in it twice.
    if (previous !== undefined && comparePositions(previous, line) >= 0) {
      throw new DemoError(`Line ${rowCount} of ${file} is out of order.`);
    }
    if (!missing.delete(line.eventId)) others.push(line.eventId);
    previous = line;
  }
  // In a log that is in use, rows may have come since; they have to be the user's too.
  const newer = others.length === 0 ? new Set() : await witness.eventIds(userId, others);
  const foreign = others.filter((id) => !newer.has(id));
  if (foreign.length > 0) {
    throw new DemoError(`${foreign.length} rows in ${file} are not rows of ${userId}.`);
  }
  if (missing.size > 0) throw new DemoError(`${missing.size} rows are missing in ${file}.`);
  if (rowCount !== sent.rows || byteCount !== sent.bytes || digest.digest('hex') !== sent.sha256) {
    throw new DemoError(`${file} is not what the service has sent.`);
  }
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  note: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    note(chunk);
    yield chunk;
  }
}

// Cut at byte 0x0A alone: node:readline also splits where a line may go on.
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let pieces: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      yield decoder.decode(Buffer.concat(pieces));
      pieces = [];
      start = end + 1;
    }
    pieces.push(chunk.subarray(start));
  }
  if (pieces.some((piece) => piece.length > 0)) {
    throw new DemoError('The file ends in the middle of a line.');
  }
}
