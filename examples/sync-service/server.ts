// A sync service's backup route on node:http: GET /backup/export streams the caller's whole change
// log, as JSON Lines or with ?format=archive as an archive. This is the file that a host copies.
// The page at `/`, for people, is `download-page.ts`; without it, leave out the lines that name it.
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { isBackupError } from 'backup-streams';
import { writeArchive } from 'backup-streams/archive';
import { exportHeaders, resetOnFailure } from 'backup-streams/http';
import { pgExportStream } from 'backup-streams/postgres';
import type { PgExportOptions, PgExportStream, PgPool } from 'backup-streams/postgres';
import { authenticateHeader } from './authenticate.js';
import type { Authenticate } from './authenticate.js';
import { createDownloadPage } from './download-page.js';
import type { DownloadPage } from './download-page.js';

/** What a sync service is made of. */
export interface SyncServiceOptions {
  /** A `pg.Pool`; each running export holds one client of it. */
  readonly pool: PgPool;
  readonly authenticate: Authenticate;
  /** Called once for each export that was begun, when it is over, and for what went wrong before. */
  readonly log: (entry: LogEntry) => void;
  /** The time that a file is named after. Default: the clock. */
  readonly now?: (() => Date) | undefined;
  /** As in `PgExportOptions`. Default `require`. */
  readonly rowSecurity?: PgExportOptions['rowSecurity'];
}

/** One line of the log. Nothing in it is a user's data; a user id may be any text. */
export type LogEntry =
  | {
      readonly message: 'backup exported';
      readonly userId: string;
      readonly rows: number;
      readonly bytes: number;
      readonly sha256: string;
    }
  | {
      readonly message: 'backup export failed';
      readonly userId: string;
      /** Rows handed to the connection; how many of them arrived, only the client knows. */
      readonly rowsWritten: number;
      readonly error: string;
    }
  | { readonly message: 'request failed'; readonly error: string };

/** A server that is not listening yet. */
export function createSyncService(options: SyncServiceOptions): Server {
  const page = createDownloadPage(options.authenticate);
  return createServer((request, response) => {
    route(request, response, { ...options, page }).catch((error: unknown) => {
      options.log({ message: 'request failed', error: codeOf(error) });
      answer(response, 500, { error: 'INTERNAL' });
    });
  });
}

async function route(
  request: IncomingMessage,
  response: ServerResponse,
  options: SyncServiceOptions & { readonly page: DownloadPage },
): Promise<void> {
  // Listened for from the start: a client may be gone before it is known who it is.
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort(new ClientGone());
  });
  const { signal } = gone;
  const isForPage = await options.page(request, response, (download) =>
    exportBackup({ ...options, ...download, signal }, response),
  );
  if (isForPage) return;
  const [path, query] = (request.url ?? '').split('?', 2);
  if (path !== '/backup/export') {
    answer(response, 404, { error: 'NOT_FOUND' });
    return;
  }
  if (request.method !== 'GET') {
    answer(response, 405, { error: 'METHOD_NOT_ALLOWED' }, { Allow: 'GET' });
    return;
  }
  const format = new URLSearchParams(query).get('format') ?? 'jsonl';
  if (format !== 'jsonl' && format !== 'archive') {
    answer(response, 400, { error: 'FORMAT_UNKNOWN' });
    return;
  }
  const caller = await authenticateHeader(request.headers.authorization, options.authenticate);
  if ('reason' in caller) {
    const challenge = { 'WWW-Authenticate': 'Bearer realm="backup"' };
    answer(response, 401, { error: 'UNAUTHORIZED', reason: caller.reason }, challenge);
    return;
  }
  // No billing check stands here, on purpose: people get their data out whether they pay or not.
  const refuse: Export['refuse'] = (status, error) => {
    answer(response, status, { error });
  };
  await exportBackup({ ...options, format, userId: caller.userId, signal, refuse }, response);
}

interface Export extends SyncServiceOptions {
  readonly format: 'jsonl' | 'archive';
  readonly userId: string;
  readonly signal: AbortSignal;
  /** Says why there is no export, as long as nothing has been sent. */
  readonly refuse: (status: 500 | 503, code: string) => void;
}

async function exportBackup(
  { pool, format, userId, signal, refuse, rowSecurity, log, now = () => new Date() }: Export,
  response: ServerResponse,
): Promise<void> {
  let lines: PgExportStream | undefined;
  try {
    const at = now();
    const headers = exportHeaders({ userId, format, at });
    lines = pgExportStream(pool, { userId, signal, rowSecurity, flushIntervalMs: 1_000 });
    // Until the first rows are here a plain 503 is possible; afterwards only a broken connection is.
    await lines.ready();
    response.writeHead(200, headers);
    if (format === 'jsonl') {
      // To HTTP/1.0, which proxies may speak, a closed connection is the end of a whole file.
      resetOnFailure(lines, response);
      await pipeline(lines, response);
    } else await writeArchive(response, { userId, events: lines, at });
    const { eventCount: rows, byteCount: bytes, sha256 } = lines.summary();
    log({ message: 'backup exported', userId, rows, bytes, sha256 });
  } catch (error) {
    const rowsWritten = lines?.progress.lines ?? 0;
    // A client that went away fails the pipeline in one of several ways: the cause is told, once.
    const isGone = signal.aborted && !isBackupError(error);
    const code = isGone ? 'CLIENT_GONE' : codeOf(error);
    log({ message: 'backup export failed', userId, rowsWritten, error: code });
    if (response.headersSent) response.destroy();
    else refuse(isDatabaseDown(error) ? 503 : 500, codeForClient(error));
  }
}

class ClientGone extends Error {
  readonly code = 'CLIENT_GONE';
}

function answer(
  response: ServerResponse,
  status: number,
  body: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
  });
  response.end(JSON.stringify(body));
}

function isDatabaseDown(error: unknown): boolean {
  return (
    isBackupError(error, 'BACKUP_SOURCE_FAILED') || isBackupError(error, 'BACKUP_SOURCE_STALLED')
  );
}

function codeForClient(error: unknown): string {
  return isBackupError(error) ? error.code : 'INTERNAL';
}

/** The code of a BackupError or of Node's own errors; a name where there is none. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
