// How large a line is, without writing it: for whoever holds lines back and must not hold too much.

import type { ExportLine } from '../format/export-line.js';
import { RawJson } from '../format/raw-json.js';

// What a number and the like, or the spelling of a member, takes about.
const plainBytes = 8;

/**
 * About how many bytes a line's JSON text takes: a character beyond ASCII counts as one. Values that are
 * no `RawJson` are counted through only until `enough` is reached, which also ends one that holds itself.
 */
export function lineSizeOf(line: ExportLine, enough: number): number {
  let size = line.eventId.length + line.appId.length + line.table.length + line.id.length;
  size += line.clientId.length + line.createdAt.length;
  const open: unknown[] = [line.data, line.fieldTimestamps];
  for (const value of line.extra?.values() ?? []) open.push(value);
  while (open.length > 0 && size < enough) {
    const value = open.pop();
    if (value instanceof RawJson) size += value.bytes.length;
    else if (typeof value === 'string') size += value.length;
    else {
      size += plainBytes;
      if (typeof value !== 'object' || value === null) continue;
      for (const [name, member] of Object.entries(value)) {
        size += name.length;
        open.push(member);
      }
    }
  }
  return size;
}
