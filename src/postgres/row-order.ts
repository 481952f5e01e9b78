// Positions rise from row to row, in both lanes: of rows in another order, and of one that came twice, no
// reader takes an archive.

import { orderViolated } from '../format/order-violated.js';
import { comparePositions } from '../format/position.js';
import type { Position } from '../format/position.js';
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
    if (order <= 0) throw orderViolated(order, lineNumber, 'row', advice);
  }
}

/** The order of rows. */
export class RowOrder {
  #last: Position | undefined;

  /** As {@link TupleOrder.follow}. */
  follow(position: Position, lineNumber: number): void {
    const order = this.#last === undefined ? 1 : comparePositions(position, this.#last);
    if (order <= 0) throw orderViolated(order, lineNumber, 'row', advice);
    this.#last = position;
  }
}

const advice = {
  earlier: 'times or ids are not what the log is sorted by',
  repeated: 'the log needs a unique key on its id',
};
