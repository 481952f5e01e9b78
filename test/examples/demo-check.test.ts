// The demo's check finds what can be wrong with a downloaded file.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { checkExport, type Expectation } from '../../examples/demo/check.js';
import { DemoError } from '../../examples/demo/options.js';
import { encodeExportLine } from '../../src/index.js';
import { USER, eventIdOf } from '../support/change-log.js';

function lineOf(rowNumber: number): string {
  const line = encodeExportLine({
    eventId: eventIdOf(rowNumber),
    schemaVersion: 1,
    appId: 'todo',
    table: 'tasks',
    id: `row-${String(rowNumber)}`,
    op: 'insert',
    data: { title: 'Größe\u2028prüfen' },
    clientId: 'client-a',
    createdAt: `2026-04-14T10:00:0${String(rowNumber)}Z`,
  });
  return `${line}\n`;
}

const first = lineOf(1);
const second = lineOf(2);
const third = lineOf(3);
const inLog = [1, 2, 3].map(eventIdOf);

describe('checkExport', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'backup-streams-check-'));
  });
  after(() => rm(folder, { recursive: true }));

  /** Checks a file with this text, as the service would have sent it unless told otherwise. */
  async function check(
    text: string,
    changes: { sent?: Partial<Expectation['sent']>; newer?: readonly string[] } = {},
  ): Promise<void> {
    const file = path.join(folder, 'export.jsonl');
    await writeFile(file, text);
    await checkExport(file, {
      userId: USER,
      eventIds: new Set(inLog),
      witness: { eventIds: async () => new Set(changes.newer) },
      sent: {
        rows: text.split('\n').length - 1,
        bytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
        ...changes.sent,
      },
    });
  }

  test('takes every row once, in order', () => check(first + second + third));

  test('takes rows of the user that have come since', () =>
    check(first + second + third + lineOf(4), { newer: [eventIdOf(4)] }));

  const wrong: Readonly<Record<string, () => Promise<void>>> = {
    'a row that is missing': () => check(first + third),
    'an empty file': () => check(''),
    'a row that is nobody’s or somebody else’s': () => check(first + second + third + lineOf(4)),
    'a row that is there twice': () => check(first + second + second + third),
    'rows out of order': () => check(second + first + third),
    'a last line that breaks off': () => check((first + second + third).slice(0, -1)),
    'bytes after the last line': () => check(`${first}${second}${third}{"eventId":`),
    'a digest that is not what was sent': () =>
      check(first + second + third, { sent: { sha256: '0'.repeat(64) } }),
    'a size that is not what was sent': () => check(first + second + third, { sent: { bytes: 1 } }),
    'a count that is not what was sent': () => check(first + second + third, { sent: { rows: 4 } }),
  };
  for (const [what, run] of Object.entries(wrong)) {
    test(`finds ${what}`, () => assert.rejects(run(), DemoError));
  }

  test('finds what is no line', () => assert.rejects(check(`${first}{}\n`)));
});
