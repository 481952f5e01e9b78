// Writes test/vectors/archives/ anew: `npm run vectors`. A test holds the folder to the same bytes.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ARCHIVE_VECTORS, archiveVectorFiles } from '../test/support/archive-vector-files.js';

await mkdir(ARCHIVE_VECTORS, { recursive: true });
const files = archiveVectorFiles();
for (const name of await readdir(ARCHIVE_VECTORS)) {
  if (!files.has(name)) await rm(path.join(ARCHIVE_VECTORS, name));
}
for (const [name, bytes] of files) await writeFile(path.join(ARCHIVE_VECTORS, name), bytes);
console.log(`${String(files.size)} files in ${ARCHIVE_VECTORS}`);
