// Text for terminals and logs: nothing that a file says of itself may steer the terminal it is shown on.

/** Where text goes to: a terminal, a pipe, a file. */
export interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** The text with control and invisible characters written as `\u001b`; JSON stays the same JSON. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => String.raw`\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** A value as JSON on one line, with nothing in it that a terminal obeys. */
export function jsonText(value: unknown): string {
  return printable(JSON.stringify(value));
}

/** Names and values in two columns; what is undefined is left out. */
export function table(rows: Readonly<Record<string, string | number | undefined>>): string[] {
  const told = Object.entries(rows).filter(([, value]) => value !== undefined);
  const width = Math.max(...told.map(([name]) => name.length));
  return told.map(([name, value]) => `  ${name.padEnd(width)}  ${String(value)}`);
}

/** How far a command is: rewritten in place on a terminal, now and then a line elsewhere. */
export class Progress {
  readonly #output: Output | undefined;
  readonly #intervalMs: number;
  #shownAt = performance.now();
  #isShown = false;

  /** @param output - undefined to show nothing */
  constructor(output: Output | undefined) {
    this.#output = output;
    this.#intervalMs = output?.isTTY === true ? 100 : 2_000;
  }

  /** To be called as often as there is news. */
  show(text: () => string): void {
    const now = performance.now();
    if (this.#output === undefined || now - this.#shownAt < this.#intervalMs) return;
    this.#shownAt = now;
    this.#isShown = this.#output.isTTY === true;
    this.#output.write(this.#isShown ? `\r${text()}\x1b[K` : `${text()}\n`);
  }

  /** Takes the line off a terminal. */
  clear(): void {
    if (this.#isShown) this.#output?.write('\r\x1b[K');
    this.#isShown = false;
  }
}
