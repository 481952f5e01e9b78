// The example of a sync service against a real server: every status, every ending, one log line each.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { describe, test } from 'node:test';
import pg from 'pg';

import { knownTokens } from '../../examples/sync-service/authenticate.js';
import { verifyArchive } from '../../src/archive/index.js';
import { terminateBackend, waitForBackend, waitForBackendsGone } from '../support/backends.js';
import { USER, eventIdsInLog, eventIdsOf, fillLog, linesOf, rowOf } from '../support/change-log.js';
import { type TestDatabase, withDatabase } from '../support/database.js';
import { eventually } from '../support/deadline.js';
import { parseDisposition } from '../support/disposition.js';
import { assertReusable } from '../support/failures.js';
import { begin, get, open, readToEnd } from '../support/http-client.js';
import {
  BIG_LOG,
  type Service,
  closedPort,
  untouchable,
  withBigLog,
  withLog,
  withService,
} from '../support/sync-service.js';

describe('GET /backup/export', () => {
  test('gives the whole log of the caller, and logs user, rows and digest', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, async ({ url, logged }) => {
        const reply = await get(url, { token: 'token-1' });
        assert.equal(reply.status, 200);
        assert.equal(reply.isComplete, true);
        assert.deepEqual(eventIdsOf(reply.text), await eventIdsInLog(db));
        assert.deepEqual(await logged(), {
          message: 'backup exported',
          userId: USER,
          rows: 1_234,
          bytes: Buffer.byteLength(reply.text),
          sha256: createHash('sha256').update(reply.text).digest('hex'),
        });
      }),
    ));

  test('gives an archive of the same lines where one is asked for, and logs it alike', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, async ({ url, logged }) => {
        const reply = await get(`${url}?format=archive`, { token: 'token-1' });
        assert.equal(reply.status, 200);
        assert.equal(reply.isComplete, true);
        assert.equal(reply.headers['content-type'], 'application/zip');
        assert.match(reply.headers['content-disposition'] ?? '', /filename="[\w-]+\.mana"/);
        const report = await verifyArchive(reply.bytes, { userId: USER });
        assert.deepEqual([report.ok, report.manifest?.eventCount], [true, 1_234]);
        const entry = await logged();
        assert.ok(entry.message === 'backup exported');
        assert.equal(entry.sha256, report.manifest?.eventsSha256);
      }),
    ));

  test('knows no third format', () =>
    withService({ pool: untouchable }, async ({ url }) => {
      const reply = await get(`${url}?format=xml`, { token: 'token-1' });
      assert.deepEqual([reply.status, JSON.parse(reply.text)], [400, { error: 'FORMAT_UNKNOWN' }]);
    }));

  test('sends the headers of a download', () =>
    withLog(1, (db) =>
      withService({ pool: db.pool() }, async ({ url }) => {
        const { headers } = await get(url, { token: 'token-1' });
        assert.equal(headers['content-type'], 'application/x-ndjson');
        assert.equal(headers['x-content-type-options'], 'nosniff');
        assert.equal(headers['x-accel-buffering'], 'no');
        assert.equal(headers['cache-control'], 'no-store');
        assert.equal(
          headers['content-disposition'],
          'attachment; filename="sync-backup-user-1-20260414-100000.jsonl"',
        );
      }),
    ));

  test('gives zero bytes for an empty log, as a success', () =>
    withLog(0, (db) =>
      withService({ pool: db.pool() }, async ({ url, logged }) => {
        const reply = await get(url, { token: 'token-1' });
        assert.deepEqual([reply.status, reply.text, reply.isComplete], [200, '', true]);
        const entry = await logged();
        assert.equal(entry.message === 'backup exported' && entry.rows, 0);
      }),
    ));

  test('works again and again over one connection and a pool of one', () =>
    withLog(3, (db) =>
      withService({ pool: db.pool() }, async ({ url, log }) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        for (const query of ['', '?a=1', '?/backup/other']) {
          const reply = await get(`${url}${query}`, { token: 'token-1', agent });
          assert.equal(linesOf(reply.text).length, 3);
        }
        agent.destroy();
        assert.equal(log.length, 3);
      }),
    ));

  test('sends what it has while the rest is still in the database', () =>
    withBigLog((db) =>
      withService({ pool: db.pool() }, async ({ url, log }) => {
        const reply = await open(url, { token: 'token-1' });
        await once(reply.body, 'readable');
        assert.ok(reply.body.read() !== null);
        await waitForBackend(db);
        assert.equal(log.length, 0);
        await readToEnd(reply);
      }),
    ));

  test('gives two users that read at the same time their own rows only', () =>
    withLog(2_000, async (db) => {
      await fillLog(db, { userId: 'user-3', rowCount: 2_000, dataBytes: 3_000 });
      const authenticate = knownTokens({ 'token-1': USER, 'token-3': 'user-3' });
      const pool = db.pool({ max: 2 });
      await withService({ pool, authenticate }, async ({ url, log }) => {
        const replies = await Promise.all([
          open(url, { token: 'token-1' }),
          open(url, { token: 'token-3' }),
        ]);
        const texts = ['', ''];
        const readers = replies.map(({ body }) => body.setEncoding('utf8')[Symbol.asyncIterator]());
        // Piece by piece in turns, so that both are under way until the shorter one ends.
        for (let open = 2; open > 0;) {
          open = 0;
          for (const [index, reader] of readers.entries()) {
            const piece = (await reader.next()) as IteratorResult<string, undefined>;
            if (piece.done === true) continue;
            texts[index] = `${texts[index]!}${piece.value}`;
            open += 1;
          }
        }
        assert.deepEqual(eventIdsOf(texts[0]!), await eventIdsInLog(db, USER));
        assert.deepEqual(eventIdsOf(texts[1]!), await eventIdsInLog(db, 'user-3'));
        assert.deepEqual(log.map((entry) => 'userId' in entry && entry.userId).sort(), [
          USER,
          'user-3',
        ]);
      });
    }));
});

describe('without a question to the database', () => {
  test('another path is 404', () =>
    withService({ pool: untouchable }, async ({ url, log }) => {
      const paths = ['/backup', '/backup/export/', '/backup/export%2f', '//backup/export', '//'];
      for (const path of paths) {
        const reply = await get(`${new URL(url).origin}${path}`, { token: 'token-1' });
        assert.equal(reply.status, 404, path);
        assert.deepEqual(JSON.parse(reply.text), { error: 'NOT_FOUND' });
      }
      assert.deepEqual(log, []);
    }));

  test('another method is 405 and told what is allowed, HEAD too', () =>
    withService({ pool: untouchable }, async ({ url, log }) => {
      for (const method of ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
        const reply = await get(url, { token: 'token-1', method });
        assert.equal(reply.status, 405, method);
        assert.equal(reply.headers.allow, 'GET');
        const body = method === 'HEAD' ? '' : '{"error":"METHOD_NOT_ALLOWED"}';
        assert.equal(reply.text, body);
      }
      assert.deepEqual(log, []);
    }));

  const refused = {
    'no token': [{}, 'token-missing'],
    'an unknown token': [{ authorization: 'Bearer other' }, 'token-unknown'],
    'a token named as a member of every object': [
      { authorization: 'Bearer __proto__' },
      'token-unknown',
    ],
    'another scheme': [{ authorization: 'Basic dXNlcjpwYXNz' }, 'token-malformed'],
    'a scheme without a token': [{ authorization: 'Bearer ' }, 'token-malformed'],
    'two tokens': [{ authorization: 'Bearer token-1 token-2' }, 'token-malformed'],
  } as const;
  for (const [what, [headers, reason]] of Object.entries(refused)) {
    test(`${what} is 401 with the reason`, () =>
      withService({ pool: untouchable }, async ({ url, log }) => {
        const reply = await get(url, { headers });
        assert.equal(reply.status, 401);
        assert.equal(reply.headers['www-authenticate'], 'Bearer realm="backup"');
        assert.equal(reply.headers['content-type'], 'application/json');
        assert.equal(reply.headers['cache-control'], 'no-store');
        assert.deepEqual(JSON.parse(reply.text), { error: 'UNAUTHORIZED', reason });
        assert.deepEqual(log, []);
      }));
  }

  test('the reason of an own check reaches the client', () => {
    const authenticate = async (token: string) => ({ reason: `expired:${token}` });
    return withService({ pool: untouchable, authenticate }, async ({ url }) => {
      const reply = await get(url, { token: 'abc' });
      assert.equal(reply.status, 401);
      assert.deepEqual(JSON.parse(reply.text), { error: 'UNAUTHORIZED', reason: 'expired:abc' });
    });
  });

  test('a check that throws is 500, and nothing of its error is told', () => {
    const authenticate = () => {
      throw new RangeError('secret');
    };
    return withService({ pool: untouchable, authenticate }, async ({ url, logged }) => {
      const reply = await get(url, { token: 'abc' });
      assert.deepEqual([reply.status, reply.text], [500, '{"error":"INTERNAL"}']);
      assert.deepEqual(await logged(), { message: 'request failed', error: 'RangeError' });
    });
  });
});

describe('a database that is down gives a 503 without any data', () => {
  async function isUnavailable(pool: pg.Pool): Promise<void> {
    await withService({ pool }, async ({ url, logged }) => {
      const reply = await get(url, { token: 'token-1' });
      assert.equal(reply.status, 503);
      assert.equal(reply.headers['content-type'], 'application/json');
      assert.equal(reply.headers['content-disposition'], undefined);
      assert.equal(reply.text, '{"error":"BACKUP_SOURCE_FAILED"}');
      assert.deepEqual(await logged(), {
        message: 'backup export failed',
        userId: USER,
        rowsWritten: 0,
        error: 'BACKUP_SOURCE_FAILED',
      });
    });
  }

  test('when nothing listens on its port', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: await closedPort() });
    await isUnavailable(pool);
    await pool.end();
  });

  test('when the pool was ended', async () => {
    const pool = new pg.Pool();
    await pool.end();
    await isUnavailable(pool);
  });

  test('when the table is not there', () => withDatabase((db) => isUnavailable(db.pool())));

  test('when the backend is terminated before the first row', () =>
    withLog(3, async (db) => {
      const lock = await db.admin.connect();
      try {
        await lock.query('BEGIN; LOCK TABLE sync_changes');
        const unavailable = isUnavailable(db.pool());
        const { pid } = await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Lock/relation');
        await terminateBackend(db, pid);
        await unavailable;
      } finally {
        lock.release(true);
      }
    }));
});

test('a role that row-level security does not hold gives a 500 with the code', () =>
  withLog(3, (db) =>
    withService({ pool: db.admin }, async ({ url, logged }) => {
      const reply = await get(url, { token: 'token-1' });
      assert.deepEqual([reply.status, reply.text], [500, '{"error":"BACKUP_TENANCY_UNSAFE"}']);
      assert.deepEqual(await logged(), {
        message: 'backup export failed',
        userId: USER,
        rowsWritten: 0,
        error: 'BACKUP_TENANCY_UNSAFE',
      });
    }),
  ));

test('a failure after the first byte breaks the connection, and the log tells how far it came', () =>
  withBigLog(async (db) => {
    const pool = db.pool();
    await withService({ pool }, async ({ url, logged }) => {
      const reply = await open(url, { token: 'token-1' });
      assert.equal(reply.status, 200);
      const { pid } = await waitForBackend(db);
      await terminateBackend(db, pid);
      const { text, isComplete } = await readToEnd(reply);
      assert.equal(isComplete, false);
      assert.ok(text.length > 0);
      const entry = await logged();
      assert.ok(entry.message === 'backup export failed');
      const { rowsWritten } = entry;
      const error = 'BACKUP_SOURCE_FAILED';
      assert.deepEqual(entry, {
        message: 'backup export failed',
        userId: USER,
        rowsWritten,
        error,
      });
      const receivedCount = text.split('\n').length - 1;
      assert.ok(rowsWritten >= receivedCount && rowsWritten < BIG_LOG.rowCount);
      await assertReusable(pool);
    });
  }));

describe('a client that goes away frees the database client at once', () => {
  async function isFreed(
    db: TestDatabase,
    pool: pg.Pool,
    { logged }: Service,
    minRowsWritten: number,
  ): Promise<void> {
    await waitForBackendsGone(db, 1_000);
    await assertReusable(pool);
    const entry = await logged();
    assert.ok(entry.message === 'backup export failed');
    assert.deepEqual([entry.userId, entry.error], [USER, 'CLIENT_GONE']);
    assert.ok(entry.rowsWritten >= minRowsWritten && entry.rowsWritten < BIG_LOG.rowCount);
  }

  test('while it reads', () =>
    withBigLog(async (db) => {
      const pool = db.pool();
      await withService({ pool }, async (service) => {
        const reply = await open(service.url, { token: 'token-1' });
        await once(reply.body, 'data');
        reply.leave();
        await isFreed(db, pool, service, 1);
      });
    }));

  test('after it has stopped reading for so long that everything is full', () =>
    withBigLog(async (db) => {
      const pool = db.pool();
      await withService({ pool }, async (service) => {
        const reply = await open(service.url, { token: 'token-1' });
        await waitForBackend(db, ({ waitsFor }) => waitsFor.startsWith('Client/'));
        reply.leave();
        await isFreed(db, pool, service, 1);
      });
    }));

  test('while the first row is waited for', () =>
    withLog(3, async (db) => {
      const pool = db.pool();
      const lock = await db.admin.connect();
      try {
        await lock.query('BEGIN; LOCK TABLE sync_changes');
        await withService({ pool }, async (service) => {
          const request = begin(service.url, { token: 'token-1' });
          await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Lock/relation');
          request.destroy();
          await isFreed(db, pool, service, 0);
        });
      } finally {
        lock.release(true);
      }
    }));

  test('while it is authenticated: then no client is asked for', async () => {
    let admit: (user: { userId: string }) => void = () => undefined;
    let isAsked = false;
    const authenticate = () =>
      new Promise<{ userId: string }>((resolve) => {
        isAsked = true;
        admit = resolve;
      });
    await withService({ pool: untouchable, authenticate }, async (service) => {
      const request = begin(service.url, { token: 'token-1' });
      await eventually(() => isAsked, 5_000, 'The check');
      const left = new Promise((resolve) => request.once('close', resolve));
      request.destroy();
      await left;
      // The server has heard of it when it answers somebody who came later.
      await get(service.url);
      admit({ userId: USER });
      const entry = await service.logged();
      assert.deepEqual(entry, {
        message: 'backup export failed',
        userId: USER,
        rowsWritten: 0,
        error: 'CLIENT_GONE',
      });
    });
  });
});

describe('a hostile user id', () => {
  const hostile = 'a"; filename="evil.exe\r\nSet-Cookie: stolen=1\r\n\r\n日本 ../../etc';

  test('gets its rows in a well-formed response, and one line in the log', () =>
    withLog(2, async (db) => {
      await db.insert([rowOf(900, { user_id: hostile }), rowOf(901, { user_id: hostile })]);
      const authenticate = () => ({ userId: hostile });
      await withService({ pool: db.pool(), authenticate }, async ({ url, logged }) => {
        const reply = await get(url, { token: 'any' });
        assert.equal(reply.status, 200);
        assert.equal(reply.headers['set-cookie'], undefined);
        const { filename } = parseDisposition(reply.headers['content-disposition'] ?? '');
        assert.match(filename, /^[A-Za-z0-9._-]+\.jsonl$/);
        assert.deepEqual(eventIdsOf(reply.text), await eventIdsInLog(db, hostile));
        const entry = await logged();
        assert.ok(entry.message === 'backup exported');
        assert.deepEqual([entry.userId, entry.rows], [hostile, 2]);
        assert.doesNotMatch(JSON.stringify(entry), /[\r\n]/);
      });
    }));

  for (const [what, userId] of Object.entries({
    empty: '',
    NUL: 'a\0b',
    'half a pair': 'a\ud800',
  })) {
    test(`that no log can hold is a 500, without a question to the database: ${what}`, () => {
      const authenticate = () => ({ userId });
      return withService({ pool: untouchable, authenticate }, async ({ url, logged }) => {
        const reply = await get(url, { token: 'any' });
        assert.deepEqual([reply.status, reply.text], [500, '{"error":"INTERNAL"}']);
        assert.deepEqual(await logged(), {
          message: 'backup export failed',
          userId,
          rowsWritten: 0,
          error: 'TypeError',
        });
      });
    });
  }
});
