// One change on the wire, as a value: what encode-line writes and decode-line reads.

import { z } from 'zod';
import { changeOpSchema, extraSchema, textSchema } from './change-row.js';
import { isPlain } from './json-encode.js';
import { skipWhitespace } from './json-scan.js';
import { RawJson } from './raw-json.js';
import { maxSchemaVersion } from './schema-version.js';
import { isCanonicalTimestamp } from './timestamp.js';

/** zod schema of an {@link ExportLine}. */
export const exportLineSchema = z
  .object({
    eventId: textSchema.min(1),
    schemaVersion: z.int().min(1).max(maxSchemaVersion),
    appId: textSchema,
    table: textSchema,
    id: textSchema,
    op: changeOpSchema,
    data: z.unknown().optional(),
    fieldTimestamps: z.unknown().optional(),
    clientId: textSchema,
    createdAt: z.string().refine(isCanonicalTimestamp, 'not a UTC time as lines hold it'),
    extra: extraSchema.refine(namesNoMember, 'holds a member that the format names').optional(),
  })
  .readonly();

/**
 * One change as a line holds it. `eventId` is the row's id, `id` the record's. `data` and
 * `fieldTimestamps` are `RawJson`, or plain values where a host's mapper made them. `extra` holds
 * the members after `createdAt`: the host's own columns, or what a newer writer added.
 */
export type ExportLine = z.infer<typeof exportLineSchema>;

/** The members of a line that the format names, in the order in which they are written. */
export const lineMembers = [
  'eventId',
  'schemaVersion',
  'appId',
  'table',
  'id',
  'op',
  'data',
  'fieldTimestamps',
  'clientId',
  'createdAt',
] as const;

/** A member of a line that the format names. */
export type LineMember = (typeof lineMembers)[number];

/** Whether the format names a member so. */
export function isLineMember(name: string): name is LineMember {
  return (lineMembers as readonly string[]).includes(name);
}

function namesNoMember(extra: ReadonlyMap<string, RawJson>): boolean {
  return ![...extra.keys()].some(isLineMember);
}

/**
 * Whether a value is left out of a line: JSON `null` and `{}` count as none, as SQL NULL does.
 * Anything else is data, whatever its type.
 */
export function isAbsentJson(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (value instanceof RawJson) {
    const { bytes } = value;
    return isAbsentAt(bytes, skipWhitespace(bytes, 0), bytes.length);
  }
  // A Map or an instance of a class has no keys either, and is not nothing: encoding refuses it.
  return (
    typeof value === 'object' &&
    isPlain(value) &&
    !('toJSON' in value) &&
    Object.keys(value).length === 0
  );
}

/**
 * As {@link isAbsentJson}, of the JSON text of a value: `null`, or `{}` whatever white space is in it.
 *
 * @param start - where the value starts; negative where there is none
 * @param end - where it ends, or white space after it
 */
export function isAbsentAt(bytes: Uint8Array, start: number, end: number): boolean {
  if (start < 0) return true;
  // `n` begins nothing but null, and `}` after `{` ends an object without members.
  const first = bytes[start];
  if (first === letterN) return true;
  return first === openBrace && bytes[skipWhitespace(bytes, start + 1, end)] === closeBrace;
}

const openBrace = 0x7b;
const closeBrace = 0x7d;
const letterN = 0x6e;
