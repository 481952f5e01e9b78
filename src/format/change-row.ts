// One row of the change log as a JavaScript value: what every export starts from.

import { z } from 'zod';
import { RawJson } from './raw-json.js';

/** What a change did to its record. */
export const changeOpSchema = z.enum(['insert', 'update', 'delete']);

/** `insert`, `update` or `delete`. The vocabulary only ever grows. */
export type ChangeOp = z.infer<typeof changeOpSchema>;

const extraSchema = z.custom<ReadonlyMap<string, RawJson>>(
  (value) =>
    value instanceof Map &&
    [...value].every(([name, member]) => typeof name === 'string' && member instanceof RawJson),
  'not a Map of member names to RawJson',
);

/** zod schema of a {@link ChangeRow}. */
export const changeRowSchema = z
  .object({
    /** The event id: a uuid. Written in lower case. */
    id: z.string().min(1),
    appId: z.string(),
    tableName: z.string(),
    recordId: z.string(),
    /** Whose row it is. Not part of the line. */
    userId: z.string().min(1),
    op: changeOpSchema,
    /** `RawJson`, or any value that JSON can hold. SQL NULL, JSON `null` and `{}` are left out. */
    data: z.unknown().optional(),
    /** As `data`: usually an object of field name to ISO time. */
    fieldTimestamps: z.unknown().optional(),
    clientId: z.string(),
    /** RFC 3339 text of any offset, up to microseconds; or a `Date`, which holds milliseconds. */
    createdAt: z.union([z.string(), z.date()]),
    /** Missing, zero or negative counts as 1. */
    schemaVersion: z.int().nullish(),
    /** The host's own columns (`extraColumns`), in the order in which they are written. */
    extra: extraSchema.optional(),
  })
  .readonly();

/**
 * One row of the change log, camelCase. A source yields `data` and `fieldTimestamps` as `RawJson`
 * and `createdAt` as the canonical text; a row made by hand may hold plain values and a `Date`.
 */
export type ChangeRow = z.infer<typeof changeRowSchema>;

export { extraSchema };
