// Rows and lines as JavaScript values: made by hand, or out of the shared vectors.
import { RawJson, encodeExportLine, toExportLine } from '../../src/index.js';
import type { ChangeOp, ChangeRow, ExportLine } from '../../src/index.js';
import type { LineVector } from './vectors.js';

/** A row that is like every other, with whatever the test is about. */
export function changeRow(changes: Partial<ChangeRow> = {}): ChangeRow {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    appId: 'todo',
    tableName: 'tasks',
    recordId: 'task-1',
    userId: 'user-1',
    op: 'insert',
    data: new RawJson('{"title": "Buy milk"}'),
    clientId: 'client-a',
    createdAt: '2026-04-14T10:00:00Z',
    schemaVersion: 1,
    ...changes,
  };
}

/** Rows 1 … `count`, a microsecond apart, each with `dataBytes` characters in its data. */
export function changeRows(count: number, dataBytes = 10): ChangeRow[] {
  const filler = 'x'.repeat(dataBytes);
  return Array.from({ length: count }, (_, index) =>
    changeRow({
      id: `00000000-0000-4000-8000-${(index + 1).toString(16).padStart(12, '0')}`,
      recordId: `task-${index + 1}`,
      data: new RawJson(`{"n": ${index + 1}, "filler": "${filler}"}`),
      createdAt: `2026-04-14T10:00:00.${String(index + 1).padStart(6, '0')}`.replace(/0*$/, 'Z'),
    }),
  );
}

/** A line that is like every other, with whatever the test is about. */
export function exportLine(changes: Partial<ExportLine> = {}): ExportLine {
  return { ...toExportLine(changeRow()), ...changes };
}

/** What rows must give, one line after the other: the definition of an export. */
export function jsonlOf(rows: readonly ChangeRow[]): string {
  return rows.map((row) => `${encodeExportLine(toExportLine(row))}\n`).join('');
}

/** The row of a vector as a source yields it: Postgres' own text of both jsonb columns. */
export function vectorRow({ row, dataText, fieldTimestampsText }: LineVector): ChangeRow {
  return {
    id: row.id,
    appId: row.app_id,
    tableName: row.table_name,
    recordId: row.record_id,
    userId: row.user_id,
    op: row.op as ChangeOp,
    data: dataText === null ? null : new RawJson(dataText),
    fieldTimestamps: fieldTimestampsText === null ? null : new RawJson(fieldTimestampsText),
    clientId: row.client_id,
    createdAt: row.created_at,
    schemaVersion: row.schema_version,
  };
}
