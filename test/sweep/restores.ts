// Restores of random lines into random logs, held against a model of a few lines: what is there already, what
// came before, what contradicts, and what the log holds afterwards, other users' rows included.
import assert from 'node:assert/strict';

import type pg from 'pg';

import type { SeededRandom } from '../../dev/random.js';
import type { RowText } from '../../dev/row-text.js';
import { createUpcaster, isBackupError, parseJsonl } from '../../src/index.js';
import type { Upcaster } from '../../src/index.js';
import type { RestoreInput, RestoreOptions, RestoreReport } from '../../src/postgres/index.js';
import { STRANGER, USER, eventIdOf } from '../support/change-log.js';
import { chunked } from '../support/collect.js';
import type { TestDatabase } from '../support/database.js';
import { restore } from '../support/restored.js';

/** What an event says, data as jsonb shows it; none for what an export leaves out. */
interface Content {
  readonly app: string;
  readonly record: string;
  readonly data: string;
  readonly at: string;
  readonly version: number;
}

/** An event of a log or of lines. */
interface Event extends Content {
  readonly number: number;
}

const NONE = '';
const UPCAST_DATA = '{"up": 1}';

// The same values under several spellings, and others that jsonb's own equality takes for the same.
const DATA: readonly [string, ...string[]] = [
  '{"a": 1}',
  '{"a": 1.0}',
  '{"b": 2, "aa": "ü"}',
  NONE,
];
const SPELLINGS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  '{"a": 1}': ['{"a": 1}', '{ "a" : 1 }', '{"\\u0061":1}'],
  '{"a": 1.0}': ['{"a": 1.0}', '{"a":1.0}'],
  '{"b": 2, "aa": "ü"}': ['{"b": 2, "aa": "ü"}', '{"aa":"\\u00fc","b":2}'],
  [UPCAST_DATA]: [UPCAST_DATA],
  [NONE]: ['{}', 'null'],
};

const RECORDS: readonly [string, ...string[]] = ['kept', 'changed'];

/** The upcaster that {@link upcast} is the model of. */
const upcaster = createUpcaster({
  current: 2,
  steps: {
    1: (line) => (line.id === 'changed' ? { ...line, data: { up: 1 } } : line),
  },
});

function upcast(content: Content): Content {
  if (content.version > 1) return content;
  return {
    ...content,
    version: 2,
    data: content.record === 'changed' ? UPCAST_DATA : content.data,
  };
}

/** A log, and lines to restore into it, with the options to do so. */
interface Case {
  readonly own: readonly Event[];
  readonly strangers: readonly Event[];
  readonly lines: readonly Event[];
  readonly options: Partial<RestoreOptions> & { readonly upcaster?: Upcaster };
}

/** What a restore must come to. */
interface Expected {
  readonly counts: Pick<
    RestoreReport,
    'lineCount' | 'newCount' | 'presentCount' | 'repeatedCount' | 'conflictCount'
  >;
  readonly conflicts: readonly { readonly lineNumber: number; readonly reason: string }[];
  /** The first line of which somebody else has the event. */
  readonly unavailableLine: number | undefined;
  readonly written: readonly Event[];
}

/**
 * Restores a random case and looks at everything that there is afterwards.
 *
 * @returns how it ended
 */
export async function tryRestore(
  db: TestDatabase,
  pool: pg.Pool,
  random: SeededRandom,
): Promise<string> {
  const tried = randomCase(random);
  const { own, strangers, lines, options } = tried;
  await db.admin.query('TRUNCATE sync_changes');
  await db.insert([
    ...own.map((event) => rowOf(event, USER, random)),
    ...strangers.map((event) => rowOf(event, STRANGER, random)),
  ]);
  const before = await rowsOf(db);
  const input = (): RestoreInput => inputOf(lines, random);
  const expected = expectedOf(tried);
  const { counts, conflicts, unavailableLine } = expected;
  const stops = (options.onConflict ?? 'stop') === 'stop' && counts.conflictCount > 0;
  if (options.dryRun !== true && (stops || unavailableLine !== undefined)) {
    const error: unknown = await restore(pool, input(), options).then(
      () => assert.fail('restored what contradicts'),
      (reason: unknown) => reason,
    );
    assert.ok(isBackupError(error, 'BACKUP_RESTORE_CONFLICT'), String(error));
    const first = stops ? conflicts[0] : { lineNumber: unavailableLine, reason: 'unavailable' };
    const { lineNumber, reason } = error.details;
    assert.deepEqual({ lineNumber, reason }, first);
    if (stops) assert.equal(error.details.conflictCount, counts.conflictCount);
    assert.deepEqual(await rowsOf(db), before);
    return stops ? 'stopped' : 'unavailable';
  }
  assertReport(await restore(pool, input(), options), { ...expected, stops });
  if (options.dryRun === true) {
    assert.deepEqual(await rowsOf(db), before);
    return 'dry run';
  }
  const after = rowTexts(expected.written).concat(before).sort();
  assert.deepEqual(await rowsOf(db), after);
  const { newCount, presentCount, ...same } = counts;
  const again = { ...same, newCount: 0, presentCount: newCount + presentCount };
  assertReport(await restore(pool, input(), options), { ...expected, counts: again, stops });
  assert.deepEqual(await rowsOf(db), after);
  return 'restored';
}

function randomCase(random: SeededRandom): Case {
  const ids = random.integer(1, 12);
  const own = distinct(Array.from({ length: random.integer(0, 6) }, () => event(random, ids)));
  const taken = new Set(own.map(({ number }) => number));
  const theirs = Array.from({ length: random.chance(0.3) ? 2 : 0 }, () => event(random, ids));
  const strangers = distinct(theirs).filter(({ number }) => !taken.has(number));
  const lines = Array.from({ length: random.integer(1, 30) }, () =>
    // What an earlier restore has left, or what a user has twice.
    random.chance(0.4) && own.length > 0
      ? random.pick(own as [Event, ...Event[]])
      : event(random, ids),
  );
  const isAnyTheirs = strangers.some(({ number }) => lines.some((line) => line.number === number));
  return {
    own,
    strangers,
    lines,
    options: {
      dryRun: random.chance(0.2),
      onConflict: random.pick(['stop', 'keep-existing', 'report']),
      ...(random.chance(0.4) && { upcaster }),
      // Batches before the one that fails would stay.
      ...(random.chance(0.4) && !isAnyTheirs && { batchSize: random.integer(1, 5) }),
    },
  };
}

function event(random: SeededRandom, ids: number): Event {
  return {
    number: random.integer(1, ids),
    // Few values, so that contents are often the same, or differ in one thing only.
    app: random.chance(0.9) ? 'todo' : 'notes',
    record: random.pick(RECORDS),
    data: random.chance(0.6) ? DATA[0] : random.pick(DATA),
    at: random.chance(0.9) ? '2026-04-14T10:00:00Z' : '2026-04-14T10:00:00.000001Z',
    version: random.chance(0.8) ? 1 : 2,
  };
}

function distinct(events: readonly Event[]): readonly Event[] {
  return [...new Map(events.map((one) => [one.number, one])).values()];
}

function expectedOf({ own, strangers, lines, options }: Case): Expected {
  const read = options.upcaster === undefined ? (content: Event) => content : upcastEvent;
  const log = new Map(own.map((row) => [row.number, row]));
  const theirs = new Set(strangers.map(({ number }) => number));
  const seen = new Map<number, Event>();
  const conflicts: { lineNumber: number; reason: string }[] = [];
  const written: Event[] = [];
  let presentCount = 0;
  let repeatedCount = 0;
  let unavailableLine: number | undefined;
  for (const [index, given] of lines.entries()) {
    const line = read(given);
    const lineNumber = index + 1;
    const earlier = seen.get(line.number);
    const row = log.get(line.number);
    if (earlier !== undefined) {
      if (isSame(earlier, line)) repeatedCount += 1;
      else conflicts.push({ lineNumber, reason: 'repeated' });
      continue;
    }
    seen.set(line.number, line);
    if (row === undefined) {
      written.push(line);
      if (theirs.has(line.number)) unavailableLine ??= lineNumber;
    } else if (isSame(row, line) || isSame(read(row), line)) presentCount += 1;
    else conflicts.push({ lineNumber, reason: 'other-content' });
  }
  const newCount = written.length;
  const conflictCount = conflicts.length;
  const counts = { lineCount: lines.length, newCount, presentCount, repeatedCount, conflictCount };
  return { counts, conflicts, unavailableLine, written };
}

function upcastEvent(given: Event): Event {
  return { number: given.number, ...upcast(given) };
}

function isSame(a: Event, b: Event): boolean {
  return rowText(a, USER) === rowText(b, USER);
}

function assertReport(
  report: RestoreReport,
  { counts, conflicts, stops }: Expected & { readonly stops: boolean },
): void {
  const { lineCount, newCount, presentCount, repeatedCount, conflictCount } = report;
  assert.deepEqual(
    { lineCount, newCount, presentCount, repeatedCount, conflictCount },
    { ...counts },
  );
  assert.deepEqual([report.ok, report.refusedCount, report.refused], [!stops, 0, []]);
  assert.deepEqual(
    report.conflicts.map(({ lineNumber, reason }) => ({ lineNumber, reason })),
    conflicts,
  );
}

function inputOf(lines: readonly Event[], random: SeededRandom): RestoreInput {
  const bytes = Buffer.from(lines.map((line) => lineText(line, random)).join(''));
  if (random.chance(0.3)) return parseJsonl([bytes]);
  return random.chance(0.5) ? [bytes] : chunked(bytes, random.integer(1, 400));
}

function lineText(line: Event, random: SeededRandom): string {
  const id = eventIdOf(line.number);
  const data = spelling(line.data, random);
  return (
    `{"eventId":"${random.chance(0.1) ? id.toUpperCase() : id}","schemaVersion":${line.version},` +
    `"appId":"${line.app}","table":"tasks","id":"${line.record}","op":"insert",` +
    `${data === 'null' ? '' : `"data":${data},`}"clientId":"client-a","createdAt":"${line.at}"}\n`
  );
}

function spelling(data: string, random: SeededRandom): string {
  return random.pick(SPELLINGS[data] as readonly [string, ...string[]]);
}

function rowOf(row: Event, userId: string, random: SeededRandom): RowText {
  return {
    id: eventIdOf(row.number),
    app_id: row.app,
    table_name: 'tasks',
    record_id: row.record,
    user_id: userId,
    op: 'insert',
    data: spelling(row.data, random),
    field_timestamps: random.pick([null, '{}', 'null']),
    client_id: 'client-a',
    created_at: row.at,
    schema_version: row.version,
  };
}

/** Everything that the table holds, as {@link rowText} writes it. */
async function rowsOf(db: TestDatabase): Promise<readonly string[]> {
  const { rows } = await db.admin.query<{ text: string }>(`
    SELECT concat_ws('|', id, user_id, app_id, table_name, record_id, op,
      CASE WHEN data IN ('{}', 'null') THEN '' ELSE coalesce(data::text, '') END,
      client_id, created_at AT TIME ZONE 'UTC', schema_version) AS text
    FROM sync_changes`);
  return rows.map(({ text }) => text).sort();
}

function rowTexts(events: readonly Event[]): readonly string[] {
  return events.map((one) => rowText(one, USER));
}

function rowText(row: Event, userId: string): string {
  const at = row.at.replace('T', ' ').replace('Z', '');
  const parts = [eventIdOf(row.number), userId, row.app, 'tasks', row.record, 'insert', row.data];
  return [...parts, 'client-a', at, row.version].join('|');
}
