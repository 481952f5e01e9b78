// A made-up change log that looks like a real one: several users and apps, records that are inserted, updated
// and deleted, encrypted fields, old schema versions, text of all kinds. The same seed gives the same rows.
import { SeededRandom } from './random.js';
import { type RowText, insertRowsQuery } from './row-text.js';

/** Options of {@link sampleRows}. */
export interface SampleRowsOptions {
  /** How many rows. */
  readonly count: number;
  /** Default: 1. */
  readonly seed?: number;
  /** Whose rows; they take turns at random. Default: {@link SAMPLE_USERS}. */
  readonly userIds?: readonly [string, ...string[]];
}

/** The users of a sample unless others are asked for; the last one's name is no ASCII. */
export const SAMPLE_USERS = ['user-1', 'user-2', 'user-3', 'zoë@example.test'] as const;

const TABLES = [
  { app: 'todo', table: 'tasks', fields: ['title', 'completed', 'priority', 'dueDate', 'notes'] },
  { app: 'todo', table: 'lists', fields: ['title', 'color', 'position'] },
  { app: 'notes', table: 'notes', fields: ['title', 'body', 'tags', 'pinned'] },
  { app: 'calendar', table: 'events', fields: ['title', 'start', 'location', 'attendees'] },
  { app: 'chat', table: 'messages', fields: ['body', 'author', 'reactions'] },
  { app: 'finance', table: 'entries', fields: ['amount', 'memo', 'account'] },
] as const satisfies readonly { app: string; table: string; fields: readonly string[] }[];

/** Which fields a host that encrypts by field would encrypt. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['notes', 'body', 'memo', 'location']);

const TEXTS = [
  'Buy milk',
  'Call the plumber before Friday',
  'Übergröße prüfen — „dringend“',
  '買い物リスト：牛乳、卵',
  'שלום, מה נשמע?',
  'Family 👨‍👩‍👧‍👦 trip ✈️',
  'cafe\u0301 with a combining accent',
  'line one\nline two\ttabbed',
  'separators \u2028 and \u2029 inside',
  'quotes " and \\ and </script>',
  '',
] as const;

/** Numbers as JSON text: JavaScript's own would lose some of them. */
const NUMBERS = [
  '0',
  '1',
  '-7',
  '3.14',
  '1.50',
  '12345678901234567890',
  '9007199254740993',
  '0.1000000000000000055511151231257827',
  '1e400',
] as const;

const FIRST_CREATED_AT_MICROS = Date.UTC(2026, 0, 5, 8) * 1_000;
const LIVE_RECORDS_PER_USER = 100;

interface LiveRecord {
  readonly tableIndex: number;
  readonly recordId: string;
}

/** Rows in the order in which they were written, `created_at` rising and now and then equal. */
export function* sampleRows(options: SampleRowsOptions): Generator<RowText, void, undefined> {
  const { count, seed = 1, userIds = SAMPLE_USERS } = options;
  const random = new SeededRandom(seed);
  const liveRecords = new Map<string, LiveRecord[]>();
  let createdAtMicros = FIRST_CREATED_AT_MICROS;
  for (let index = 0; index < count; index += 1) {
    if (!random.chance(0.04)) createdAtMicros += random.integer(1, 90_000_000);
    const userId = random.pick(userIds);
    let live = liveRecords.get(userId);
    if (live === undefined) liveRecords.set(userId, (live = []));
    yield { ...change(random, live, createdAtMicros), user_id: userId };
  }
}

function change(
  random: SeededRandom,
  live: LiveRecord[],
  createdAtMicros: number,
): Omit<RowText, 'user_id'> {
  const isInsert = live.length === 0 || (live.length < LIVE_RECORDS_PER_USER && random.chance(0.4));
  const position = random.integer(0, Math.max(0, live.length - 1));
  const record = (isInsert ? undefined : live[position]) ?? newRecord(random, live);
  const { app, table, fields } = TABLES[record.tableIndex] ?? TABLES[0];
  const common = {
    id: random.uuid(),
    app_id: app,
    table_name: table,
    record_id: record.recordId,
    client_id: `client-${String(random.integer(1, 6))}`,
    created_at: formatMicros(createdAtMicros),
    schema_version: random.chance(0.02) ? 0 : random.integer(1, 3),
  };
  if (isInsert) {
    return {
      ...common,
      op: 'insert',
      data: jsonObject(fields.map((field) => [field, fieldValue(random, field)])),
      field_timestamps: random.chance(0.1) ? null : '{}',
    };
  }
  if (random.chance(0.15)) {
    live.splice(position, 1);
    const deletedAt = JSON.stringify(formatMillis(createdAtMicros));
    const data = random.chance(0.5) ? jsonObject([['deletedAt', deletedAt]]) : null;
    return { ...common, op: 'delete', data, field_timestamps: '{}' };
  }
  const first = random.integer(0, fields.length - 1);
  const changed = fields.slice(first, first + random.integer(1, 2));
  const at = JSON.stringify(formatMillis(createdAtMicros - random.integer(0, 5_000_000)));
  return {
    ...common,
    op: 'update',
    data: jsonObject(changed.map((field) => [field, fieldValue(random, field)])),
    field_timestamps: jsonObject(changed.map((field) => [field, at])),
  };
}

function newRecord(random: SeededRandom, live: LiveRecord[]): LiveRecord {
  const record = { tableIndex: random.integer(0, TABLES.length - 1), recordId: random.uuid() };
  live.push(record);
  return record;
}

/** A value as JSON text. */
function fieldValue(random: SeededRandom, field: string): string {
  if (SECRET_FIELDS.has(field) && random.chance(0.6)) return encrypted(random);
  switch (random.integer(0, 9)) {
    case 0:
      return random.pick(['true', 'false']);
    case 1:
      return 'null';
    case 2:
    case 3:
      return random.pick(NUMBERS);
    case 4:
      return JSON.stringify([random.pick(TEXTS), random.integer(0, 9), { nested: [] }]);
    default:
      return JSON.stringify(random.pick(TEXTS));
  }
}

/** Ciphertext in the two shapes that clients write: one string, or an object. */
function encrypted(random: SeededRandom): string {
  const iv = random.bytes(12).toString('base64');
  const ciphertext = random.bytes(random.integer(16, 120)).toString('base64');
  return JSON.stringify(random.chance(0.7) ? `enc:1:${iv}.${ciphertext}` : { iv, ct: ciphertext });
}

function jsonObject(members: readonly (readonly [name: string, json: string])[]): string {
  return `{${members.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`;
}

function formatMillis(micros: number): string {
  return new Date(Math.floor(micros / 1_000)).toISOString();
}

function formatMicros(micros: number): string {
  const rest = String(micros % 1_000).padStart(3, '0');
  return formatMillis(micros).replace('Z', `${rest}Z`);
}

/** What {@link writeRows} needs of a pg client or pool. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

/**
 * Inserts rows into `sync_changes`, a few thousand per statement, in one transaction per statement. Connect as
 * a role that row-level security does not hold back.
 *
 * @returns how many rows were written
 */
export async function writeRows(db: Queryable, rows: Iterable<RowText>): Promise<number> {
  let written = 0;
  let batch: RowText[] = [];
  const send = async (): Promise<void> => {
    const { text, values } = insertRowsQuery(batch);
    await db.query(text, values);
    written += batch.length;
    batch = [];
  };
  for (const row of rows) {
    batch.push(row);
    if (batch.length === 2_000) await send();
  }
  if (batch.length > 0) await send();
  return written;
}
