// The headers of a download of an export.

import { exportFilenames } from './export-filename.js';
import type { ExportFilenameOptions } from './export-filename.js';

const mediaTypes = { jsonl: 'application/x-ndjson', archive: 'application/zip' } as const;

/**
 * The headers of a response that carries an export, ready for `response.writeHead(200, headers)` or
 * `new Response(body, { headers })`.
 *
 * - `Content-Type`: `application/x-ndjson`, or `application/zip` for an archive
 * - `Content-Disposition`: `attachment` with the name of `exportFilename`; where that could not keep
 *   the user id as it is, `filename*` has it with the letters and digits of its own script, cut to
 *   128 bytes (RFC 6266, RFC 8187)
 * - `X-Content-Type-Options: nosniff`: a browser does not guess another type
 * - `X-Accel-Buffering: no`: nginx passes each flush on
 * - `Cache-Control: no-store`: no copy of a user's data stays in between
 *
 * Every value is printable ASCII, whatever the user id is.
 *
 * @throws TypeError for invalid options
 *
 * @example
 * ```ts
 * import type { ServerResponse } from 'node:http';
 * import { exportHeaders } from 'backup-streams/http';
 *
 * function begin(response: ServerResponse, userId: string): void {
 *   response.writeHead(200, exportHeaders({ userId, format: 'jsonl', at: new Date() }));
 * }
 * ```
 */
export function exportHeaders(options: ExportFilenameOptions): Record<string, string> {
  const { ascii, unicode } = exportFilenames(options);
  // The name holds none of the characters that encodeURIComponent leaves and RFC 8187 does not.
  const extended = unicode === ascii ? '' : `; filename*=UTF-8''${encodeURIComponent(unicode)}`;
  return {
    'Content-Type': mediaTypes[options.format],
    'Content-Disposition': `attachment; filename="${ascii}"${extended}`,
    'X-Content-Type-Options': 'nosniff',
    'X-Accel-Buffering': 'no',
    'Cache-Control': 'no-store',
  };
}
