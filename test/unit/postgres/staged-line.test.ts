// Scanned lines to tuples: which event ids are uuids, and that a line with another one leaves nothing behind.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { type ExportLine, encodeExportLine, isBackupError } from '../../../src/index.js';
import { LineScanner } from '../../../src/format/line-scan.js';
import { StagedLines } from '../../../src/postgres/staged-line.js';
import { anyLine } from '../../support/arbitraries.js';
import { exportLine } from '../../support/change-rows.js';

const ID = '0123abcd-89ef-4567-8abc-def012345678';
// Frame, header, number of fields, then the line's number with its length.
const ID_AT = 5 + 19 + 2 + 8;

function stage(staged: StagedLines, eventId: string): void {
  const scanner = new LineScanner();
  const line = Buffer.from(
    `{"eventId":"${eventId}","schemaVersion":1,"appId":"a","table":"t","id":"r","op":"insert",` +
      '"clientId":"c","createdAt":"2026-04-14T10:00:00Z"}',
  );
  scanner.scan(line, 0, line.length, 1);
  staged.add(scanner, 1);
}

const newStage = (): StagedLines => new StagedLines({ extraMembers: [], remapTo: undefined });

test('an event id becomes the 16 bytes of its uuid, however it is spelt', () => {
  for (const spelt of [ID, ID.toUpperCase(), ID.replace('a', '\\u0061')]) {
    const staged = newStage();
    stage(staged, spelt);
    const message = Buffer.from(staged.take());
    assert.equal(message.readInt32BE(ID_AT), 16);
    assert.equal(
      message.toString('hex', ID_AT + 4, ID_AT + 20),
      ID.replaceAll('-', ''),
      `of ${spelt}`,
    );
  }
});

test('an event id that is no uuid is refused, and nothing of its line is staged', () => {
  const wrong = [ID.slice(1), `${ID}0`, ID.replaceAll('-', ''), `{${ID.slice(2)}}`];
  for (let at = 0; at < ID.length; at += 1) {
    // A dash where a digit should be, and the other way round; a letter that is no digit.
    wrong.push(`${ID.slice(0, at)}${ID[at] === '-' ? '0' : '-'}${ID.slice(at + 1)}`);
    wrong.push(`${ID.slice(0, at)}g${ID.slice(at + 1)}`);
  }
  for (const eventId of wrong) {
    const staged = newStage();
    const { length } = staged;
    assert.throws(
      () => {
        stage(staged, eventId);
      },
      (error) => isBackupError(error, 'BACKUP_LINE_INVALID') && error.details.member === 'eventId',
      eventId,
    );
    assert.equal(staged.length, length);
    assert.equal(staged.lineCount, 0);
  }
});

/** A text as JSON, of which the units that are chosen are escaped. */
function spelt(text: string, isEscaped: (at: number) => boolean): string {
  const units = Array.from({ length: text.length }, (_, at) => text.charAt(at));
  return `"${units
    .map((unit, at) =>
      isEscaped(at)
        ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
        : JSON.stringify(unit).slice(1, -1),
    )
    .join('')}"`;
}

const texts = ['eventId', 'appId', 'table', 'id', 'op', 'clientId', 'createdAt'] as const;

function tupleOf(line: ExportLine, isEscaped: (at: number) => boolean): Buffer {
  const members = texts.map((name) => `"${name}":${spelt(line[name], isEscaped)}`);
  members.push(`"schemaVersion":${String(line.schemaVersion)}`);
  const bytes = Buffer.from(`{${members.join(',')}}`);
  const scanner = new LineScanner();
  scanner.scan(bytes, 0, bytes.length, 1);
  const staged = newStage();
  staged.add(scanner, 1);
  return Buffer.from(staged.take());
}

test('every text means the same, however much of it is escaped', () => {
  const withUuid = fc
    .tuple(anyLine, fc.uuid())
    .map(([line, eventId]): ExportLine => ({ ...line, eventId }));
  fc.assert(
    fc.property(withUuid, fc.array(fc.boolean(), { minLength: 1 }), (line, chosen) => {
      assert.ok(encodeExportLine(line));
      const plain = tupleOf(line, () => false);
      assert.ok(tupleOf(line, (at) => chosen[at % chosen.length] === true).equals(plain));
    }),
    { numRuns: 500 },
  );
});

test('a time of which any one character is escaped is the same time', () => {
  for (const createdAt of [
    '2026-04-14T10:00:01Z',
    '2026-04-14T10:00:01.1Z',
    '2026-04-14T10:00:01.123456Z',
  ]) {
    const line = exportLine({ eventId: ID, createdAt });
    const plain = tupleOf(line, () => false);
    for (let escaped = 0; escaped < createdAt.length; escaped += 1) {
      assert.ok(
        tupleOf(line, (at) => at === escaped).equals(plain),
        `${createdAt} ${String(escaped)}`,
      );
    }
  }
});
