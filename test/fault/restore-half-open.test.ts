// F12: the network goes silent while a restore is with the host, so that no query waits for an answer. The client is
// destroyed all the same, and the pool serves whoever waits for one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type pg from 'pg';

import { waitForBackendsIdle } from '../support/backends.js';
import { settlesWithin } from '../support/deadline.js';
import { assertReusable, failsWith, failureOf } from '../support/failures.js';
import { countRows, lineText, restore, withEmptyLog } from '../support/restored.js';
import { startWireProxy } from '../support/wire-proxy.js';

const TEXT = lineText(1) + lineText(2);
const reason = new Error('enough');

for (const phase of ['stage', 'plan', 'write'] as const) {
  for (const how of ['an abort', 'a hook that never comes back'] as const) {
    test(`F12 ${how} in ${phase}, on a dead connection: the client is gone at once, and the next one waits for nobody`, () =>
      withEmptyLog(async (db) => {
        await using proxy = await startWireProxy(db.address);
        const pool = db.pool({ connectionString: proxy.url(db.url()) });
        const removed = once(pool, 'remove');
        const controller = new AbortController();
        let next: Promise<pg.PoolClient> | undefined;
        const restoring = restore(pool, TEXT, {
          signal: controller.signal,
          hookTimeoutMs: 100,
          onProgress: (progress) => {
            if (progress.phase !== phase) return;
            proxy.pause();
            next = pool.connect();
            if (how === 'an abort') controller.abort(reason);
            return new Promise(() => undefined);
          },
        });
        if (how === 'an abort') assert.equal(await failureOf(restoring), reason);
        else await failsWith(restoring, 'BACKUP_HOOK_FAILED');
        await settlesWithin(removed, 1_000, 'The pool, for its dead client to go');
        proxy.resume();
        assert.ok(next !== undefined);
        (await settlesWithin(next, 2_000, 'The next borrower')).release();
        await assertReusable(pool);
        await waitForBackendsIdle(db);
        assert.equal(await countRows(db), 0);
      }));
  }
}
