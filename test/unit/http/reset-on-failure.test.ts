// A download that fails, as peers of each version of HTTP see it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage, ServerResponse, createServer } from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, type Server, Socket, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';

import { type DownloadResponse, resetOnFailure } from '../../../src/http/index.js';
import { get } from '../../support/http-client.js';

/** Serves a download that sends some bytes, and then fails or ends; both are up to the test. */
async function withDownload(
  make: (handler: (response: DownloadResponse & NodeJS.WritableStream) => void) => Server,
  use: (address: { readonly port: number; readonly source: PassThrough }) => Promise<void>,
): Promise<void> {
  const source = new PassThrough();
  source.write('{"eventId":"1"}\n');
  const server = make((response) => {
    resetOnFailure(source, response);
    // Whatever it rejects with is what the client sees.
    pipeline(source, response).catch(() => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use({ port: (server.address() as AddressInfo).port, source });
  } finally {
    server.close();
  }
}

const overHttp1 = (handler: (response: DownloadResponse & NodeJS.WritableStream) => void): Server =>
  createServer((_request, response) => {
    handler(response);
  });

/** How a download by HTTP/1.0 ends; `onBytes` is called once all that was sent is here. */
async function download10(
  port: number,
  onBytes: () => void,
): Promise<{ readonly body: string; readonly code: string | undefined }> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  let code: string | undefined;
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    // Node takes a reset that comes together with bytes for an end, so it comes alone.
    if (text.endsWith('}\n')) onBytes();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
  await new Promise((resolve) => socket.once('close', resolve));
  return { body: text.slice(text.indexOf('\r\n\r\n') + 4), code };
}

test('HTTP/1.0: a failure resets the connection, and an end closes it', async () => {
  await withDownload(overHttp1, async ({ port, source }) => {
    const { body, code } = await download10(port, () => source.destroy(new Error('the database')));
    assert.deepEqual([body, code], ['{"eventId":"1"}\n', 'ECONNRESET']);
  });
  await withDownload(overHttp1, async ({ port, source }) => {
    const { body, code } = await download10(port, () => source.end());
    assert.deepEqual([body, code], ['{"eventId":"1"}\n', undefined]);
  });
});

test('HTTP/1.0: a client that has gone before the failure changes nothing', async () => {
  await withDownload(overHttp1, async ({ port, source }) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.write('GET / HTTP/1.0\r\n\r\n');
    await once(socket, 'data');
    socket.destroy();
    await assert.rejects(once(source, 'end'));
  });
});

test('HTTP/1.1: the transfer is broken off, as it is without', async () => {
  await withDownload(overHttp1, async ({ port, source }) => {
    const reply = get(`http://127.0.0.1:${String(port)}/`);
    await once(source, 'resume');
    source.destroy(new Error('the database'));
    assert.equal((await reply.catch(() => ({ isComplete: false }))).isComplete, false);
  });
});

test('HTTP/2: the stream alone ends, with an error', async () => {
  const overHttp2 = (
    handler: (response: DownloadResponse & NodeJS.WritableStream) => void,
  ): Server =>
    http2.createServer((_request, response) => {
      handler(response);
    });
  await withDownload(overHttp2, async ({ port, source }) => {
    const client = http2.connect(`http://127.0.0.1:${String(port)}`);
    const stream = client.request({ ':path': '/' });
    await once(stream, 'data');
    source.destroy(new Error('the database'));
    await new Promise((resolve) => stream.on('error', () => undefined).once('close', resolve));
    assert.notEqual(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
    assert.equal(client.destroyed, false);
    client.destroy();
  });
});

test('HTTP/1.0: a failure of an answer that has let go of its connection changes nothing', async () => {
  const request = new IncomingMessage(new Socket());
  request.httpVersionMajor = 1;
  request.httpVersionMinor = 0;
  const response = new ServerResponse(request);
  assert.equal(response.socket, null);
  const source = new PassThrough();
  resetOnFailure(source, response);
  const failure = new Error('the database');
  const failed = once(source, 'close').catch((error: unknown) => error);
  source.destroy(failure);
  assert.equal(await failed, failure);
});
