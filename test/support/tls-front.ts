// TLS in front of a server that speaks none: what `pg` reads then comes out of a TLSSocket. Both sides share a key,
// so that no certificate is needed (RFC 4279).
import { once } from 'node:events';
import { type AddressInfo, type NetConnectOpts, connect, createServer } from 'node:net';
import { TLSSocket, type PSKCallbackNegotation } from 'node:tls';

const HOST = '127.0.0.1';
const PSK: PSKCallbackNegotation = { identity: 'test', psk: Buffer.alloc(32, 'test') };
const CIPHERS = 'PSK';
const MAX_VERSION = 'TLSv1.2';

/** What a client passes as `ssl`. */
export const tlsFrontClient = {
  ciphers: CIPHERS,
  maxVersion: MAX_VERSION,
  pskCallback: () => PSK,
  checkServerIdentity: () => undefined,
} as const;

/** A server that answers PostgreSQL's SSLRequest and then passes on what it decrypts. */
export interface TlsFront extends AsyncDisposable {
  /** How many connections were encrypted. */
  readonly secureCount: number;
  /** The same database through this front. */
  url(url: string): string;
}

/** Starts a front for `target`, on a free port. */
export async function startTlsFront(target: NetConnectOpts): Promise<TlsFront> {
  let secureCount = 0;
  const server = createServer((client) => {
    client.on('error', () => undefined);
    client.once('data', () => {
      client.write('S');
      const secure = new TLSSocket(client, {
        isServer: true,
        ciphers: CIPHERS,
        maxVersion: MAX_VERSION,
        pskCallback: () => PSK.psk,
      } as object);
      const upstream = connect(target);
      secure.once('secure', () => (secureCount += 1));
      secure.on('error', () => upstream.destroy());
      upstream.on('error', () => secure.destroy());
      secure.pipe(upstream).pipe(secure);
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    get secureCount() {
      return secureCount;
    },
    url(url) {
      const through = new URL(url);
      through.host = `${HOST}:${String(port)}`;
      return through.href;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
