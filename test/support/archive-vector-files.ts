// The vectors as files: one archive each, and a list that needs no JavaScript to be used.
import { fileURLToPath } from 'node:url';
import { archiveVectorKeys, archiveVectors } from './archive-vectors.js';

/** The folder that the files are in. */
export const ARCHIVE_VECTORS = fileURLToPath(new URL('../vectors/archives/', import.meta.url));

/** Every file of the folder, by name. */
export function archiveVectorFiles(): ReadonlyMap<string, Buffer> {
  const vectors = archiveVectors();
  const expectations = {
    keys: archiveVectorKeys,
    vectors: vectors.map(({ name, why, options, codes, intact, authentic }) => ({
      file: `${name}.zip`,
      why,
      options,
      ok: codes.length === 0,
      intact,
      authentic,
      codes: codes.map((code) => `BACKUP_${code}`),
    })),
  };
  return new Map([
    ...vectors.map(({ name, bytes }): [string, Buffer] => [`${name}.zip`, bytes]),
    ['expectations.json', Buffer.from(`${JSON.stringify(expectations, undefined, 1)}\n`)],
  ]);
}
