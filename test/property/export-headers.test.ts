// Any text as user id: the headers pass through a real server and a real socket as they were made.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';

import { exportFilename, exportHeaders } from '../../src/http/index.js';
import { collectBytes } from '../support/collect.js';
import { parseDisposition } from '../support/disposition.js';

const at = new Date('2026-04-14T10:00:00Z');

const pieces = ['"', '\\', '\r\n', '\r\n\r\n', '\0', '..', '/', '\\', '日本', ';', "'", '%2e', '*'];
const anyUserId = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 400 }),
  // Every UTF-16 unit, unpaired surrogates included.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 300 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.constantFrom(...pieces, 'a', 'filename="evil.exe"', '\ud83d'), { minLength: 1 })
    .map((parts) => parts.join('')),
);
const format = fc.constantFrom('jsonl' as const, 'archive' as const);

describe('the headers of an export', () => {
  let server: Server;
  let answer: (response: ServerResponse) => void = () => undefined;

  before(async () => {
    server = createServer((_request, response) => {
      try {
        answer(response);
      } catch (error) {
        // As a bug in a host would: the client gets nothing that parses.
        response.destroy(error as Error);
      }
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(async () => {
    server.close();
    await once(server, 'close');
  });

  /** The bytes of one whole response, read without any parser in between. */
  async function rawResponse(): Promise<string> {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port });
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    return (await collectBytes(socket)).toString('latin1');
  }

  test('reach the client one by one and unchanged, whatever the user id is', async () => {
    await fc.assert(
      fc.asyncProperty(anyUserId, format, async (userId, format) => {
        const headers = exportHeaders({ userId, format, at });
        answer = (response) => {
          response.sendDate = false;
          response.writeHead(200, { ...headers, 'Content-Length': '2', Connection: 'close' });
          response.end('{}');
        };
        const sent = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
        assert.deepEqual((await rawResponse()).split('\r\n'), [
          'HTTP/1.1 200 OK',
          ...sent,
          'Content-Length: 2',
          'Connection: close',
          '',
          '{}',
        ]);
      }),
      { numRuns: 300 },
    );
  });

  test('hold a quoted name that reads back as the file name, and a decodable second one', () => {
    fc.assert(
      fc.property(anyUserId, format, (userId, format) => {
        const { 'Content-Disposition': header = '' } = exportHeaders({ userId, format, at });
        const { type, filename, extended } = parseDisposition(header);
        assert.equal(type, 'attachment');
        assert.equal(filename, exportFilename({ userId, format, at }));
        assert.match(filename, /^[A-Za-z0-9._-]{1,144}$/);
        assert.doesNotMatch(`${filename} ${extended ?? ''}`, /\.\.|[/\\"\p{C}]/u);
        assert.ok(header.length <= 1024);
      }),
      { numRuns: 2_000 },
    );
  });
});
