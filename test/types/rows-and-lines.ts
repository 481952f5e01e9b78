// What the compiler promises about rows, lines and the parts that turn one into the other.
import type { Transform } from 'node:stream';
import { changeSourceFrom, JsonlSerializer, RawJson, toExportLine } from '../../src/index.js';
import { decodeExportLine, encodeExportLine, normalizeSchemaVersion } from '../../src/index.js';
import type { ChangeRow, ChangeSource, ExportLine } from '../../src/index.js';

export const row: ChangeRow = {
  id: '00000000-0000-4000-8000-000000000001',
  appId: 'todo',
  tableName: 'tasks',
  recordId: 'task-1',
  userId: 'user-1',
  op: 'insert',
  data: new RawJson('{"title":"Buy milk"}'),
  fieldTimestamps: null,
  clientId: 'client-a',
  createdAt: new Date(0),
};

export function aRowHasItsMembersAndNoOther(): ChangeRow[] {
  const { userId, ...nobodys } = row;
  return [
    { ...row, schemaVersion: null },
    { ...row, schemaVersion: 3, createdAt: '2026-04-14T10:00:00Z' },
    { ...row, data: { title: 'Buy milk' } },
    // @ts-expect-error -- a row belongs to somebody
    nobodys,
    // @ts-expect-error -- no such operation
    { ...row, op: 'upsert' },
    // @ts-expect-error -- the names are camelCase
    { ...row, app_id: 'todo' },
  ];
}

export function aLineIsMadeOfARowAndIsText(): string {
  const line: ExportLine = toExportLine(row);
  line.op satisfies 'insert' | 'update' | 'delete';
  line.schemaVersion satisfies number;
  // @ts-expect-error -- readonly
  line.eventId = '';
  // @ts-expect-error -- a row is no line
  encodeExportLine(row);
  // @ts-expect-error -- bytes are no text
  decodeExportLine(new Uint8Array());
  return encodeExportLine(decodeExportLine(encodeExportLine(line)));
}

export function aSchemaVersionMayBeMissing(): number {
  // @ts-expect-error -- a number, not its text
  normalizeSchemaVersion('2');
  return normalizeSchemaVersion(null) + normalizeSchemaVersion(undefined);
}

export function anyIterableOfRowsIsASource(rows: AsyncIterable<ChangeRow>): ChangeSource {
  // @ts-expect-error -- lines are no rows
  changeSourceFrom([toExportLine(row)]);
  changeSourceFrom([row]) satisfies AsyncIterable<ChangeRow> & AsyncDisposable;
  changeSourceFrom(new Set([row])).batches() satisfies AsyncIterable<readonly ChangeRow[]>;
  return changeSourceFrom(rows);
}

export function aSerializerTakesRowsOrWhatItsMapperTakes(): Transform[] {
  interface Note {
    readonly row: ChangeRow;
  }
  return [
    new JsonlSerializer(),
    new JsonlSerializer({ map: (item) => toExportLine({ ...item, clientId: '' }) }),
    new JsonlSerializer<Note>({ map: (note) => toExportLine(note.row) }),
    new JsonlSerializer({ onFlush: ({ lines, bytes }) => lines + bytes }),
    new JsonlSerializer({ onFlush: async () => Promise.resolve() }),
    // @ts-expect-error -- a mapper gives a line
    new JsonlSerializer({ map: (item: ChangeRow) => item }),
    // @ts-expect-error -- no such option
    new JsonlSerializer({ flushLines: 500 }),
  ];
}
