// An archive to read, sealed or not. A sealed one is opened in memory: its content is never written to
// a disk that it was sealed against.
import { open, stat } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { unsealArchive } from 'backup-streams/archive';

import { ToolError } from './failure.js';
import type { Unsealing } from './key-files.js';

/** The largest sealed file that is opened. */
export const maxSealedBytes = 1024 ** 3;

/**
 * What `verifyArchive` and `openArchive` take: the path, or the bytes of what was sealed.
 *
 * @throws ToolError FILE_SEALED for a sealed file without what opens it, FILE_TOO_LARGE;
 * BackupError BACKUP_SEAL_UNREADABLE
 */
export async function archiveInput(
  file: string,
  unsealing: Unsealing | undefined,
  signal: AbortSignal,
): Promise<string | Uint8Array> {
  if (unsealing !== undefined) return unsealed(file, unsealing, signal);
  if (await isSealed(file)) {
    const message = `${file} is sealed: name what opens it with --identity or --passphrase-file`;
    throw new ToolError('FILE_SEALED', message);
  }
  return file;
}

async function unsealed(
  file: string,
  unsealing: Unsealing,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > maxSealedBytes) {
    const message = `${file} is too large to open in memory: decrypt it with age and name the result`;
    throw new ToolError('FILE_TOO_LARGE', message);
  }
  const bytes = Buffer.allocUnsafe(size); // what was sealed is always shorter
  let length = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      length += chunk.copy(bytes, length);
      done();
    },
  });
  await unsealArchive(file, sink, { ...unsealing, signal });
  return bytes.subarray(0, length);
}

async function isSealed(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(19), 0, 19, 0);
    return buffer.toString('latin1', 0, bytesRead) === 'age-encryption.org/';
  } finally {
    await handle.close();
  }
}
