// A client that shows what came and how it ended, a broken transfer included.
import { once } from 'node:events';
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';

import { settlesWithin } from './deadline.js';

const LIMIT_MS = 20_000;

/** Options of {@link get}. */
export interface GetOptions {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
  /** What is sent after the headers. Default: nothing. */
  readonly body?: string;
}

/** A response whose headers are here; nothing of its body has been read. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: IncomingMessage;
  /** Leaves: the connection is cut at once. */
  leave(): void;
}

/** A response to its end. */
export interface WholeReply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
  /** `bytes` as UTF-8. */
  readonly text: string;
  /** Whether the server ended it, as HTTP knows it; false for a broken transfer. */
  readonly isComplete: boolean;
}

/** A request that has not been answered yet. */
export function begin(url: string, options: GetOptions = {}): ClientRequest {
  const { method = 'GET', token, headers = {}, agent, body } = options;
  const sent = request(url, {
    method,
    agent: agent ?? false,
    headers: { ...headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  });
  sent.on('error', () => undefined); // whoever waits for the response is told by it
  return sent.end(body);
}

/** Sends a request and waits for the response's headers. */
export async function open(url: string, options: GetOptions = {}): Promise<Reply> {
  const sent = begin(url, options);
  const [body] = (await settlesWithin(once(sent, 'response'), LIMIT_MS, 'A response')) as [
    IncomingMessage,
  ];
  body.on('error', () => undefined); // readToEnd() says so by isComplete
  return {
    status: body.statusCode ?? 0,
    headers: body.headers,
    body,
    leave: () => sent.destroy(),
  };
}

/** Reads what is left of a response; never throws for one that breaks off. */
export async function readToEnd({ status, headers, body }: Reply): Promise<WholeReply> {
  // Not once() of node:events: it rejects at an 'error', which is one of the endings here.
  const closed = new Promise((resolve) => body.once('close', resolve));
  const chunks: Buffer[] = [];
  body.on('data', (chunk: Buffer) => chunks.push(chunk));
  await settlesWithin(closed, LIMIT_MS, 'The end of a response');
  const bytes = Buffer.concat(chunks);
  return { status, headers, bytes, text: bytes.toString('utf8'), isComplete: body.complete };
}

/** Sends a request and reads the response to its end. */
export async function get(url: string, options: GetOptions = {}): Promise<WholeReply> {
  return readToEnd(await open(url, options));
}
