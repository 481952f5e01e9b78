// Writes an archive of a thousand rows to standard output, in a process of its own.
import { writeArchive } from '../../src/archive/index.js';
import { changeSourceFrom } from '../../src/index.js';
import { changeRows } from './change-rows.js';

await writeArchive(process.stdout, {
  userId: 'user-1',
  events: changeSourceFrom(changeRows(1000)),
});
