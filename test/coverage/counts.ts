// How often each point of a source file was passed, out of what V8 leaves in NODE_V8_COVERAGE: counts of ranges
// of the compiled text, by process, and the source map of each file.
import { readdirSync, readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import path from 'node:path';

import type ts from 'typescript';

import type { Place, Point } from './points.js';

interface V8Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface CompiledText {
  readonly lineLengths: readonly number[];
  readonly data?: SourceMapPayload;
}

interface V8Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly V8Range[] }[];
  }[];
  readonly 'source-map-cache'?: Readonly<Record<string, CompiledText>>;
}

/** One part of a source file, and where it is in the compiled text. */
interface Mapping {
  /** From 0, in the source. */
  readonly start: number;
  readonly offset: number;
}

/** Where the parts of a source file are in its compiled text, in the order of the source. */
function mappingsOf(
  { data, lineLengths }: CompiledText,
  source: ts.SourceFile,
): readonly Mapping[] {
  if (!data) throw new Error(`${source.fileName} was run without a source map.`);
  const map = new SourceMap(data);
  const mappings: Mapping[] = [];
  let lineStart = 0;
  lineLengths.forEach((length, line) => {
    for (let column = 0; column < length; column += 1) {
      const entry = map.findEntry(line, column);
      if (!('originalLine' in entry)) continue;
      // findEntry() gives the one before, where there is none.
      if (entry.generatedLine !== line || entry.generatedColumn !== column) continue;
      const start = source.getPositionOfLineAndCharacter(entry.originalLine, entry.originalColumn);
      mappings.push({ start, offset: lineStart + column });
    }
    lineStart += length + 1;
  });
  return mappings.sort((a, b) => a.start - b.start || a.offset - b.offset);
}

/** The innermost range around an offset says how often it was run. */
function countAt(ranges: readonly V8Range[], offset: number, isFunction: boolean): number {
  let innermost: V8Range | undefined;
  for (const range of ranges) {
    if (range.startOffset > offset || range.endOffset <= offset) continue;
    if (isFunction && range.startOffset === offset) continue;
    const length = range.endOffset - range.startOffset;
    if (!innermost || length <= innermost.endOffset - innermost.startOffset) innermost = range;
  }
  return innermost?.count ?? 0;
}

/** Counts the points of one source file, process by process. */
export class PointCounter {
  readonly points: readonly Point[];
  readonly counts: number[];
  readonly source: ts.SourceFile;
  #lineLengths?: string;
  readonly #offsets = new Map<Place, number>();

  constructor(source: ts.SourceFile, points: readonly Point[]) {
    this.source = source;
    this.points = points;
    this.counts = points.map(() => 0);
  }

  /** Adds what one process ran. */
  add(ranges: readonly V8Range[], compiled: CompiledText): void {
    const lineLengths = compiled.lineLengths.join();
    if (this.#lineLengths === undefined) {
      this.#lineLengths = lineLengths;
      this.#locate(mappingsOf(compiled, this.source));
    } else if (this.#lineLengths !== lineLengths) {
      throw new Error(`${this.source.fileName} was run in two versions.`);
    }
    const runsOf = (place: Place): number =>
      countAt(ranges, this.#offsets.get(place) ?? 0, place.isFunction);
    this.points.forEach(({ place, less }, index) => {
      const runs = runsOf(place) - (less ? runsOf(less) : 0);
      this.counts[index] = (this.counts[index] ?? 0) + runs;
    });
  }

  #locate(mappings: readonly Mapping[]): void {
    for (const place of this.points.flatMap(({ place, less }) =>
      less ? [place, less] : [place],
    )) {
      const first = mappings.find(({ start }) => start >= place.start);
      if (!first || first.start >= place.end) {
        const { line } = this.source.getLineAndCharacterOfPosition(place.start);
        throw new Error(`${this.source.fileName}:${String(line + 1)} is not in the source map.`);
      }
      this.#offsets.set(place, first.offset);
    }
  }
}

/** Adds what all processes ran that left their counts in a folder. */
export function addAll(folder: string, counters: ReadonlyMap<string, PointCounter>): void {
  for (const name of readdirSync(folder)) {
    const coverage = JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as V8Coverage;
    for (const { url, functions } of coverage.result) {
      const compiled = coverage['source-map-cache']?.[url];
      const counter = counters.get(url);
      if (compiled && counter)
        counter.add(
          functions.flatMap(({ ranges }) => ranges),
          compiled,
        );
    }
  }
}
