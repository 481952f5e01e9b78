// The shared vectors of lines to be read: bytes, and the verdict that they must get.
import { readFileSync } from 'node:fs';

import type { BackupErrorCode } from '../../src/index.js';

/** One case of test/vectors/jsonl.json. */
export interface JsonlVector {
  /** The row of the fault table that it stands for. */
  readonly tag: string;
  readonly name: string;
  /** A JSONL file. */
  readonly bytes: Buffer;
  /** The code of the error that reading it gives; null where all of it is valid. */
  readonly code: BackupErrorCode | null;
  /** The line that the error names. */
  readonly lineNumber?: number;
  /** The member that the error names. */
  readonly member?: string;
}

type Stored = Omit<JsonlVector, 'bytes'> & { readonly text?: string; readonly hex?: string };

/** The vectors in the file's order. */
export const jsonlVectors: readonly JsonlVector[] = (
  JSON.parse(
    readFileSync(new URL('../vectors/jsonl.json', import.meta.url), 'utf8'),
  ) as readonly Stored[]
).map(({ text, hex, ...vector }) => ({
  ...vector,
  bytes: text === undefined ? Buffer.from(hex ?? '', 'hex') : Buffer.from(text),
}));
