// The vectors of lines to be read, into a real server: good ones go in, bad ones leave nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertReusable, failsWith } from '../support/failures.js';
import { jsonlVectors } from '../support/jsonl-vectors.js';
import { countRows, restore, withEmptyLog } from '../support/restored.js';

test('every bad file of the vectors is refused with its code, and every good one goes in', () =>
  withEmptyLog(async (db, pool) => {
    for (const { tag, name, bytes, code, lineNumber } of jsonlVectors) {
      await db.admin.query('TRUNCATE sync_changes');
      const isOther = tag === 'L17' && !/: [0-9A-F-]{36}$/i.test(name);
      if (code !== null || isOther) {
        const error = await failsWith(restore(pool, [bytes]), code ?? 'BACKUP_LINE_INVALID');
        const found = (error.details as { readonly lineNumber?: number }).lineNumber;
        assert.equal(found, isOther ? 2 : lineNumber, `${tag} ${name}`);
        assert.equal(await countRows(db), 0, `${tag} ${name}`);
      } else {
        const report = await restore(pool, [bytes]);
        assert.equal(report.newCount, report.lineCount, `${tag} ${name}`);
      }
    }
    await assertReusable(pool);
  }));
