// One row of the change log as a JavaScript value: what every export starts from.

import { z } from 'zod';
import { RawJson } from './raw-json.js';
import { maxSchemaVersion } from './schema-version.js';
import { canonicalTimestamp } from './timestamp.js';

/** What a change may do to its record. */
export const changeOps = ['insert', 'update', 'delete'] as const;

/** What a change did to its record. */
export const changeOpSchema = z.enum(changeOps);

/** `insert`, `update` or `delete`. The vocabulary only ever grows. */
export type ChangeOp = z.infer<typeof changeOpSchema>;

/** Whether something is a {@link ChangeOp}. */
export function isChangeOp(op: unknown): op is ChangeOp {
  return op === 'insert' || op === 'update' || op === 'delete';
}

/** A text that a line and a column of Postgres can hold. */
export const textSchema = z.string().refine(isStorable, 'holds NUL or an unpaired surrogate');

/** The members of a line that the format does not name. */
export const extraSchema = z.custom<ReadonlyMap<string, RawJson>>(
  (value) =>
    value instanceof Map &&
    [...value].every(
      ([name, member]) => typeof name === 'string' && isStorable(name) && member instanceof RawJson,
    ),
  'not a Map of member names to RawJson',
);

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** zod schema of a {@link ChangeRow}. */
export const changeRowSchema = z
  .object({
    /** The event id: a uuid. Written in lower case. */
    id: textSchema.min(1),
    appId: textSchema,
    tableName: textSchema,
    recordId: textSchema,
    /** Whose row it is. Not part of the line. */
    userId: textSchema.min(1),
    op: changeOpSchema,
    /** `RawJson`, or any value that JSON can hold. SQL NULL, JSON `null` and `{}` are left out. */
    data: z.unknown().optional(),
    /** As `data`: usually an object of field name to ISO time. */
    fieldTimestamps: z.unknown().optional(),
    clientId: textSchema,
    /** RFC 3339 text of any offset, up to microseconds; or a `Date`, which holds milliseconds. */
    createdAt: z
      .union([z.string(), z.date()])
      .refine((time) => canonicalTimestamp(time) !== undefined, 'not a time that lines can hold'),
    /** Missing, zero or negative counts as 1. */
    schemaVersion: z.int().max(maxSchemaVersion).nullish(),
    /** The host's own columns (`extraColumns`), in the order in which they are written. */
    extra: extraSchema.optional(),
  })
  .readonly();

/**
 * One row of the change log, camelCase. A source yields `data` and `fieldTimestamps` as `RawJson`
 * and `createdAt` as the canonical text; a row made by hand may hold plain values and a `Date`.
 */
export type ChangeRow = z.infer<typeof changeRowSchema>;
