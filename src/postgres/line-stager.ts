// Bytes of lines to the stage: split, checked, upcast where they are old, and sent as COPY.

import { BackupError, isBackupError } from '../errors.js';
import { lineOf } from '../format/decode-line.js';
import { lineInvalid } from '../format/line-invalid.js';
import { lineIndex, LineScanner } from '../format/line-scan.js';
import type { ScannedLine } from '../format/scanned-line.js';
import { hasRepeatedNames } from '../format/repeated-names.js';
import { encodeUpcast } from '../format/upcast.js';
import type { VerifiedLines } from '../stream/archive-port.js';
import { LineSplitter, longestLineBytes, notUtf8 } from '../stream/line-splitter.js';
import type { CopyIn } from './copy-in.js';
import type { InputPiece } from './restore-input.js';
import type { RestoreRequest } from './restore-options.js';
import { listedCount } from './restore-report.js';
import type { RestoreRefusal, StagedFacts } from './restore-report.js';
import { StagedLines } from './staged-line.js';

/** About how many bytes go to the socket at once. */
const messageBytes = 128 * 1024;
const listedMembers = 20;

/** Where a {@link LineStager} sends its lines. */
export interface LineStagerParts {
  readonly copy: CopyIn;
  readonly maxLineBytes: number | undefined;
  /** Called whenever the database has taken what waited for it. */
  readonly onDrain: () => void;
}

/** Stages the lines of one restore. */
export class LineStager {
  readonly #request: RestoreRequest;
  readonly #copy: CopyIn;
  readonly #onDrain: () => void;
  readonly #splitter: LineSplitter;
  readonly #scan: LineScanner;
  readonly #upcastScan: LineScanner;
  readonly #staged: StagedLines;
  readonly #columns: ReadonlySet<string>;
  readonly #upcastFrom = new Map<number, number>();
  readonly #refused: RestoreRefusal[] = [];
  readonly #ignoredMembers = new Set<string>();
  #lineCount = 0;
  #byteCount = 0;
  #refusedCount = 0;
  #repeatedNameCount = 0;
  #isCutShort = false;

  constructor(
    request: RestoreRequest,
    { copy, maxLineBytes = longestLineBytes, onDrain }: LineStagerParts,
  ) {
    const { scope, maxDepth, remapUser } = request;
    const extraMembers = scope.log.extraColumns.map(([member]) => member);
    this.#request = request;
    this.#copy = copy;
    this.#onDrain = onDrain;
    this.#splitter = new LineSplitter(maxLineBytes);
    this.#scan = new LineScanner({ maxDepth });
    this.#upcastScan = new LineScanner({ maxDepth });
    this.#columns = new Set(extraMembers);
    this.#staged = new StagedLines({
      extraMembers,
      remapTo: remapUser ? scope.userId : undefined,
    });
  }

  /** Lines read so far. */
  get lineCount(): number {
    return this.#lineCount;
  }

  /** Whether a line was too long to read on after it; in a dry run only, since a restore fails there. */
  get isCutShort(): boolean {
    return this.#isCutShort;
  }

  /**
   * Takes what comes next: a chunk of JSONL, lines that somebody else has split and scanned, or the
   * error of a line that has no bytes.
   *
   * @returns what is to be waited for before the next one
   */
  async feed(next: InputPiece | VerifiedLines): Promise<void> {
    if (next instanceof Uint8Array) await this.#feedBytes(next);
    else if (next instanceof BackupError) this.#feedInvalid(next);
    else await this.#feedVerified(next);
  }

  async #feedBytes(chunk: Uint8Array): Promise<void> {
    const splitter = this.#splitter;
    splitter.feed(chunk);
    while (this.#advance()) {
      this.#stage(splitter.lineNumber, () => this.#scanned(splitter));
      const drained = this.#sent();
      if (drained !== undefined) await drained;
    }
  }

  async #feedVerified(lines: VerifiedLines): Promise<void> {
    while (lines.next()) {
      this.#stage(lines.lineNumber, () => lines.line);
      const drained = this.#sent();
      if (drained !== undefined) await drained;
    }
  }

  /** The line keeps its place among the others. */
  #feedInvalid({ code, message, details, cause }: BackupError<'BACKUP_LINE_INVALID'>): void {
    this.#splitter.lineNumber += 1;
    const { lineNumber } = this.#splitter;
    this.#orRefuse(lineNumber, () => {
      const where = { ...details, lineNumber };
      throw new BackupError(code, `${message} (line ${lineNumber})`, where, cause);
    });
  }

  /** Steps to the chunk's next line. */
  #advance(): boolean {
    try {
      return this.#splitter.advance();
    } catch (error) {
      if (!this.#request.dryRun || !isBackupError(error, 'BACKUP_LIMIT_EXCEEDED')) throw error;
      const { code, message, details } = error;
      this.#refuse(
        { code, message: `${message}; what comes after it was not read` },
        details.lineNumber ?? this.#splitter.lineNumber,
      );
      this.#isCutShort = true;
      return false;
    }
  }

  /**
   * After the last chunk: sends what is left and ends the COPY.
   *
   * @throws Error when the server has not taken every line
   */
  async finish(): Promise<void> {
    if (!this.#isCutShort) {
      this.#orRefuse(this.#splitter.lineNumber + 1, () => {
        this.#splitter.finish();
      });
    }
    const drained = this.#copy.write(this.#staged.takeLast());
    if (drained !== undefined) await drained;
    const rowCount = await this.#copy.finish();
    if (rowCount !== this.#staged.lineCount)
      throw new Error('the COPY took another number of rows');
  }

  /** What was found out. */
  facts(): StagedFacts {
    return {
      lineCount: this.lineCount,
      stagedCount: this.#staged.lineCount,
      byteCount: this.#byteCount,
      upcasts: this.#upcasts(),
      refusedCount: this.#refusedCount,
      refused: this.#refused,
      repeatedNameCount: this.#repeatedNameCount,
      ignoredMembers: [...this.#ignoredMembers],
    };
  }

  /** Sends what is staged, once it is worth a message. */
  #sent(): Promise<void> | undefined {
    return this.#staged.length < messageBytes
      ? undefined
      : this.#copy.write(this.#staged.take())?.then(this.#onDrain);
  }

  #scanned({ isUtf8, bytes, start, end, lineNumber }: LineSplitter): ScannedLine {
    if (!isUtf8) throw lineInvalid(notUtf8, { lineNumber });
    this.#scan.scan(bytes, start, end, lineNumber);
    return this.#scan;
  }

  #stage(lineNumber: number, scanned: () => ScannedLine): void {
    this.#lineCount = lineNumber;
    this.#orRefuse(lineNumber, () => {
      const given = scanned();
      const hasRepeated = !given.areNamesRising && this.#holdsRepeatedNames(given);
      const scan = this.#upcast(given, lineNumber);
      this.#staged.add(scan, lineNumber);
      this.#byteCount += scan.byteCount;
      if (hasRepeated) this.#repeatedNameCount += 1;
      this.#noteIgnored(scan);
    });
  }

  /** A dry run lists what a restore fails for. */
  #orRefuse(lineNumber: number, take: () => void): void {
    try {
      take();
    } catch (error) {
      if (!this.#request.dryRun || !isBackupError(error)) throw error;
      this.#refuse(error, lineNumber);
    }
  }

  #upcast(scan: ScannedLine, lineNumber: number): ScannedLine {
    const { upcaster } = this.#request;
    const { schemaVersion } = scan;
    if (upcaster === undefined || schemaVersion === upcaster.current) return scan;
    const line = lineOf(scan);
    const text = encodeUpcast(upcaster.upcast(line, lineNumber), line, lineNumber);
    const bytes = Buffer.from(text);
    this.#upcastScan.scan(bytes, 0, bytes.length, lineNumber);
    this.#upcastFrom.set(schemaVersion, (this.#upcastFrom.get(schemaVersion) ?? 0) + 1);
    return this.#upcastScan;
  }

  // In what is stored of the line; a step may have taken the later ones for good.
  #holdsRepeatedNames({ bytes, starts, ends, extra }: ScannedLine): boolean {
    const members = [lineIndex.data, lineIndex.fieldTimestamps].map((index) => ({
      valueStart: starts[index] as number,
      valueEnd: ends[index] as number,
    }));
    const columns = extra.filter(({ name }) => this.#columns.has(name));
    return [...members, ...columns].some(
      ({ valueStart, valueEnd }) =>
        valueStart >= 0 && hasRepeatedNames(bytes, valueStart, valueEnd),
    );
  }

  #noteIgnored(scan: ScannedLine): void {
    for (const { name } of scan.extra) {
      if (this.#columns.has(name) || this.#ignoredMembers.size >= listedMembers) continue;
      this.#ignoredMembers.add(name);
    }
  }

  #refuse({ code, message }: Omit<RestoreRefusal, 'lineNumber'>, lineNumber: number): void {
    this.#lineCount = lineNumber;
    this.#refusedCount += 1;
    if (this.#refused.length < listedCount) this.#refused.push({ code, message, lineNumber });
  }

  #upcasts(): StagedFacts['upcasts'] {
    const { upcaster } = this.#request;
    if (upcaster === undefined || this.#upcastFrom.size === 0) return [];
    const lowest = Math.min(...this.#upcastFrom.keys());
    return upcaster.explain(lowest).map((stage) => {
      let lineCount = 0;
      for (const [fromVersion, count] of this.#upcastFrom) {
        if (fromVersion <= stage.fromVersion) lineCount += count;
      }
      return { ...stage, lineCount };
    });
  }
}
