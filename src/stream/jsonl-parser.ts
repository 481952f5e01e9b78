// JSON Lines in, lines out: the object lane's way back.

import ndjson from 'ndjson';
import { lineOf } from '../format/decode-line.js';
import type { ExportLine } from '../format/export-line.js';
import { lineInvalid } from '../format/line-invalid.js';
import { LineScanner } from '../format/line-scan.js';
import { booleanOption, integerOption, refuseUnknown } from '../options.js';
import { LineSplitter, longestLineBytes } from './line-splitter.js';
import { isSource, SourceReader } from './source-reader.js';

const lineFeed = Buffer.of(0x0a);

/** Options of {@link parseJsonl}. */
export interface JsonlParserOptions {
  /**
   * `data` and `fieldTimestamps` as JavaScript values, made by `ndjson`, instead of `RawJson`:
   * numbers beyond a double lose digits, and of a repeated key the last value stays. Default false.
   */
  readonly values?: boolean | undefined;
  /** Longest line in bytes, its line feed not counted. Default 536,870,912 (512 MiB). */
  readonly maxLineBytes?: number | undefined;
  /** How many objects and arrays may be open at once in one value. No limit by default. */
  readonly maxDepth?: number | undefined;
}

/**
 * Reads JSON Lines. Lines end at the byte 0x0A and nowhere else; each is checked as strictly as
 * `decodeExportLine` does, whichever way its values are asked for and however the bytes are cut.
 *
 * Leaving early (`break`) ends the reading of `bytes`. Nothing says that the lines are all there
 * were: for that, read an archive.
 *
 * @param bytes - JSONL, cut anywhere; an error that it throws is passed on as it is
 * @returns the lines in their order; can be iterated once
 * @throws TypeError or RangeError at once for invalid options; when read: BackupError
 * `BACKUP_LINE_INVALID` with `lineNumber`, `BACKUP_LIMIT_EXCEEDED`
 *
 * @example
 * ```ts
 * import { createReadStream } from 'node:fs';
 * import { parseJsonl } from 'backup-streams';
 *
 * for await (const line of parseJsonl(createReadStream('export.jsonl'))) {
 *   console.log(line.createdAt, line.table, line.id);
 * }
 * ```
 */
export function parseJsonl(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: JsonlParserOptions = {},
): AsyncIterableIterator<ExportLine> {
  if (!isSource(bytes)) throw new TypeError('parseJsonl takes an iterable of bytes, or a stream');
  refuseUnknown('parseJsonl', options, ['values', 'maxLineBytes', 'maxDepth']);
  const { maxLineBytes = longestLineBytes, maxDepth } = options;
  const values = booleanOption('values', options.values);
  integerOption('maxLineBytes', maxLineBytes, { min: 1 });
  if (maxDepth !== undefined) integerOption('maxDepth', maxDepth, { min: 1 });
  const splitter = new LineSplitter(maxLineBytes);
  const scan = new LineScanner({ maxDepth });
  const source = new SourceReader(bytes);
  return new Lines(source, eachLine(source, splitter, { scan, values }));
}

class Lines implements AsyncIterableIterator<ExportLine> {
  readonly #source: SourceReader<Uint8Array>;
  readonly #lines: AsyncGenerator<ExportLine, void, undefined>;

  constructor(
    source: SourceReader<Uint8Array>,
    lines: AsyncGenerator<ExportLine, void, undefined>,
  ) {
    this.#source = source;
    this.#lines = lines;
  }

  next(): Promise<IteratorResult<ExportLine, undefined>> {
    return this.#lines.next() as Promise<IteratorResult<ExportLine, undefined>>;
  }

  async return(): Promise<IteratorResult<ExportLine, undefined>> {
    // A generator returns only after a read that is pending, and closes nothing before its beginning.
    try {
      await this.#source.close();
    } finally {
      await this.#lines.return();
    }
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function* eachLine(
  source: SourceReader<Uint8Array>,
  splitter: LineSplitter,
  { scan, values }: { readonly scan: LineScanner; readonly values: boolean },
): AsyncGenerator<ExportLine, void, undefined> {
  const reader = values ? new ValueReader() : undefined;
  try {
    for (;;) {
      const { done, value: chunk } = await source.next();
      if (done === true) break;
      if (!(chunk instanceof Uint8Array)) throw new TypeError('parseJsonl reads bytes, not texts');
      splitter.feed(chunk);
      while (splitter.next()) {
        scan.scan(splitter.bytes, splitter.start, splitter.end, splitter.lineNumber);
        yield reader === undefined ? lineOf(scan) : reader.lineOf(scan, splitter);
      }
    }
    if (!source.isClosed) splitter.finish();
  } catch (error) {
    // What closing says is nothing beside why it is closed.
    await source.close().catch(() => undefined);
    throw error;
  }
}

// What ndjson makes of a line, asked for one whole line at a time: the scanner has found it valid by
// then, so that ndjson meets nothing that it would mangle, be slow on, or quote in an error.
class ValueReader {
  readonly #parser = ndjson.parse({ strict: true }).on('error', () => undefined);

  lineOf(scan: LineScanner, { bytes, start, end, lineNumber }: LineSplitter): ExportLine {
    this.#parser.write(Buffer.concat([bytes.subarray(start, end), lineFeed]));
    const parsed = this.#parser.read() as Record<'data' | 'fieldTimestamps', unknown> | null;
    if (parsed === null) throw lineInvalid('JSON.parse cannot read it', { lineNumber });
    const line = lineOf(scan);
    return {
      ...line,
      ...(line.data !== undefined && { data: parsed.data }),
      ...(line.fieldTimestamps !== undefined && { fieldTimestamps: parsed.fieldTimestamps }),
    };
  }
}
