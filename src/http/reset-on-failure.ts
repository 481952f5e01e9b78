// What makes a download that fails look failed where the protocol itself cannot say so.

/** What may fail: a Node stream. */
export interface FailingSource {
  once(event: 'error', listener: () => void): unknown;
}

/** What a download is sent through: a `ServerResponse` of `node:http` or `node:https`, or HTTP/2's. */
export interface DownloadResponse {
  readonly req: { readonly httpVersionMajor: number; readonly httpVersionMinor: number };
  readonly socket: unknown;
}

/**
 * Makes a failure visible over HTTP/1.0 as well: when `source` fails, the connection is reset. An
 * answer of HTTP/1.0 without a length ends with its connection, so that one that was merely closed
 * looks whole, and a proxy hands it on as whole; nginx speaks HTTP/1.0 to its upstreams unless
 * `proxy_http_version` says otherwise. Does nothing for later versions: there a closed connection is a
 * broken transfer. Call it before anything reads `source`.
 *
 * Over TLS a connection cannot be reset from here. It is closed without the protocol's own goodbye,
 * which is for the peer to notice.
 *
 * @example
 * ```ts
 * import type { ServerResponse } from 'node:http';
 * import { pipeline } from 'node:stream/promises';
 * import { resetOnFailure } from 'backup-streams/http';
 * import type { PgExportStream } from 'backup-streams/postgres';
 *
 * async function send(lines: PgExportStream, response: ServerResponse): Promise<void> {
 *   resetOnFailure(lines, response);
 *   await pipeline(lines, response);
 * }
 * ```
 */
export function resetOnFailure(source: FailingSource, response: DownloadResponse): void {
  const { httpVersionMajor, httpVersionMinor } = response.req;
  if (httpVersionMajor > 1 || (httpVersionMajor === 1 && httpVersionMinor > 0)) return;
  // Taken now: by the time of the failure the response may have let go of it.
  const socket = response.socket as ResettableSocket | null;
  source.once('error', () => {
    if (socket === null || socket.destroyed || socket.encrypted === true) return;
    socket.resetAndDestroy();
  });
}

interface ResettableSocket {
  readonly destroyed: boolean;
  readonly encrypted?: boolean;
  resetAndDestroy(): unknown;
}
