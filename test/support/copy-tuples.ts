// Binary COPY data made of plain rows, as a server would send it (PostgreSQL manual, COPY, "Binary Format").
// Written apart from the decoder, so that both can be held against each other.

/** One row as an export selects it; every column may be NULL. */
export interface TupleRow {
  /** A uuid. */
  readonly id: string | null;
  readonly appId: string | null;
  readonly tableName: string | null;
  readonly recordId: string | null;
  readonly userId: string | null;
  readonly op: string | null;
  /** The text that Postgres gives for the jsonb. */
  readonly data: string | null;
  readonly fieldTimestamps: string | null;
  readonly clientId: string | null;
  /** Microseconds since 2000-01-01 UTC. */
  readonly createdAt: bigint | null;
  readonly schemaVersion: number | null;
  /** The host's own columns, as jsonb. */
  readonly extra: readonly (string | null)[];
}

/** A field of a tuple: its bytes, or NULL. */
export type Field = Uint8Array | null;

/** The times that stand for infinity. */
export const INFINITY_MICROS = { plus: 2n ** 63n - 1n, minus: -(2n ** 63n) } as const;

const EPOCH_2000_MS = 946_684_800_000;

/** An ordinary row with whatever the test is about. */
export function tupleRow(changes: Partial<TupleRow> = {}): TupleRow {
  return {
    id: '00000000-0000-4000-8000-000000000001',
    appId: 'todo',
    tableName: 'tasks',
    recordId: 'task-1',
    userId: 'user-1',
    op: 'insert',
    data: '{"title": "Buy milk"}',
    fieldTimestamps: null,
    clientId: 'client-a',
    createdAt: microsOf('2026-04-14T10:00:00Z'),
    schemaVersion: 1,
    extra: [],
    ...changes,
  };
}

/** Microseconds since 2000 of an RFC 3339 time of any offset. */
export function microsOf(time: string): bigint {
  const [, second = '', fraction = '', zone = ''] = /^([^.Z+]+)(?:\.(\d+))?(.*)$/.exec(time) ?? [];
  const ms = Date.parse(second + zone);
  if (Number.isNaN(ms)) throw new RangeError(`not a time: ${time}`);
  return BigInt(ms - EPOCH_2000_MS) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

/** The fields of a row, in the order of the columns. */
export function fieldsOf(row: TupleRow): readonly Field[] {
  return [
    row.id === null ? null : Buffer.from(row.id.replaceAll('-', ''), 'hex'),
    textField(row.appId),
    textField(row.tableName),
    textField(row.recordId),
    textField(row.userId),
    textField(row.op),
    jsonbField(row.data),
    jsonbField(row.fieldTimestamps),
    textField(row.clientId),
    row.createdAt === null ? null : int64(row.createdAt),
    row.schemaVersion === null ? null : int32(row.schemaVersion),
    ...row.extra.map((text) => jsonbField(text)),
  ];
}

/** A tuple of any fields. */
export function encodeTuple(fields: readonly Field[]): Buffer {
  const parts: Uint8Array[] = [int16(fields.length)];
  for (const field of fields) {
    if (field === null) parts.push(int32(-1));
    else parts.push(int32(field.length), field);
  }
  return Buffer.concat(parts);
}

/** What comes before the tuples. */
export function copyHeader({ flags = 0, extension = Buffer.alloc(0) } = {}): Buffer {
  const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
  return Buffer.concat([signature, int32(flags), int32(extension.length), extension]);
}

/** What comes after the tuples. */
export const copyTrailer = int16(-1);

/** The whole data of a COPY: header, rows, trailer. */
export function copyOf(rows: readonly TupleRow[]): Buffer {
  const tuples = rows.map((row) => encodeTuple(fieldsOf(row)));
  return Buffer.concat([copyHeader(), ...tuples, copyTrailer]);
}

/** A jsonb: a version byte, and the text. */
export function jsonbField(text: string | null, version = 1): Field {
  return text === null ? null : Buffer.concat([Buffer.from([version]), Buffer.from(text)]);
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function textField(text: string | null): Field {
  return text === null ? null : Buffer.from(text);
}
