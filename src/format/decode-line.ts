// The way back: one line, checked by the scanner, as an ExportLine whose values stay text.

import type { ExportLine } from './export-line.js';
import { lineInvalid } from './line-invalid.js';
import { lineIndex, LineScanner } from './line-scan.js';
import { trustedRawJson } from './raw-json.js';
import type { RawJson } from './raw-json.js';
import type { ScannedLine } from './scanned-line.js';

const encoder = new TextEncoder();
const scanner = new LineScanner();

/**
 * Reads one line. Values stay text: `data`, `fieldTimestamps` and members that the format does not
 * name (`extra`) are `RawJson`. Members may come in any order and with any spacing.
 *
 * @param text - one line, without its line feed
 * @throws BackupError `BACKUP_LINE_INVALID` with the member or the byte offset; never with content
 *
 * @example
 * ```ts
 * import { decodeExportLine } from 'backup-streams';
 *
 * const appOf = (line: string): string => decodeExportLine(line).appId;
 * ```
 */
export function decodeExportLine(text: string): ExportLine {
  if (!text.isWellFormed()) throw lineInvalid('an unpaired surrogate', { byteOffset: 0 });
  const bytes = encoder.encode(text);
  scanner.scan(bytes, 0, bytes.length);
  return lineOf(scanner);
}

/** The line that a scanner has just found valid. */
export function lineOf(scan: ScannedLine): ExportLine {
  const data = jsonOf(scan, lineIndex.data);
  const fieldTimestamps = jsonOf(scan, lineIndex.fieldTimestamps);
  return {
    eventId: scan.text('eventId'),
    schemaVersion: scan.schemaVersion,
    appId: scan.text('appId'),
    table: scan.text('table'),
    id: scan.text('id'),
    op: scan.op,
    ...(data !== undefined && { data }),
    ...(fieldTimestamps !== undefined && { fieldTimestamps }),
    clientId: scan.text('clientId'),
    createdAt: scan.text('createdAt'),
    ...(scan.extra.length > 0 && { extra: extraOf(scan) }),
  };
}

function jsonOf(scan: ScannedLine, index: number): RawJson | undefined {
  const start = scan.starts[index] as number;
  return start < 0 ? undefined : rawJsonAt(scan.bytes, start, scan.ends[index] as number);
}

function extraOf({ bytes, extra }: ScannedLine): ReadonlyMap<string, RawJson> {
  return new Map(
    extra.map(({ name, valueStart, valueEnd }) => [name, rawJsonAt(bytes, valueStart, valueEnd)]),
  );
}

// Copied: the scanner's bytes are used again.
function rawJsonAt(bytes: Uint8Array, start: number, end: number): RawJson {
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return trustedRawJson(copy);
}
