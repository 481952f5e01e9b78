// What the byte lane knows of its lines for the summary, without a JavaScript value for each.

import type { LineFacts } from '../format/summary.js';
import { equalsAt } from '../format/json-bytes.js';

const maxHeldBytes = 1024 * 1024;
const idBytes = 36;

/** Where the position of a line lies. */
interface LinePosition {
  /** The line's buffer, which is not written again; the offsets below are in it. */
  readonly out: Buffer;
  readonly idAt: number;
  readonly timeAt: number;
  readonly timeEnd: number;
}

/** Where the parts of a line lie that the summary is made of. */
export interface TalliedLine extends LinePosition {
  readonly version: number;
  /** In memory that is the driver's, and not held on to. */
  readonly app: { readonly bytes: Uint8Array; readonly start: number; readonly end: number };
}

/** Gathers {@link LineFacts}. */
export class LineTally {
  #lineCount = 0;
  readonly #apps = new AppSet();
  #schemaVersionMin = Infinity;
  #schemaVersionMax = 0;
  #first: LineFacts['firstPosition'];
  #last: LinePosition | undefined;

  /** Lines so far. */
  get lineCount(): number {
    return this.#lineCount;
  }

  /** Takes note of a line, in the order in which lines are written. */
  add(line: TalliedLine): void {
    this.#lineCount += 1;
    this.#apps.add(line.app);
    this.#last = placeOf(line);
    if (line.version < this.#schemaVersionMin) this.#schemaVersionMin = line.version;
    if (line.version > this.#schemaVersionMax) this.#schemaVersionMax = line.version;
    this.#first ??= positionOf(line);
  }

  /** The facts of the lines so far. */
  facts(): LineFacts {
    const counts = { eventCount: this.#lineCount, apps: this.#apps.names };
    if (this.#first === undefined || this.#last === undefined) return counts;
    return {
      ...counts,
      schemaVersionMin: this.#schemaVersionMin,
      schemaVersionMax: this.#schemaVersionMax,
      firstPosition: this.#first,
      lastPosition: positionOf(this.#last),
    };
  }
}

// Beyond so many, looking through them costs more than decoding the name.
const maxKnown = 16;

/** App ids by their bytes: a name becomes a text only when it is new. */
class AppSet {
  readonly names = new Set<string>();
  readonly #known: Uint8Array[] = [];

  add({ bytes, start, end }: TalliedLine['app']): void {
    for (const known of this.#known) if (equalsAt(bytes, start, end, known)) return;
    // A copy: slice() of a Buffer would be a view of memory that the driver reuses.
    const name = Buffer.from(bytes.subarray(start, end));
    this.names.add(name.toString());
    if (this.#known.length < maxKnown) this.#known.push(name);
  }
}

// The memory of a fat line is not held on to; copying for every line would cost.
function placeOf({ out, idAt, timeAt, timeEnd }: TalliedLine): LinePosition {
  if (out.length <= maxHeldBytes) return { out, idAt, timeAt, timeEnd };
  const parts = [out.subarray(idAt, idAt + idBytes), out.subarray(timeAt, timeEnd)];
  return {
    out: Buffer.concat(parts),
    idAt: 0,
    timeAt: idBytes,
    timeEnd: idBytes + timeEnd - timeAt,
  };
}

function positionOf({ out, idAt, timeAt, timeEnd }: LinePosition): {
  createdAt: string;
  eventId: string;
} {
  return {
    createdAt: out.toString('latin1', timeAt, timeEnd),
    eventId: out.toString('latin1', idAt, idAt + idBytes),
  };
}
