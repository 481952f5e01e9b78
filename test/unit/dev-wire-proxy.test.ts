// The fault-injecting proxy, in front of a server that sends back what it is sent.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { eventually, settlesWithin } from '../support/deadline.js';
import { type WireProxy, startWireProxy } from '../support/wire-proxy.js';

const LIMIT_MS = 5_000;

/** A client that keeps what it receives, and how its connection ended. */
class Client {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  ending: 'open' | 'end' | 'reset' = 'open';

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk) => this.chunks.push(chunk));
    this.socket.once('end', () => (this.ending = 'end'));
    this.socket.once('error', () => (this.ending = 'reset'));
  }

  get received(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  async receives(text: string, limitMs = LIMIT_MS): Promise<void> {
    await eventually(
      () => this.received === text,
      limitMs,
      () => `"${this.received}" is "${text}"`,
    );
  }

  async ends(): Promise<string> {
    if (!this.socket.closed)
      await settlesWithin(
        once(this.socket, 'close').catch(() => undefined),
        LIMIT_MS,
        'The end',
      );
    return this.ending;
  }
}

describe('the wire proxy', () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
    serverSockets.add(socket);
    socket.once('close', () => serverSockets.delete(socket));
  });
  const serverSockets = new Set<Socket>();
  const clients: Client[] = [];
  let proxy: WireProxy;

  beforeEach(async () => {
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await startWireProxy({ host: '127.0.0.1', port: (echo.address() as AddressInfo).port });
  });

  afterEach(async () => {
    await proxy.close();
    for (const { socket } of clients.splice(0)) socket.destroy();
    for (const socket of serverSockets) socket.destroy();
    await new Promise((resolve) => echo.close(resolve));
  });

  function newClient(): Client {
    const client = new Client(proxy.port);
    clients.push(client);
    return client;
  }

  test('passes bytes both ways and counts them', async () => {
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    assert.deepEqual(proxy.byteCounts, { toClient: 5, toServer: 5 });
    assert.equal(proxy.connectionCount, 1);
  });

  test('passes more than fits any buffer', async () => {
    const client = newClient();
    const sent = 'x'.repeat(4_000_000);
    client.socket.write(sent);
    await eventually(() => client.received.length === sent.length, LIMIT_MS, 'All bytes back');
    assert.equal(client.received, sent);
  });

  test('passes an orderly end on after the last byte, each way', async () => {
    const client = newClient();
    client.socket.end('last words');
    assert.equal(await client.ends(), 'end');
    assert.equal(client.received, 'last words');
    await eventually(() => proxy.connectionCount === 0, LIMIT_MS, 'No connection left');
  });

  test('passes a reset on', async () => {
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    client.socket.resetAndDestroy();
    await eventually(() => serverSockets.size === 0, LIMIT_MS, 'The server has noticed');
    assert.equal(proxy.connectionCount, 0);
  });

  for (const kind of ['end', 'reset'] as const) {
    test(`cutAfter passes exactly so many bytes, then the connection is gone: ${kind}`, async () => {
      proxy.cutAfter(3, { kind });
      const client = newClient();
      client.socket.write('hello');
      // libuv tells of a reset that comes together with bytes as an orderly end.
      if (kind === 'end') assert.equal(await client.ends(), 'end');
      else await client.ends();
      assert.equal(client.received, 'hel');
      assert.equal(proxy.byteCounts.toClient, 3);
      await eventually(() => serverSockets.size === 0, LIMIT_MS, 'The server has noticed');
    });
  }

  test('cutAfter cuts between two writes too, and counts over all connections', async () => {
    const first = newClient();
    first.socket.write('hello');
    await first.receives('hello');
    proxy.cutAfter(8);
    const second = newClient();
    second.socket.write('world');
    assert.equal(await second.ends(), 'end');
    assert.equal(second.received, 'wor');
    assert.equal(await first.ends(), 'end');
  });

  test('cutAfter can count what goes to the server', async () => {
    proxy.cutAfter(3, { direction: 'toServer' });
    const client = newClient();
    client.socket.write('hello');
    assert.equal(await client.ends(), 'end');
    assert.equal(proxy.byteCounts.toServer, 3);
  });

  test('cutAfter 0 cuts without a byte', async () => {
    proxy.cutAfter(0, { kind: 'reset' });
    const client = newClient();
    client.socket.write('hello');
    assert.equal(await client.ends(), 'reset');
    assert.equal(client.received, '');
  });

  test('cutAfter what has passed already cuts at once', async () => {
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    proxy.cutAfter(5);
    assert.equal(await client.ends(), 'end');
  });

  test('reset resets what is open and lets new connections through', async () => {
    const first = newClient();
    first.socket.write('hello');
    await first.receives('hello');
    proxy.reset();
    assert.equal(await first.ends(), 'reset');
    const second = newClient();
    second.socket.write('again');
    await second.receives('again');
  });

  test('pause holds bytes and ends back until resume', async () => {
    const client = newClient();
    client.socket.write('one ');
    await client.receives('one ');
    proxy.pause();
    client.socket.end('two');
    await assert.rejects(client.receives('one two', 100), /not so after/);
    assert.deepEqual(proxy.byteCounts, { toClient: 4, toServer: 4 });
    assert.equal(serverSockets.size, 1);
    proxy.resume();
    assert.equal(await client.ends(), 'end');
    assert.equal(client.received, 'one two');
  });

  test('pause holds a reset back too: the server does not notice a dead client', async () => {
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    proxy.pause();
    client.socket.resetAndDestroy();
    await once(client.socket, 'close');
    const second = newClient(); // a whole connection later the server still has the first
    await once(second.socket, 'connect');
    await eventually(() => serverSockets.size === 2, LIMIT_MS, 'Both are there');
    proxy.resume();
    await eventually(() => serverSockets.size === 1, LIMIT_MS, 'The first is gone');
  });

  test('pause holds one direction back alone', async () => {
    const client = newClient();
    proxy.pause('toClient');
    client.socket.write('hello');
    await eventually(() => proxy.byteCounts.toServer === 5, LIMIT_MS, 'The server has it');
    assert.equal(proxy.byteCounts.toClient, 0);
    proxy.resume();
    await client.receives('hello');
  });

  test('chunk and delay pass bytes on one by one', async () => {
    proxy.chunk(1);
    proxy.delay(2);
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    assert.deepEqual(client.chunks.map(String), ['h', 'e', 'l', 'l', 'o']);
  });

  test('corrupt changes one byte and no other', async () => {
    proxy.corrupt(6);
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    client.socket.write('world');
    await client.receives(`hellow${String.fromCharCode(0xff ^ 'o'.charCodeAt(0))}rld`);
  });

  test('watch sees a piece before it is passed on, and can hold it back', async () => {
    proxy.watch((direction, piece) => {
      if (direction === 'toServer' && piece.includes('COMMIT')) proxy.pause('toClient');
    });
    const client = newClient();
    client.socket.write('BEGIN;');
    await client.receives('BEGIN;');
    client.socket.write('COMMIT;');
    await eventually(() => proxy.byteCounts.toServer === 13, LIMIT_MS, 'The server has it');
    proxy.reset();
    assert.equal(await client.ends(), 'reset');
    assert.equal(client.received, 'BEGIN;');
  });

  test('heal takes the faults back and counts from zero', async () => {
    proxy.cutAfter(2);
    proxy.chunk(1);
    const first = newClient();
    first.socket.write('hello');
    await first.ends();
    proxy.heal();
    assert.deepEqual(proxy.byteCounts, { toClient: 0, toServer: 0 });
    const second = newClient();
    second.socket.write('hello');
    await second.receives('hello');
  });

  test('resets the client when there is no server', async () => {
    const dead = await startWireProxy({ host: '127.0.0.1', port: 1 });
    const client = new Client(dead.port);
    assert.equal(await client.ends(), 'reset');
    await dead.close();
  });

  test('close ends all connections, paused ones too, and can be called again', async () => {
    const client = newClient();
    client.socket.write('hello');
    await client.receives('hello');
    proxy.pause();
    client.socket.write('more');
    await settlesWithin(proxy.close(), LIMIT_MS, 'close()');
    await proxy.close();
    assert.equal(await client.ends(), 'reset');
  });

  test('url names the proxy and keeps the rest', () => {
    assert.equal(
      proxy.url('postgres://me:secret@example.test:5432/db?a=b'),
      `postgres://me:secret@127.0.0.1:${String(proxy.port)}/db?a=b`,
    );
  });
});
