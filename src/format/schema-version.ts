// What schema version a row counts as: rows from before the column existed count as 1.

/** The highest schema version that the log's `int4` column can hold. */
export const maxSchemaVersion = 2_147_483_647;

/**
 * Gives the schema version that is written for a row: missing, zero or negative gives 1, and no
 * version is ever clamped downwards.
 *
 * @param version - the row's value; an integer up to 2^31 - 1
 * @returns an integer from 1 to 2^31 - 1
 * @throws TypeError for what is no integer; RangeError beyond 2^31 - 1
 *
 * @example
 * ```ts
 * import { normalizeSchemaVersion } from 'backup-streams';
 *
 * normalizeSchemaVersion(null); // 1
 * normalizeSchemaVersion(7); // 7
 * ```
 */
export function normalizeSchemaVersion(version: number | null | undefined): number {
  if (version === null || version === undefined) return 1;
  if (!Number.isInteger(version)) throw new TypeError('a schema version must be an integer');
  if (version > maxSchemaVersion) {
    throw new RangeError(`a schema version must be at most ${maxSchemaVersion}`);
  }
  return Math.max(version, 1);
}
