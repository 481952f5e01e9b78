// F1 and F2: no server, no client in the pool, no right to log in. ready() says so before a byte was written.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import pg from 'pg';

import { USER, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { assertReusable, failsWith } from '../support/failures.js';
import { lanes } from '../support/lanes.js';

const SLACK_MS = 250;

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly ms: number }> {
  const startMs = performance.now();
  const result = await work();
  return { result, ms: performance.now() - startMs };
}

for (const lane of lanes) {
  test(`${lane.name}: F1 with nobody listening ready() rejects, and reading too, before any byte`, async () => {
    const port = await closedPort();
    const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'u', database: 'd', password: 'p' });
    const running = lane.export(pool, { userId: USER });
    const bytes: unknown[] = [];
    running.stream.on('data', (chunk) => bytes.push(chunk));
    const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
    assert.deepEqual(
      { stage: error.details.stage, rowCount: error.details.rowCount, code: error.cause?.code },
      { stage: 'connect', rowCount: 0, code: 'ECONNREFUSED' },
    );
    assert.ok(error.message.includes('ECONNREFUSED'));
    assert.equal(await failsWith(running.text(), 'BACKUP_SOURCE_FAILED'), error);
    assert.deepEqual(bytes, []);
    await pool.end();
  });

  test(`${lane.name}: F1 a wrong password and a missing database keep their SQLSTATE`, () =>
    withDatabase(async (db) => {
      const url = new URL(db.url());
      const cases = [
        [Object.assign(new URL(url), { password: 'canary' }).href, '28P01'],
        [Object.assign(new URL(url), { pathname: '/canary' }).href, '3D000'],
      ];
      for (const [connectionString = '', sqlState] of cases) {
        const running = lane.export(db.pool({ connectionString }), { userId: USER });
        const error = await failsWith(running.ready(), 'BACKUP_SOURCE_FAILED');
        assert.deepEqual([error.details.stage, error.details.sqlState], ['connect', sqlState]);
      }
    }));

  test(`${lane.name}: F1 a pool that has been ended is a failed source`, () =>
    withDatabase(async (db) => {
      const pool = db.pool();
      await pool.end();
      const error = await failsWith(
        lane.export(pool, { userId: USER }).ready(),
        'BACKUP_SOURCE_FAILED',
      );
      assert.equal(error.details.stage, 'connect');
    }));

  test(`${lane.name}: F1 a server that accepts and says nothing stalls within connectTimeoutMs`, async () => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'u', database: 'd', password: 'p' });
    try {
      const { result: error, ms } = await timed(() =>
        failsWith(
          lane.export(pool, { userId: USER, connectTimeoutMs: 200 }).ready(),
          'BACKUP_SOURCE_STALLED',
        ),
      );
      assert.deepEqual(error.details, {
        stage: 'connect',
        rowCount: 0,
        limit: 'connectTimeoutMs',
        limitMs: 200,
      });
      assert.ok(ms < 200 + SLACK_MS, `${String(ms)} ms`);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
      await pool.end();
    }
  });

  test(`${lane.name}: F2 an exhausted pool with a timeout of its own fails at that timeout`, () =>
    withDatabase(async (db) => {
      const pool = db.pool({ connectionTimeoutMillis: 300 });
      const held = await pool.connect();
      const { result: error, ms } = await timed(() =>
        failsWith(lane.export(pool, { userId: USER }).ready(), 'BACKUP_SOURCE_FAILED'),
      );
      assert.equal(error.details.stage, 'connect');
      assert.ok(ms < 300 + SLACK_MS, `${String(ms)} ms`);
      held.release();
      await assertReusable(pool);
    }));

  test(`${lane.name}: F2 an exhausted pool without one stalls at connectTimeoutMs, and the late client goes back`, () =>
    withDatabase(async (db) => {
      await db.createChangeLog();
      await fillLog(db, { rowCount: 5 });
      const pool = db.pool();
      const held = await pool.connect();
      const running = lane.export(pool, { userId: USER, connectTimeoutMs: 200 });
      const { result: error, ms } = await timed(() =>
        failsWith(running.ready(), 'BACKUP_SOURCE_STALLED'),
      );
      assert.equal(error.details.limit, 'connectTimeoutMs');
      assert.ok(ms < 200 + SLACK_MS, `${String(ms)} ms`);
      held.release();
      await assertReusable(pool);
      assert.equal(pool.totalCount, 1);
      assert.equal(pool.waitingCount, 0);
    }));
}
