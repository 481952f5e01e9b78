// The page of the example of a sync service, over HTTP alone: what it sends, and each way in which its form is refused.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import pg from 'pg';

import { verifyArchive } from '../../src/archive/index.js';
import { waitForBackend } from '../support/backends.js';
import { LONG_LOG, STRANGER, USER } from '../support/change-log.js';
import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/deadline.js';
import {
  type GetOptions,
  type WholeReply,
  begin,
  get,
  open,
  readToEnd,
} from '../support/http-client.js';
import {
  type Service,
  closedPort,
  untouchable,
  withLog,
  withService,
} from '../support/sync-service.js';

const FORM_TYPE = 'application/x-www-form-urlencoded';

/** What a browser sends when the button of the page is pressed. */
function submission(fields: Readonly<Record<string, string>>): GetOptions {
  const body = new URLSearchParams(fields).toString();
  return {
    method: 'POST',
    headers: {
      'content-type': FORM_TYPE,
      'content-length': String(Buffer.byteLength(body)),
      'sec-fetch-site': 'same-origin',
    },
    body,
  };
}

const formUrl = ({ origin }: Service): string => `${origin}backup/download`;

function submit(service: Service, fields: Readonly<Record<string, string>>): Promise<WholeReply> {
  return get(formUrl(service), submission(fields));
}

/** Which sentence the page shows. */
function problemOf({ text }: WholeReply): string | undefined {
  return /role="alert" data-problem="(\w+)"/.exec(text)?.[1];
}

/** The page with a sentence, none of its answers a download. */
function assertRefused(reply: WholeReply, status: number, problem: string): void {
  assert.deepEqual([reply.status, problemOf(reply)], [status, problem]);
  assert.equal(reply.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(reply.headers['content-disposition'], undefined);
  assert.equal(reply.headers['cache-control'], 'no-store');
}

/** The directives of a policy, by name. */
function policyOf({ headers }: WholeReply): ReadonlyMap<string, string> {
  const policy = String(headers['content-security-policy']);
  return new Map(
    policy.split('; ').map((directive): [string, string] => {
      const [name = '', ...values] = directive.split(' ');
      return [name, values.join(' ')];
    }),
  );
}

function withLongLog(use: (db: TestDatabase) => Promise<void>): Promise<void> {
  return withLog(LONG_LOG.rowCount, use, LONG_LOG.dataBytes);
}

describe('the page', () => {
  test('is there without a token and without a question to the database', () =>
    withService({ pool: untouchable }, async ({ origin, log }) => {
      const reply = await get(origin);
      assert.deepEqual([reply.status, problemOf(reply)], [200, undefined]);
      assert.equal(reply.headers['content-type'], 'text/html; charset=utf-8');
      assert.match(reply.text, /<form method="post" action="\/backup\/download">/);
      assert.deepEqual(log, []);
    }));

  test('is not framed, cached or guessed at, and tells nobody where its reader came from', () =>
    withService({ pool: untouchable }, async ({ origin }) => {
      const { headers } = await get(origin);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    }));

  test('may run and load nothing but its own style and script, which the policy names by hash', () =>
    withService({ pool: untouchable }, async ({ origin }) => {
      const reply = await get(origin);
      const hashOf = (element: string): string => {
        const [, text] = new RegExp(`<${element}>(.*?)</${element}>`, 's').exec(reply.text) ?? [];
        assert.ok(text !== undefined, element);
        return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
      };
      assert.deepEqual(
        policyOf(reply),
        new Map([
          ['default-src', "'none'"],
          ['style-src', hashOf('style')],
          ['script-src', hashOf('script')],
          ['form-action', "'self'"],
          ['base-uri', "'none'"],
          ['frame-ancestors', "'none'"],
        ]),
      );
    }));

  test('has headers only for HEAD, and no other method', () =>
    withService({ pool: untouchable }, async ({ origin }) => {
      const head = await get(origin, { method: 'HEAD' });
      assert.deepEqual([head.status, head.text], [200, '']);
      for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
        const reply = await get(origin, { method });
        assertRefused(reply, 405, 'FORM_UNREADABLE');
        assert.equal(reply.headers.allow, 'GET, HEAD');
      }
    }));
});

describe('the form of the page', () => {
  test('gives JSON Lines with the headers and the bytes of the export, and logs it alike', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, async (service) => {
        const wanted = await get(service.url, { token: 'token-1' });
        const reply = await submit(service, { token: 'token-1', format: 'jsonl' });
        assert.deepEqual([reply.status, reply.isComplete], [200, true]);
        assert.ok(reply.bytes.equals(wanted.bytes));
        const { date: _, ...headers } = reply.headers;
        const { date: __, ...wantedHeaders } = wanted.headers;
        assert.deepEqual(headers, wantedHeaders);
        const [first, second] = service.log;
        assert.equal(first?.message, 'backup exported');
        assert.deepEqual(second, first);
      }),
    ));

  test('gives an archive', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, async (service) => {
        const reply = await submit(service, { token: 'token-1', format: 'archive' });
        assert.deepEqual([reply.status, reply.isComplete], [200, true]);
        const report = await verifyArchive(reply.bytes, { userId: USER });
        assert.deepEqual([report.ok, report.manifest?.eventCount], [true, 1_234]);
      }),
    ));

  test('takes a token that was pasted with white space around it', () =>
    withLog(1, (db) =>
      withService({ pool: db.pool() }, async (service) => {
        const reply = await submit(service, { token: ' token-1\r\n', format: 'jsonl' });
        assert.equal(reply.status, 200);
      }),
    ));

  test('starts nothing by any method but POST, HEAD included', () =>
    withService({ pool: untouchable }, async (service) => {
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
        const url = `${formUrl(service)}?token=token-1&format=jsonl`;
        const reply = await get(url, { method, token: 'token-1' });
        assert.equal(reply.status, 405);
        assert.equal(reply.headers.allow, 'POST');
        if (method !== 'HEAD') assertRefused(reply, 405, 'FORM_UNREADABLE');
      }
    }));

  test('reads the token nowhere but in the form', () =>
    withService({ pool: untouchable }, async (service) => {
      const { headers = {}, body = '', ...sent } = submission({ format: 'jsonl' });
      const reply = await get(`${formUrl(service)}?token=token-1`, {
        ...sent,
        body,
        headers: { ...headers, authorization: 'Bearer token-1', cookie: 'token=token-1' },
      });
      assertRefused(reply, 401, 'TOKEN_MISSING');
    }));

  for (const token of ['other', 'token-1 token-2', '__proto__', '<script>alert(1)</script>']) {
    test(`refuses a token that is not valid, and does not repeat it: ${token}`, () =>
      withService({ pool: untouchable }, async (service) => {
        const reply = await submit(service, { token, format: 'jsonl' });
        assertRefused(reply, 401, 'TOKEN_REFUSED');
        assert.equal(reply.headers['www-authenticate'], 'Bearer realm="backup"');
        assert.deepEqual(
          reply.text.split(token).length,
          (await get(service.origin)).text.split(token).length,
        );
        assert.deepEqual(service.log, []);
      }));
  }

  test('keeps to itself why its check of the token said no', () => {
    const authenticate = (token: string) => ({ reason: `expired:${token}` });
    return withService({ pool: untouchable, authenticate }, async (service) => {
      const reply = await submit(service, { token: 'secret-7', format: 'jsonl' });
      assertRefused(reply, 401, 'TOKEN_REFUSED');
      assert.doesNotMatch(reply.text, /expired|secret-7/);
    });
  });

  test('is shown again with the format that was chosen', () =>
    withService({ pool: untouchable }, async (service) => {
      const checkedIn = (reply: WholeReply): string[] =>
        [...reply.text.matchAll(/value="(\w+)" checked/g)].map(([, value]) => value ?? '');
      assert.deepEqual(checkedIn(await get(service.origin)), ['archive']);
      for (const format of ['jsonl', 'archive']) {
        assert.deepEqual(checkedIn(await submit(service, { token: 'other', format })), [format]);
      }
    }));

  test('sent from another site is refused before the token is looked at', () => {
    const authenticate = () => assert.fail('the token was looked at');
    return withService({ pool: untouchable, authenticate }, async (service) => {
      const sent = submission({ token: 'token-1', format: 'jsonl' });
      for (const site of ['cross-site', 'same-site']) {
        const headers = { ...sent.headers, 'sec-fetch-site': site };
        assertRefused(await get(formUrl(service), { ...sent, headers }), 403, 'FORM_UNREADABLE');
      }
    });
  });

  const unreadable: Readonly<Record<string, GetOptions>> = {
    'without a format': submission({ token: 'token-1' }),
    'with a third format': submission({ token: 'token-1', format: 'xml' }),
    'that is empty': submission({}),
    'of another type': {
      ...submission({ token: 'token-1', format: 'jsonl' }),
      headers: { 'content-type': 'text/plain', 'content-length': '26' },
    },
    'of no length': {
      method: 'POST',
      headers: { 'content-type': FORM_TYPE, 'transfer-encoding': 'chunked' },
      body: 'token=token-1&format=jsonl',
    },
    'longer than any token': submission({ token: 'x'.repeat(20_000), format: 'jsonl' }),
  };
  for (const [what, sent] of Object.entries(unreadable)) {
    test(`${what} is refused`, () =>
      withService({ pool: untouchable }, async (service) => {
        assertRefused(await get(formUrl(service), sent), 400, 'FORM_UNREADABLE');
        assert.deepEqual(service.log, []);
      }));
  }

  test('whose sender goes away halfway is nobody’s fault', () =>
    withService({ pool: untouchable }, async (service) => {
      const { headers = {}, ...sent } = submission({ token: 'token-1', format: 'jsonl' });
      const half = begin(formUrl(service), {
        ...sent,
        headers: { ...headers, 'content-length': '1000' },
      });
      await once(half, 'finish');
      const left = new Promise((resolve) => half.once('close', resolve));
      await get(service.origin); // by then the service waits for the rest
      half.destroy();
      await left;
      await get(service.origin); // by then it has heard
      assert.deepEqual(service.log, []);
    }));

  test('says that the service is at fault where its check throws, and nothing of the error', () => {
    const authenticate = () => {
      throw new RangeError('secret');
    };
    return withService({ pool: untouchable, authenticate }, async (service) => {
      const reply = await submit(service, { token: 'abc', format: 'jsonl' });
      assertRefused(reply, 500, 'SERVICE_FAULT');
      assert.doesNotMatch(reply.text, /secret|RangeError/);
      assert.deepEqual(await service.logged(), { message: 'request failed', error: 'RangeError' });
    });
  });

  test('says that the data cannot be read where the database is down', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: await closedPort() });
    await withService({ pool }, async (service) => {
      const reply = await submit(service, { token: 'token-1', format: 'archive' });
      assertRefused(reply, 503, 'DATABASE_DOWN');
      const { message, error } = (await service.logged()) as { message: string; error?: string };
      assert.deepEqual([message, error], ['backup export failed', 'BACKUP_SOURCE_FAILED']);
    });
    await pool.end();
  });

  test('gives the code to pass on where the export is refused', () =>
    withLog(3, (db) =>
      withService({ pool: db.admin }, async (service) => {
        const reply = await submit(service, { token: 'token-1', format: 'archive' });
        assertRefused(reply, 500, 'SERVICE_FAULT');
        assert.match(reply.text, /<code>BACKUP_TENANCY_UNSAFE<\/code>/);
      }),
    ));
});

describe('one download at a time', () => {
  test('is what each user has, until it is over', () =>
    withLongLog((db) =>
      withService({ pool: db.pool({ max: 2 }) }, async (service) => {
        const sent = submission({ token: 'token-1', format: 'jsonl' });
        const first = await open(formUrl(service), sent);
        await waitForBackend(db);
        const second = await submit(service, { token: 'token-1', format: 'archive' });
        assertRefused(second, 409, 'DOWNLOAD_RUNNING');
        const other = await submit(service, { token: 'token-2', format: 'jsonl' });
        assert.deepEqual([other.status, other.isComplete], [200, true]);
        assert.equal((await readToEnd(first)).isComplete, true);
        await eventually(() => service.log.length === 2, 5_000, 'Both in the log');
        const third = await submit(service, { token: 'token-1', format: 'jsonl' });
        assert.deepEqual([third.status, third.isComplete], [200, true]);
        const users = service.log.map((entry) => 'userId' in entry && entry.userId);
        assert.deepEqual(users.slice(0, 2).sort(), [USER, STRANGER]);
      }),
    ));

  test('ends with a client that goes away, and with one that fails', () =>
    withLongLog((db) =>
      withService({ pool: db.pool() }, async (service) => {
        const sent = submission({ token: 'token-1', format: 'archive' });
        const left = await open(formUrl(service), sent);
        await once(left.body, 'data');
        left.leave();
        await eventually(() => service.log.length === 1, 5_000, 'The first in the log');
        await db.admin.query('ALTER TABLE sync_changes RENAME TO elsewhere');
        for (let count = 0; count < 2; count += 1) {
          const reply = await submit(service, { token: 'token-1', format: 'archive' });
          assertRefused(reply, 503, 'DATABASE_DOWN');
        }
        await db.admin.query('ALTER TABLE elsewhere RENAME TO sync_changes');
        const last = await submit(service, { token: 'token-1', format: 'jsonl' });
        assert.deepEqual([last.status, last.isComplete], [200, true]);
      }),
    ));
});
