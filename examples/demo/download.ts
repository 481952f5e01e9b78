// A client of the sync service: one export over HTTP into a file that is not given its name yet.
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Stage } from './log-database.js';
import { DemoError } from './options.js';

/** What {@link download} needs to know. */
export interface DownloadOptions {
  readonly url: string;
  readonly token: string;
  readonly outDir: string;
  /** Called for each piece that has arrived, with totals. */
  readonly onProgress: (rowCount: number, byteCount: number) => void;
}

/** A file that has arrived whole, as far as HTTP can tell. */
export interface Download {
  /** Where it is until it is checked. */
  readonly partFile: string;
  /** What it is to be called then. */
  readonly file: string;
}

/**
 * Downloads an export.
 *
 * @throws DemoError when the service refuses, or the transfer breaks off
 */
export async function download(options: DownloadOptions, stage: Stage): Promise<Download> {
  const { url, token, outDir, onProgress } = options;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (response.status !== 200 || response.body === null) {
    throw new DemoError(refusal(response.status, await response.text()));
  }
  const file = path.join(outDir, fileNameOf(response.headers.get('content-disposition') ?? ''));
  const partFile = `${file}.part`;
  stage.atEnd(() => rm(partFile, { force: true }));
  let rowCount = 0;
  let byteCount = 0;
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      byteCount += chunk.length;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) rowCount += 1;
      onProgress(rowCount, byteCount);
      yield chunk;
    }
  };
  try {
    await pipeline(response.body, counted, createWriteStream(partFile));
  } catch (error) {
    if (isFileError(error)) throw new DemoError(`Cannot write ${partFile}: ${error.code}.`);
    throw new DemoError(`The download broke off after ${rowCount} rows.`);
  }
  return { partFile, file };
}

/** The name in the header, if it is one that can do no harm here. */
function fileNameOf(disposition: string): string {
  const name = /; filename="([A-Za-z0-9][A-Za-z0-9._-]*)"/.exec(disposition)?.[1];
  if (name === undefined) throw new DemoError('The service named no file.');
  return name;
}

function refusal(status: number, body: string): string {
  const code = /"error":"(\w+)"/.exec(body)?.[1] ?? 'no code';
  const said = `The sync service answered ${status} (${code})`;
  if (code === 'BACKUP_TENANCY_UNSAFE') {
    return (
      `${said}: row-level security does not hold for this table and role. ` +
      'Connect as the plain role of your service, or add --explicit-filter-only.'
    );
  }
  return status === 503 ? `${said}: the change log cannot be read at the moment.` : `${said}.`;
}

function isFileError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error;
}
