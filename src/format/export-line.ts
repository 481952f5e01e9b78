// One change on the wire, as a value: what encode-line writes and decode-line reads.

import { z } from 'zod';
import { changeOpSchema, extraSchema, textSchema } from './change-row.js';
import { isPlain } from './json-encode.js';
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
  if (value instanceof RawJson) return isAbsentBytes(value.bytes);
  // A Map or an instance of a class has no keys either, and is not nothing: encoding refuses it.
  return (
    typeof value === 'object' &&
    isPlain(value) &&
    !('toJSON' in value) &&
    Object.keys(value).length === 0
  );
}

/** As {@link isAbsentJson}, of a value's JSON text: `null` or `{}`, whatever white space is in it. */
export function isAbsentBytes(bytes: Uint8Array): boolean {
  // `n` begins nothing but null, and `}` after `{` ends an object without members.
  const at = afterSpace(bytes, 0);
  return bytes[at] === leftBrace
    ? bytes[afterSpace(bytes, at + 1)] === rightBrace
    : bytes[at] === letterN;
}

function afterSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && isSpace(bytes[at] as number)) at += 1;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

const leftBrace = 0x7b;
const rightBrace = 0x7d;
const letterN = 0x6e;
