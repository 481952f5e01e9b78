// Counts, sizes and durations as people read them, and a line of progress.

/** 12345 as `12,345`. */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}

/** Bytes as `4.5 MB`, in powers of 1000. */
export function sizeText(byteCount: number): string {
  if (byteCount < 1_000) return `${byteCount} bytes`;
  if (byteCount < 1_000_000) return `${(byteCount / 1_000).toFixed(1)} kB`;
  return `${(byteCount / 1_000_000).toFixed(1)} MB`;
}

/** Tells how long something took. */
export class Stopwatch {
  readonly #start = performance.now();

  text(): string {
    return `${((performance.now() - this.#start) / 1_000).toFixed(1)} s`;
  }
}

/** Where lines go to: a terminal, a pipe, a file. */
export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows how far something is: rewritten in place on a terminal, now and then a line elsewhere. */
export class ProgressLine {
  readonly #output: Output;
  readonly #intervalMs: number;
  #shownAt = performance.now();
  #isShown = false;

  constructor(output: Output) {
    this.#output = output;
    this.#intervalMs = output.isTTY === true ? 100 : 2_000;
  }

  /** To be called as often as there is news. */
  show(text: () => string): void {
    const now = performance.now();
    if (now - this.#shownAt < this.#intervalMs) return;
    this.#shownAt = now;
    this.#isShown = this.#output.isTTY === true;
    this.#output.write(this.#isShown ? `\r${text()}\x1b[K` : `${text()}\n`);
  }

  /** Takes the line off a terminal. */
  clear(): void {
    if (this.#isShown) this.#output.write('\r\x1b[K');
    this.#isShown = false;
  }
}
