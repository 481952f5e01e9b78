// How much an archive may ask of whoever reads it: options, checked, with finite defaults.

import { integerOption } from '../options.js';
import { longestLineBytes } from '../stream/line-splitter.js';

/** How many times its compressed size an entry may be, unless the reader says otherwise. */
export const defaultMaxRatio = 200;

/** How long `manifest.json` may be, unless the reader says otherwise: 1 MiB. */
export const defaultMaxManifestBytes = 1024 * 1024;

/**
 * Limits of a reading. Beyond one, reading fails with `BACKUP_LIMIT_EXCEEDED`; beyond
 * `maxManifestBytes` with `BACKUP_MANIFEST_INVALID`, since what is so long is no manifest.
 */
export interface ArchiveLimitOptions {
  /** Entries in the container: 3 to 1,024. Default 8. */
  readonly maxEntries?: number | undefined;
  /** Bytes of any one entry. Default 1,099,511,627,776: 1 TiB. */
  readonly maxEntryBytes?: number | undefined;
  /**
   * For entries larger than 1 MiB: how many times its compressed size an entry may be. Default 200,
   * which no archive that this library has written goes beyond.
   */
  readonly maxRatio?: number | undefined;
  /** Bytes of `manifest.json`; beyond, it is `BACKUP_MANIFEST_INVALID`. Default 1,048,576: 1 MiB. */
  readonly maxManifestBytes?: number | undefined;
}

/** {@link ArchiveLimitOptions} with their defaults, checked. */
export type ArchiveLimits = { readonly [Name in keyof ArchiveLimitOptions]-?: number };

/** The names of {@link ArchiveLimitOptions}. */
export const archiveLimitNames = [
  'maxEntries',
  'maxEntryBytes',
  'maxRatio',
  'maxManifestBytes',
] as const;

/** Checks how long the caller lets a line be: 1 to 536,870,912 bytes (512 MiB), where it says. */
export function maxLineBytesOption(maxLineBytes: number | undefined): number | undefined {
  if (maxLineBytes === undefined) return undefined;
  return integerOption('maxLineBytes', maxLineBytes, { min: 1, max: longestLineBytes });
}

/** Checks the limits and fills in the defaults. */
export function archiveLimitsOf(options: ArchiveLimitOptions): ArchiveLimits {
  const { maxEntries = 8, maxEntryBytes = 2 ** 40, maxRatio = defaultMaxRatio } = options;
  const { maxManifestBytes = defaultMaxManifestBytes } = options;
  return {
    // The directory is read in one piece, with up to 192 KiB for each entry.
    maxEntries: integerOption('maxEntries', maxEntries, { min: 3, max: 1024 }),
    maxEntryBytes: integerOption('maxEntryBytes', maxEntryBytes, { min: 0 }),
    maxRatio: integerOption('maxRatio', maxRatio, { min: 1 }),
    maxManifestBytes: integerOption('maxManifestBytes', maxManifestBytes, { min: 1 }),
  };
}
