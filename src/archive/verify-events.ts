// Looks at every line of an archive's events: is it valid, in order, and what the manifest tells?

import { isBackupError } from '../errors.js';
import type { BackupError } from '../errors.js';
import { equalsAt } from '../format/json-bytes.js';
import { faultError } from '../format/line-invalid.js';
import type { LineFault } from '../format/line-invalid.js';
import { LineOrder } from '../format/line-order.js';
import { lineIndex, LineScanner } from '../format/line-scan.js';
import type { Manifest } from '../format/manifest.js';
import { orderViolated } from '../format/order-violated.js';
import type { Position } from '../format/position.js';
import type { ScannedLine } from '../format/scanned-line.js';
import { sortByUtf8 } from '../format/summary.js';
import type { VerifiedLines } from '../stream/archive-port.js';
import { LineSplitter, notUtf8 } from '../stream/line-splitter.js';
import { manifestWrong } from './archive-invalid.js';
import type { ReportProblem } from './container.js';

/** Where a line begins. */
export interface LineStart {
  readonly lineNumber: number;
  /** In `events.jsonl`, from 0. */
  readonly byteOffset: number;
}

/** Takes note of problems of lines. */
export interface LineProblems {
  /** Whether further problems are only counted. */
  readonly isFull: boolean;
  /** Takes note of one. */
  addOfLine(problem: BackupError, at: LineStart): void;
  /** Takes note that there was one more. */
  countOfLine(): void;
}

// How many lines are checked before others have their turn: some milliseconds. A chunk of valid lines
// has fewer.
const linesAtOnce = 2_000;
const notUtf8Fault: LineFault = { reason: notUtf8, place: {}, maxDepth: undefined };

/** Checks lines in bytes that come cut anywhere. Damage of one line does not hide another's. */
export class LinesCheck implements VerifiedLines {
  readonly #problems: LineProblems;
  readonly #splitter: LineSplitter;
  readonly #scanner: LineScanner;
  readonly #order = new LineOrder();
  readonly #facts: LineFactsCheck;
  #chunk: Buffer = Buffer.alloc(0);
  #byteOffset = 0;
  #linesLeft = linesAtOnce;
  #isStopped = false;
  #areAllValid = true;

  constructor(
    limits: { readonly maxLineBytes: number; readonly maxDepth: number | undefined },
    problems: LineProblems,
  ) {
    this.#problems = problems;
    this.#splitter = new LineSplitter(limits.maxLineBytes);
    this.#scanner = new LineScanner({ maxDepth: limits.maxDepth });
    this.#facts = new LineFactsCheck(this.#scanner);
  }

  /** The line that `next` has stepped to. */
  get line(): ScannedLine {
    return this.#scanner;
  }

  get lineNumber(): number {
    return this.#splitter.lineNumber;
  }

  /** Whether `next` has given false so that others have their turn: to be resumed, not fed. */
  get isPaused(): boolean {
    return this.#linesLeft === 0;
  }

  /** Takes the next chunk, after `next` has given false. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.resume();
    if (!this.#isStopped) this.#splitter.feed(chunk);
  }

  /** Goes on after a pause. */
  resume(): void {
    this.#linesLeft = linesAtOnce;
  }

  /** Checks the lines that end in the chunk, up to the next valid one or to a pause. */
  next(): boolean {
    const splitter = this.#splitter;
    while (this.#linesLeft > 0) {
      if (this.#isStopped || !this.#step(() => splitter.advance())) {
        this.#facts.keepLast();
        return false;
      }
      this.#linesLeft -= 1;
      const isValid = this.#checkLine();
      this.#byteOffset += splitter.end - splitter.start + 1;
      if (isValid) return true;
    }
    return false;
  }

  /** Checks what the lines were in all against the manifest, if there is one and all were valid. */
  finish(manifest: Manifest | undefined, report: ReportProblem): void {
    if (!this.#isStopped) {
      this.#step(() => {
        this.#splitter.finish();
        return false;
      });
    }
    if (manifest !== undefined && this.#areAllValid) this.#facts.compare(manifest, report);
  }

  /** A step of the splitter. After one that failed nobody knows where the next line begins. */
  #step(step: () => boolean): boolean {
    try {
      return step();
    } catch (error) {
      if (!isBackupError(error)) throw error;
      this.#isStopped = true;
      const { lineNumber } = this.#splitter;
      const told = 'lineNumber' in error.details ? error.details.lineNumber : undefined;
      this.#tell(() => error, told ?? lineNumber);
      return false;
    }
  }

  #checkLine(): boolean {
    const { bytes, start, end, lineNumber, isUtf8 } = this.#splitter;
    const fault = isUtf8 ? this.#scanner.check(bytes, start, end) : notUtf8Fault;
    if (fault !== undefined) {
      this.#tell(() => faultError(fault, lineNumber), lineNumber);
      return false;
    }
    const order = this.#order.compare(this.#scanner);
    if (order <= 0) this.#tell(() => orderViolated(order, lineNumber, 'line'), lineNumber);
    this.#facts.add(end - start, bytes.buffer === this.#chunk.buffer);
    return true;
  }

  #tell(problem: () => BackupError, lineNumber: number): void {
    this.#areAllValid = false;
    if (this.#problems.isFull) this.#problems.countOfLine();
    else this.#problems.addOfLine(problem(), { lineNumber, byteOffset: this.#byteOffset });
  }
}

const maxSpellings = 16;
// More than any manifest lists, which is 1 MiB by default: no memory is kept for the rest.
const maxAppsLength = 64 * 1024 * 1024;

// What the manifest tells of the lines besides their bytes and count.
class LineFactsCheck {
  readonly #scanner: LineScanner;
  readonly #apps = new Set<string>();
  #appsLength = 0;
  #areTooManyApps = false;
  // How the first apps are spelt: nearly every line's app is found here without a text of it.
  readonly #spellings: Buffer[] = [];
  #schemaVersionMin = Infinity;
  #schemaVersionMax = 0;
  #maxLineBytes = 0;
  #first: Position | undefined;
  #last: Position | undefined;
  #isLastKept = true;

  constructor(scanner: LineScanner) {
    this.#scanner = scanner;
  }

  /**
   * Takes note of the line that has just been scanned.
   *
   * @param isStable - whether its bytes stay until `keepLast` is called
   */
  add(lineBytes: number, isStable: boolean): void {
    const { schemaVersion } = this.#scanner;
    if (schemaVersion < this.#schemaVersionMin) this.#schemaVersionMin = schemaVersion;
    if (schemaVersion > this.#schemaVersionMax) this.#schemaVersionMax = schemaVersion;
    if (lineBytes > this.#maxLineBytes) this.#maxLineBytes = lineBytes;
    this.#addApp();
    this.#first ??= this.#position();
    this.#isLastKept = false;
    if (!isStable) this.keepLast();
  }

  keepLast(): void {
    if (!this.#isLastKept) this.#last = this.#position();
    this.#isLastKept = true;
  }

  compare(manifest: Manifest, report: ReportProblem): void {
    const found: Partial<Record<keyof Manifest, unknown>> = {
      apps: this.#areTooManyApps ? undefined : sortByUtf8([...this.#apps]),
      schemaVersionMin: this.#first && this.#schemaVersionMin,
      schemaVersionMax: this.#first && this.#schemaVersionMax,
      // Older manifests do not have these.
      ...(manifest.maxLineBytes !== undefined && { maxLineBytes: this.#maxLineBytes }),
      ...(manifest.firstPosition && { firstPosition: this.#first, lastPosition: this.#last }),
    };
    for (const [member, value] of Object.entries(found)) {
      const told = manifest[member as keyof Manifest];
      if (JSON.stringify(told) !== JSON.stringify(value))
        report(manifestWrong('not what the lines of events.jsonl give', member));
    }
  }

  #addApp(): void {
    const { bytes } = this.#scanner;
    const start = this.#scanner.starts[lineIndex.appId] ?? 0;
    const end = this.#scanner.ends[lineIndex.appId] ?? 0;
    for (const spelling of this.#spellings) {
      if (equalsAt(bytes, start, end, spelling)) return;
    }
    if (this.#spellings.length < maxSpellings) {
      this.#spellings.push(Buffer.from(bytes.subarray(start, end)));
    }
    const app = this.#scanner.text('appId');
    if (this.#areTooManyApps || this.#apps.has(app)) return;
    this.#apps.add(app);
    this.#appsLength += app.length;
    this.#areTooManyApps = this.#appsLength > maxAppsLength;
  }

  #position(): Position {
    // In the order in which a manifest writes them.
    return { createdAt: this.#scanner.text('createdAt'), eventId: this.#scanner.text('eventId') };
  }
}
