// "backup-streams/archive": the log as one file that can be checked.

export type { CompressionLevel } from './deflate-blocks.js';
export type { EventBytes } from './events-input.js';
export type { PrivateKey } from './keys.js';
export { writeArchive } from './write.js';
export type { WriteArchiveOptions } from './write.js';
