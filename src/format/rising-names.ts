// Watches the member names of a JSON value while it is scanned. Postgres writes the names of a jsonb
// by length, then by bytes: where each is above the one before it, none is there twice.

const backslash = 0x5c;

/** Whether the names within a value rise, object by object; told of each name as it is scanned. */
export class RisingNames {
  /** So far; false says nothing of whether a name is there twice. */
  areRising = true;
  // Where the last name of each open object starts and ends, by its depth.
  #last = new Int32Array(2 * 64);

  /** Begins anew. */
  reset(): void {
    this.areRising = true;
  }

  /** An object begins at this depth, from 1. */
  open(depth: number): void {
    const at = 2 * depth;
    if (at >= this.#last.length) this.#grow(at);
    this.#last[at] = this.#last[at + 1] = 0;
  }

  /** The next name of the innermost object, its quotes included. */
  note(bytes: Uint8Array, depth: number, start: number, end: number): void {
    if (!this.areRising) return;
    const last = this.#last;
    const at = 2 * depth;
    const lastStart = last[at] as number;
    const longer = end - start - ((last[at + 1] as number) - lastStart);
    this.areRising =
      longer > 0
        ? isPlain(bytes, start, end)
        : longer === 0 && isAbove(bytes, start, end, lastStart);
    last[at] = start;
    last[at + 1] = end;
  }

  #grow(length: number): void {
    const larger = new Int32Array(2 * length);
    larger.set(this.#last);
    this.#last = larger;
  }
}

// An escaped name is longer than what it stands for.
function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] === backslash) return false;
  return true;
}

/** Whether a name without escapes is above one of the same length. */
function isAbove(bytes: Uint8Array, start: number, end: number, lastStart: number): boolean {
  for (let at = start, other = lastStart; at < end; at += 1, other += 1) {
    const difference = (bytes[at] as number) - (bytes[other] as number);
    if (difference !== 0) return difference > 0 && isPlain(bytes, start, end);
  }
  return false;
}
