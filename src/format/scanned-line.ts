// What a scan says of a line: where its members lie in the bytes, without making values of them.

import type { ChangeOp } from './change-row.js';
import type { LineMember } from './export-line.js';
import type { MemberRange } from './json-scan.js';

/** A valid line that was scanned; a `LineScanner` is one until its next scan. */
export interface ScannedLine {
  /** The bytes that the ranges point into: UTF-8, more than this line. */
  readonly bytes: Uint8Array;
  /**
   * Where each member's value starts, quotes included, in the order of the format: `eventId`,
   * `schemaVersion`, `appId`, `table`, `id`, `op`, `data`, `fieldTimestamps`, `clientId`,
   * `createdAt`. -1 where it is absent, or counts as absent.
   */
  readonly starts: Int32Array;
  /** Where it ends, in the same order; nothing where it is absent. */
  readonly ends: Int32Array;
  /** How long the line is, in bytes, its line feed not counted. */
  readonly byteCount: number;
  /** The version that the line counts as: at least 1. */
  readonly schemaVersion: number;
  readonly op: ChangeOp;
  /**
   * Whether the member names within the line's values rise by length, then by bytes, as `jsonb` has
   * them: then no object in them holds a name twice. False says nothing.
   */
  readonly areNamesRising: boolean;
  /** Members that the format does not name, in their order. */
  readonly extra: readonly (MemberRange & { readonly name: string })[];
  /** The text of a member that is a string, its escapes resolved. */
  text(member: Exclude<LineMember, 'schemaVersion' | 'data' | 'fieldTimestamps'>): string;
}
