// What a verification's report says of what was found: listed up to a limit, counted, and weighed by its code.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Report } from '../../../src/archive/verify-report.js';
import type { Manifest } from '../../../src/format/manifest.js';
import { BackupError } from '../../../src/index.js';
import { detailsOf } from '../../../src/stream/archive-port.js';
import { failureOf } from '../../support/failures.js';

const invalid = (reason: string): BackupError =>
  new BackupError('BACKUP_ARCHIVE_INVALID', reason, { reason });
const lineInvalid = (byteOffset?: number): BackupError =>
  new BackupError('BACKUP_LINE_INVALID', 'bad', {
    reason: 'bad',
    ...(byteOffset !== undefined && { byteOffset }),
  });

/** A report of these, in order. */
function reportOf(...problems: readonly BackupError[]): Report {
  const report = new Report(10);
  for (const problem of problems) report.add(problem);
  return report;
}

test('nothing found is ok and intact, and authentic only when somebody says so', () => {
  const { ok, intact, authentic, problems, problemCount, warnings } = reportOf().finish();
  assert.deepEqual([ok, intact, authentic, problemCount], [true, true, false, 0]);
  assert.deepEqual([problems, warnings], [[], []]);
  assert.equal(reportOf().finish(undefined, true).authentic, true);
  assert.ok(!('manifest' in reportOf().finish()));
});

test('an archive whose signature fails is not ok, and may be intact', () => {
  const signature = [
    new BackupError('BACKUP_SIGNATURE_MISSING', 'none', { requiredBy: 'caller' }),
    new BackupError('BACKUP_SIGNATURE_INVALID', 'bad', { reason: 'bad' }),
    new BackupError('BACKUP_KEY_UNTRUSTED', 'whose', { keyId: 'k' }),
  ];
  for (const problem of signature) {
    const { ok, intact, problems } = reportOf(problem).finish();
    assert.deepEqual([ok, intact], [false, true], problem.code);
    assert.equal(problems[0]?.entry, 'manifest.sig');
    assert.equal(reportOf(problem, invalid('cut')).finish().intact, false);
  }
});

test('what the caller did not expect leaves an archive intact, and not ok', () => {
  const report = reportOf();
  const details = { found: 'archive', rowCount: 0 } as const;
  report.addUnexpected(new BackupError('BACKUP_TENANCY_MISMATCH', 'whose', details));
  const { ok, intact, problemCount, problems } = report.finish();
  assert.deepEqual([ok, intact, problemCount], [false, true, 1]);
  assert.equal(problems[0]?.entry, 'manifest.json');
});

test('a line that is only counted is a problem like one that is listed', () => {
  const counted = reportOf();
  counted.countOfLine();
  const listed = reportOf();
  listed.addOfLine(lineInvalid(), { lineNumber: 1, byteOffset: 0 });
  for (const report of [counted, listed]) {
    const { ok, intact, problemCount } = report.finish();
    assert.deepEqual([ok, intact, problemCount], [false, false, 1]);
  }
});

test('problems are listed up to the limit, and counted beyond it', () => {
  const report = new Report(2);
  const full: boolean[] = [];
  for (const reason of ['1', '2', '3', '4']) {
    full.push(report.isFull);
    report.add(invalid(reason));
  }
  assert.deepEqual(full, [false, false, true, true]);
  const { problems, problemCount } = report.finish();
  assert.deepEqual(
    problems.map((problem) => detailsOf(problem)),
    [{ reason: '1' }, { reason: '2' }],
  );
  assert.equal(problemCount, 4);
});

test('a problem of a line is in the events, where the line begins and what is wrong in it', () => {
  const report = reportOf();
  report.addOfLine(lineInvalid(5), { lineNumber: 3, byteOffset: 100 });
  report.addOfLine(lineInvalid(), { lineNumber: 4, byteOffset: 200 });
  report.addOfLine(
    new BackupError('BACKUP_ORDER_VIOLATED', 'order', { lineNumber: 5, reason: 'earlier' }),
    { lineNumber: 5, byteOffset: 300 },
  );
  assert.deepEqual(
    report
      .finish()
      .problems.map(({ entry, lineNumber, byteOffset }) => [entry, lineNumber, byteOffset]),
    [
      ['events.jsonl', 3, 105],
      ['events.jsonl', 4, 200],
      ['events.jsonl', 5, 300],
    ],
  );
});

test('a problem has the places that its error tells, and an entry by its code', () => {
  const report = reportOf(
    new BackupError('BACKUP_DIGEST_MISMATCH', 'other bytes', {
      ...{ entry: 'events.jsonl', member: 'segments' },
      ...{ segment: 2, lineNumber: 7, byteOffset: 9 },
    }),
    new BackupError('BACKUP_MANIFEST_INVALID', 'bad', { reason: 'bad', member: 'apps' }),
    new BackupError('BACKUP_COUNT_MISMATCH', 'count', { expected: 1, found: 2 }),
    invalid('cut'),
  );
  assert.deepEqual(report.finish().problems, [
    {
      ...{ code: 'BACKUP_DIGEST_MISMATCH', message: 'other bytes', entry: 'events.jsonl' },
      ...{ segment: 2, lineNumber: 7, byteOffset: 9, member: 'segments' },
    },
    {
      ...{ code: 'BACKUP_MANIFEST_INVALID', message: 'bad' },
      ...{ entry: 'manifest.json', member: 'apps' },
    },
    { code: 'BACKUP_COUNT_MISMATCH', message: 'count', entry: 'events.jsonl' },
    { code: 'BACKUP_ARCHIVE_INVALID', message: 'cut' },
  ]);
});

test('a step that finds what the archive is not is a problem; a file that cannot be read is an error', async () => {
  const report = reportOf();
  assert.equal(await report.guarded(async () => 7), 7);
  assert.equal(report.finish().ok, true);
  const step = (error: Error) => (): Promise<number> => Promise.reject(error);
  assert.equal(await report.guarded(step(invalid('cut'))), undefined);
  assert.deepEqual([report.finish().intact, report.finish().problemCount], [false, 1]);
  const place = { stage: 'read', rowCount: 0 } as const;
  const unread = new BackupError('BACKUP_SOURCE_FAILED', 'EIO', place);
  for (const error of [unread, new Error('bug')]) {
    assert.equal(await failureOf(report.guarded(step(error))), error);
  }
  assert.equal(report.finish().problemCount, 1);
});

test('a manifest is in the report, with a warning when it is from the future', () => {
  const manifestOf = (createdAt: string): Manifest => ({
    ...{ formatVersion: 1, schemaVersion: 1, userId: 'user-1', createdAt, eventCount: 0 },
    ...{ eventsSha256: '0'.repeat(64), apps: [], producedBy: 'test' },
  });
  const past = manifestOf('1999-01-01T00:00:00Z');
  const { manifest, warnings } = reportOf().finish(past);
  assert.equal(manifest, past);
  assert.deepEqual(warnings, []);
  const future = reportOf().finish(manifestOf('9999-01-01T00:00:00Z'));
  assert.equal(future.ok, true);
  assert.deepEqual(
    future.warnings.map(({ entry, member }) => [entry, member]),
    [['manifest.json', 'createdAt']],
  );
});
