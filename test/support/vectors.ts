// The shared vectors: rows as SQL text, and the exact line that each must give.
import { readFileSync } from 'node:fs';

import type { RowText } from '../../dev/row-text.js';

/** One case of test/vectors/lines.json. All cases share one event id; give each its own to insert several. */
export interface LineVector {
  /** Short name for the test's title. */
  readonly name: string;
  /** What the case is there for. */
  readonly why: string;
  /** The row as it is inserted. */
  readonly row: RowText;
  /** Postgres' own text of the column `data` after that. */
  readonly dataText: string | null;
  /** Postgres' own text of the column `field_timestamps` after that. */
  readonly fieldTimestampsText: string | null;
  /** The line, without its newline. */
  readonly line: string;
}

/** The vectors in the file's order. */
export const lineVectors: readonly LineVector[] = JSON.parse(
  readFileSync(new URL('../vectors/lines.json', import.meta.url), 'utf8'),
) as readonly LineVector[];
