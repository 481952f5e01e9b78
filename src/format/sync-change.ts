// A line to what a client applies: values instead of text, fields with their times.

import { z } from 'zod';
import type { ExportLine } from './export-line.js';
import { RawJson } from './raw-json.js';
import { maxSchemaVersion } from './schema-version.js';

const head = {
  eventId: z.string().min(1),
  schemaVersion: z.int().min(1).max(maxSchemaVersion),
  table: z.string(),
  id: z.string(),
};

/** zod schema of a {@link SyncChange}. */
export const syncChangeSchema = z.discriminatedUnion('op', [
  z.object({
    ...head,
    op: z.literal('insert'),
    /** The record's values; `{}` where the line has none. */
    data: z.unknown(),
  }),
  z.object({
    ...head,
    op: z.literal('update'),
    /** The changed fields: those that the line has both a value and a time for. */
    fields: z.record(z.string(), z.object({ value: z.unknown(), updatedAt: z.string() })),
  }),
  z.object({
    ...head,
    op: z.literal('delete'),
    /** When the client deleted it, where the line says so. */
    deletedAt: z.string().optional(),
  }),
]);

/** One change as a client's `applyServerChanges()` takes it. */
export type SyncChange = z.infer<typeof syncChangeSchema>;

/**
 * Converts a line for hosts that apply changes themselves. An insert carries `data`; an update
 * carries a field for each name that is in both `data` and `fieldTimestamps`, with its time (a text,
 * or the `at` of an object); a delete carries `deletedAt` where `data.deletedAt` is a text.
 *
 * Values are JavaScript's: numbers beyond a double lose digits. An update of which no field is left
 * has empty `fields`: `applyInBatches` counts those.
 *
 * @param line - a line of the schema version that the host's own code is at
 *
 * @example
 * ```ts
 * import { decodeExportLine, toSyncChange } from 'backup-streams';
 *
 * const change = toSyncChange(
 *   decodeExportLine(
 *     '{"eventId":"e1","schemaVersion":1,"appId":"todo","table":"tasks","id":"t1","op":"update",' +
 *       '"data":{"done": true},"fieldTimestamps":{"done": "2026-04-14T10:00:00Z"},' +
 *       '"clientId":"c1","createdAt":"2026-04-14T10:00:01Z"}',
 *   ),
 * );
 * // { …, op: 'update', fields: { done: { value: true, updatedAt: '2026-04-14T10:00:00Z' } } }
 * ```
 */
export function toSyncChange(line: ExportLine): SyncChange {
  const { eventId, schemaVersion, table, id } = line;
  const common = { eventId, schemaVersion, table, id };
  const data = valueOf(line.data);
  switch (line.op) {
    case 'insert':
      return { ...common, op: 'insert', data: data ?? {} };
    case 'update':
      return { ...common, op: 'update', fields: fieldsOf(data, valueOf(line.fieldTimestamps)) };
    case 'delete': {
      const deletedAt = memberOf(data, 'deletedAt');
      return { ...common, op: 'delete', ...(typeof deletedAt === 'string' && { deletedAt }) };
    }
  }
}

function valueOf(value: unknown): unknown {
  return value instanceof RawJson ? value.parse() : value;
}

function fieldsOf(
  data: unknown,
  times: unknown,
): Record<string, { value: unknown; updatedAt: string }> {
  if (!isObject(data) || !isObject(times)) return {};
  const fields: [string, { value: unknown; updatedAt: string }][] = [];
  for (const [name, time] of Object.entries(times)) {
    const updatedAt = typeof time === 'string' ? time : memberOf(time, 'at');
    if (typeof updatedAt !== 'string' || !Object.hasOwn(data, name)) continue;
    fields.push([name, { value: data[name], updatedAt }]);
  }
  // Defines members where an assignment to __proto__ would set the prototype.
  return Object.fromEntries(fields);
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
