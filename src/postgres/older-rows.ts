// Rows of the log that are of an older schema version, upcast and staged, so that they can be held
// against lines that were upcast too.

import { BackupError } from '../errors.js';
import { LineScanner } from '../format/line-scan.js';
import { toExportLine } from '../format/to-export-line.js';
import { encodeUpcast } from '../format/upcast.js';
import type { Upcaster } from '../format/upcast.js';
import { ChangeRowReader, tupleOfTexts } from './change-row.js';
import type { LogScope } from './export-options.js';
import type { RestoreSession } from './restore-session.js';
import { selectedFields } from './select-log.js';
import type { StageSql } from './stage-sql.js';
import { StagedLines } from './staged-line.js';

const pageSize = 500;

/** Rows that {@link decideOlder} upcasts: those that planning has marked. */
export interface OlderRows {
  readonly scope: LogScope;
  readonly upcaster: Upcaster;
  readonly sql: StageSql;
}

/** Decides for every marked line whether the log's row is the same once both are upcast. */
export async function decideOlder(session: RestoreSession, older: OlderRows): Promise<void> {
  const { sql } = older;
  await session.query(sql.create('again'));
  // Each page looks the marked lines up.
  await session.query(sql.indexSkipped, undefined, true);
  await session.query(sql.analyzeSkipped, undefined, true);
  for (let line: number | undefined = 0; line !== undefined;) {
    line = await stagePage(session, older, line);
  }
  await session.query(sql.indexUpcast, undefined, true);
  await session.query(sql.analyzeUpcast, undefined, true);
  await session.query(sql.compareUpcast, undefined, true);
}

/** @returns the last line of the page; undefined when there was none */
async function stagePage(
  session: RestoreSession,
  { scope, upcaster, sql }: OlderRows,
  after: number,
): Promise<number | undefined> {
  const page = [scope.userId, after, pageSize];
  const { rows } = await session.query(sql.olderRows(selectedFields(scope.log)), page, true);
  if (rows.length === 0) return undefined;
  const reader = new ChangeRowReader(scope);
  const scan = new LineScanner();
  const staged = new StagedLines({
    extraMembers: scope.log.extraColumns.map(([member]) => member),
    remapTo: undefined,
  });
  let last = after;
  for (const row of rows as Record<string, string | null>[]) {
    const fields = Object.values(row);
    last = Number(fields.at(-1));
    try {
      const line = toExportLine(reader.read(tupleOfTexts(fields.slice(0, -1)), last));
      const bytes = Buffer.from(encodeUpcast(upcaster.upcast(line), line));
      scan.scan(bytes, 0, bytes.length, last);
    } catch (error) {
      // What cannot be upcast is not the same; whether that is a conflict is the policy's to say.
      if (error instanceof BackupError) continue;
      throw error;
    }
    staged.add(scan, last);
  }
  const copy = await session.copyIn(sql.copy('again'));
  await session.answer(Promise.resolve(copy.write(staged.takeLast())));
  await session.answer(copy.finish());
  return last;
}
