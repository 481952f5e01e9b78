// A download over HTTP from the example's sync service, which runs in a process of its own and has refused one
// request before. The request is what is measured, the service's first connection to the database included.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';

import type { HttpServiceAddress, HttpServiceTask } from '../http-service.js';
import type { Job, Run } from '../job.js';

export async function syncService({ databaseUrl, userId }: Job): Promise<Run> {
  const service = fork(new URL('../http-service.js', import.meta.url));
  service.send({ databaseUrl, userId } satisfies HttpServiceTask);
  const ended = once(service, 'exit').then(([code, signal]) => {
    throw new Error(`The service ended (${String(signal ?? code)}) before it listened`);
  });
  const [{ port }] = (await Promise.race([once(service, 'message'), ended])) as [
    HttpServiceAddress,
  ];
  ended.catch(() => undefined);
  const url = `http://127.0.0.1:${port}/backup/export`;
  const refused = await responseTo(url, {});
  refused.resume();
  await once(refused, 'end');
  return async (sink) => {
    const response = await responseTo(url, { authorization: 'Bearer token' });
    if (response.statusCode !== 200) throw new Error(`HTTP status ${String(response.statusCode)}`);
    await pipeline(response, sink);
    return {};
  };
}

async function responseTo(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { headers }), 'response')) as [IncomingMessage];
  return response;
}
