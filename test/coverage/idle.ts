// What was run of a source file in numbers, and what was not, for a reader.
import type { PointCounter } from './counts.js';
import type { Point } from './points.js';

/** Something that was not run. */
export interface Idle {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly way: string;
}

export interface Totals {
  lines: number;
  linesCovered: number;
  branches: number;
  branchesCovered: number;
}

function squeezed(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

/** What was not run, but for what is part of something that was not. */
export function idleOf({ source, points, counts }: PointCounter): readonly Idle[] {
  const idle = points.filter((_, index) => (counts[index] ?? 0) <= 0);
  const isPart = (point: Point, index: number): boolean =>
    idle.some(
      (other, at) =>
        other !== point &&
        !other.less &&
        other.place.start <= point.place.start &&
        other.place.end >= point.place.end &&
        // Of two with the same extent, the branch says more.
        (other.place.start < point.place.start ||
          other.place.end > point.place.end ||
          (other.kind === point.kind ? at < index : other.kind === 'branch')),
    );
  return idle
    .filter((point, index) => !isPart(point, index))
    .map(({ place, way }) => ({
      line: source.getLineAndCharacterOfPosition(place.start).line + 1,
      text: squeezed(source.text.slice(place.start, place.end)),
      way,
    }));
}

export function totalsOf({ source, points, counts }: PointCounter): Totals {
  const lines = new Map<number, boolean>();
  const totals: Totals = { lines: 0, linesCovered: 0, branches: 0, branchesCovered: 0 };
  points.forEach(({ kind, place }, index) => {
    const isCovered = (counts[index] ?? 0) > 0;
    if (kind === 'branch') {
      totals.branches += 1;
      if (isCovered) totals.branchesCovered += 1;
    } else {
      const { line } = source.getLineAndCharacterOfPosition(place.start);
      lines.set(line, isCovered && lines.get(line) !== false);
    }
  });
  totals.lines = lines.size;
  totals.linesCovered = [...lines.values()].filter(Boolean).length;
  return totals;
}
