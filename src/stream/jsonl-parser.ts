// JSON Lines in, lines out: the object lane's way back.

import ndjson from 'ndjson';
import { lineOf } from '../format/decode-line.js';
import type { ExportLine } from '../format/export-line.js';
import { lineInvalid } from '../format/line-invalid.js';
import { LineScanner } from '../format/line-scan.js';
import { integerOption, refuseUnknown } from '../options.js';
import { LineSplitter, longestLineBytes } from './line-splitter.js';
import { closeUnread, hearErrors } from './unread-source.js';

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
  if (!isChunks(bytes)) throw new TypeError('parseJsonl takes an iterable of bytes, or a stream');
  refuseUnknown('parseJsonl', options, ['values', 'maxLineBytes', 'maxDepth']);
  const { values = false, maxLineBytes = longestLineBytes, maxDepth } = options;
  if (typeof values !== 'boolean') throw new TypeError('values must be a boolean');
  integerOption('maxLineBytes', maxLineBytes, { min: 1 });
  if (maxDepth !== undefined) integerOption('maxDepth', maxDepth, { min: 1 });
  const splitter = new LineSplitter(maxLineBytes);
  const scan = new LineScanner({ maxDepth });
  return new Lines(hearErrors(bytes), eachLine(bytes, splitter, { scan, values }));
}

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

// A generator that is left before it was begun would leave its bytes open.
class Lines implements AsyncIterableIterator<ExportLine> {
  readonly #bytes: Chunks;
  readonly #lines: AsyncGenerator<ExportLine, void, undefined>;
  #isBegun = false;

  constructor(bytes: Chunks, lines: AsyncGenerator<ExportLine, void, undefined>) {
    this.#bytes = bytes;
    this.#lines = lines;
  }

  next(): Promise<IteratorResult<ExportLine, undefined>> {
    this.#isBegun = true;
    return this.#lines.next() as Promise<IteratorResult<ExportLine, undefined>>;
  }

  return(): Promise<IteratorResult<ExportLine, undefined>> {
    if (!this.#isBegun) closeUnread(this.#bytes);
    this.#isBegun = true;
    return this.#lines.return() as Promise<IteratorResult<ExportLine, undefined>>;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function isChunks(bytes: unknown): boolean {
  // A Uint8Array can be iterated too, but gives numbers.
  return (
    typeof bytes === 'object' &&
    bytes !== null &&
    !(bytes instanceof Uint8Array) &&
    (Symbol.asyncIterator in bytes || Symbol.iterator in bytes)
  );
}

async function* eachLine(
  bytes: Chunks,
  splitter: LineSplitter,
  { scan, values }: { readonly scan: LineScanner; readonly values: boolean },
): AsyncGenerator<ExportLine, void, undefined> {
  const reader = values ? new ValueReader() : undefined;
  for await (const chunk of bytes) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('parseJsonl reads bytes, not texts');
    splitter.feed(chunk);
    while (splitter.next()) {
      scan.scan(splitter.bytes, splitter.start, splitter.end, splitter.lineNumber);
      yield reader === undefined ? lineOf(scan) : reader.lineOf(scan, splitter);
    }
  }
  splitter.finish();
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
