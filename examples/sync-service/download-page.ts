// Serves the page and answers its form: a POST whose answer is the download itself, so that the browser
// streams it to the disk. Whatever is wrong before the first byte is the page again, with a sentence.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticateHeader } from './authenticate.js';
import type { Authenticate } from './authenticate.js';
import { FORM_PATH, PAGE_PATH, sendPage } from './page.js';

/** What the form asks for. */
export interface FormDownload {
  readonly userId: string;
  readonly format: 'jsonl' | 'archive';
  /** To be called in place of sending anything, with a status and the code of what is wrong. */
  readonly refuse: (status: 500 | 503, code: string) => void;
}

/**
 * Answers a request that is for the page or from its form, and says whether it was one. `start` is called at
 * most once, sends the download or refuses it, and settles when that is over.
 */
export type DownloadPage = (
  request: IncomingMessage,
  response: ServerResponse,
  start: (download: FormDownload) => Promise<void>,
) => Promise<boolean>;

// More than a token in a header could have: Node takes 16 KiB of headers.
const MAX_FORM_BYTES = 16_384;

/** The page at `/`, and its form's download at `/backup/download`. */
export function createDownloadPage(authenticate: Authenticate): DownloadPage {
  // Of this process. With several of them, keep it where all can see it.
  const busyUsers = new Set<string>();
  return async (request, response, start) => {
    const [path] = (request.url ?? '').split('?', 1);
    if (path === FORM_PATH) {
      try {
        await answerForm({ request, response, start, authenticate, busyUsers });
      } catch (error) {
        sendPage(response, 500, { problem: 'SERVICE_FAULT' });
        throw error;
      }
      return true;
    }
    if (path !== PAGE_PATH) return false;
    if (request.method === 'GET' || request.method === 'HEAD') sendPage(response, 200);
    else sendPage(response, 405, { problem: 'FORM_UNREADABLE' }, { Allow: 'GET, HEAD' });
    return true;
  };
}

interface FormRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly start: (download: FormDownload) => Promise<void>;
  readonly authenticate: Authenticate;
  /** Users whose download is under way. */
  readonly busyUsers: Set<string>;
}

async function answerForm(form: FormRequest): Promise<void> {
  const { request, response, start, authenticate, busyUsers } = form;
  // Not even HEAD: it would have to run the query. And a GET could come from a mere link.
  if (request.method !== 'POST') {
    sendPage(response, 405, { problem: 'FORM_UNREADABLE' }, { Allow: 'POST' });
    return;
  }
  if (isFromElsewhere(request)) {
    sendPage(response, 403, { problem: 'FORM_UNREADABLE' });
    return;
  }
  const fields = await readForm(request);
  const format = fields?.get('format');
  if (fields === undefined || (format !== 'jsonl' && format !== 'archive')) {
    sendPage(response, 400, { problem: 'FORM_UNREADABLE' });
    return;
  }
  const token = fields.get('token')?.trim() ?? '';
  // As a header, which holds it to the same syntax. The reason is for programs; people get a sentence.
  const caller = await authenticateHeader(token && `Bearer ${token}`, authenticate);
  if ('reason' in caller) {
    const problem = token === '' ? 'TOKEN_MISSING' : 'TOKEN_REFUSED';
    sendPage(response, 401, { problem, format }, { 'WWW-Authenticate': 'Bearer realm="backup"' });
    return;
  }
  const { userId } = caller;
  if (busyUsers.has(userId)) {
    sendPage(response, 409, { problem: 'DOWNLOAD_RUNNING', format });
    return;
  }
  busyUsers.add(userId);
  try {
    const refuse: FormDownload['refuse'] = (status, code) => {
      if (status === 503) sendPage(response, status, { problem: 'DATABASE_DOWN', format });
      else sendPage(response, status, { problem: 'SERVICE_FAULT', code, format });
    };
    await start({ userId, format, refuse });
  } finally {
    busyUsers.delete(userId);
  }
}

/**
 * Whether the browser says that another site sent the form. The token in the form is proof enough against
 * that; a cookie in its place is not, and needs `SameSite` besides, for browsers that say nothing.
 */
function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** The fields of a form that is of the right type and not too long. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const { 'content-type': type = '', 'content-length': length } = request.headers;
  if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(type)) return undefined;
  // Told beforehand by every browser; Node reads no more than it says.
  if (length === undefined || Number(length) > MAX_FORM_BYTES) return undefined;
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return undefined; // its sender is gone
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}
