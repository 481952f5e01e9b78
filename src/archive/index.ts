// "backup-streams/archive": the log as one file that can be checked.

export type { ArchiveLimitOptions } from './archive-limits.js';
export type { CompressionLevel } from './deflate-blocks.js';
export type { EventBytes } from './events-input.js';
export type { PrivateKey } from './keys.js';
export { openArchive } from './open.js';
export type { OpenArchiveOptions } from './open.js';
export { sealArchive, unsealArchive } from './seal.js';
export type { SealArchiveOptions, SealFlowOptions, UnsealArchiveOptions } from './seal.js';
export type { SealInput } from './seal-input.js';
export { verifyArchive } from './verify.js';
export type { VerifyArchiveOptions } from './verify.js';
export { writeArchive } from './write.js';
export type { WriteArchiveOptions } from './write.js';
