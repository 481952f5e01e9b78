// Archives in memory.
import { PassThrough } from 'node:stream';

import { writeArchive } from '../../src/archive/index.js';
import type { WriteArchiveOptions } from '../../src/archive/index.js';
import { USER } from './change-log.js';
import { collectBytes } from './collect.js';

/** An archive of {@link USER}'s, unless the options say otherwise. */
export async function archiveBytes(
  options: Omit<WriteArchiveOptions, 'userId'> & { readonly userId?: string },
): Promise<Buffer> {
  const out = new PassThrough();
  const [bytes] = await Promise.all([
    collectBytes(out),
    writeArchive(out, { userId: USER, ...options }),
  ]);
  return bytes;
}
