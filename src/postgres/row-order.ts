// Positions rise from row to row, in both lanes: of rows in another order, and of one that came twice, no
// reader takes an archive.

import { BackupError } from '../errors.js';
import { readInt32 } from './copy-frames.js';
import type { Tuple } from './copy-frames.js';
import { fieldOf } from './select-log.js';

// A timestamptz is two words, a uuid four.
const wordCount = 6;
const signBit = -0x80000000;

/** The order of binary tuples. */
export class TupleOrder {
  // As numbers that compare as the bytes do; before the first row below every time.
  readonly #last = new Int32Array(wordCount).fill(signBit);

  /**
   * Takes note of a tuple whose id and time are whole.
   *
   * @param lineNumber - of its line, from 1
   * @throws BackupError `BACKUP_ORDER_VIOLATED` when its position is not after that of the one before
   */
  follow({ bytes, starts }: Tuple, lineNumber: number): void {
    const last = this.#last;
    const timeAt = starts[fieldOf.createdAt] as number;
    const idAt = starts[fieldOf.id] as number;
    let order = 0;
    for (let index = 0; index < wordCount; index += 1) {
      const word = readInt32(bytes, index < 2 ? timeAt + 4 * index : idAt + 4 * index - 8);
      // All but the first have no sign.
      const comparable = index === 0 ? word : word ^ signBit;
      if (order === 0) order = comparable - (last[index] as number);
      last[index] = comparable;
    }
    if (order <= 0) throw orderViolated(lineNumber, order);
  }
}

/** The order of rows, whose times and ids are as the server writes them. */
export class RowOrder {
  #time = '';
  #id = '';

  /** As {@link TupleOrder.follow}. */
  follow(time: string, id: string, lineNumber: number): void {
    const order = compareTimes(time, this.#time) || compareTexts(id, this.#id);
    if (order <= 0) throw orderViolated(lineNumber, order);
    this.#time = time;
    this.#id = id;
  }
}

// Of fractions of another length the Z stands in the way: see comparePositions.
function compareTimes(a: string, b: string): number {
  return a.length === b.length ? compareTexts(a, b) : compareTexts(a.slice(0, -1), b.slice(0, -1));
}

function compareTexts(a: string, b: string): number {
  return a > b ? 1 : a === b ? 0 : -1;
}

function orderViolated(lineNumber: number, order: number): BackupError<'BACKUP_ORDER_VIOLATED'> {
  const reason = order < 0 ? 'earlier' : 'repeated';
  const what =
    order < 0
      ? 'should stand before the row before it: times or ids are not what the log is sorted by'
      : 'is the same event as the row before it: the log needs a unique key on its id';
  return new BackupError('BACKUP_ORDER_VIOLATED', `row ${lineNumber} of the log ${what}`, {
    lineNumber,
    reason,
  });
}
