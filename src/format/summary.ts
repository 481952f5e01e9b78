// What an export was, counted while it is written.

import { z } from 'zod';
import type { ExportLine } from './export-line.js';
import { comparePositions, positionSchema } from './position.js';
import type { Position } from './position.js';
import { maxSchemaVersion } from './schema-version.js';

const versionSchema = z.int().min(1).max(maxSchemaVersion);

/** zod schema of an {@link ExportSummary}. */
export const exportSummarySchema = z
  .strictObject({
    /** Lines written. */
    eventCount: z.int().min(0),
    /** Bytes written, line feeds included. */
    byteCount: z.int().min(0),
    /** SHA-256 of exactly these bytes: 64 lower-case hex digits. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** The distinct app ids, sorted by their UTF-8 bytes. */
    apps: z.array(z.string()).readonly(),
    /** Absent when there are no lines; so are the three below. */
    schemaVersionMin: versionSchema.optional(),
    schemaVersionMax: versionSchema.optional(),
    firstPosition: positionSchema.optional(),
    lastPosition: positionSchema.optional(),
  })
  .readonly();

/** What an export was: counts, digest, apps, schema range, first and last position. */
export type ExportSummary = z.infer<typeof exportSummarySchema>;

/** What a summary says of the lines, apart from their bytes. */
export interface LineFacts extends Pick<
  ExportSummary,
  'eventCount' | 'schemaVersionMin' | 'schemaVersionMax' | 'firstPosition' | 'lastPosition'
> {
  readonly apps: ReadonlySet<string>;
}

/** A line that does not stand after the one before it in the order of the log. */
export interface LineDisorder {
  /** From 1. */
  readonly lineNumber: number;
  /** As comparing with the line before gave it: zero for the same position, negative for an earlier one. */
  readonly order: number;
}

/** Gathers {@link LineFacts} line by line; the bytes are counted and digested by whoever writes them. */
export class SummaryBuilder {
  #eventCount = 0;
  readonly #apps = new Set<string>();
  #lastApp: string | undefined;
  #schemaVersionMin = maxSchemaVersion;
  #schemaVersionMax = 0;
  #first: Position | undefined;
  #last: ExportLine | undefined;
  #disorder: LineDisorder | undefined;

  /** Takes note of one line, in the order in which lines are written. */
  add(line: ExportLine): void {
    this.#eventCount += 1;
    if (this.#last !== undefined && this.#disorder === undefined) {
      const order = comparePositions(line, this.#last);
      if (order <= 0) this.#disorder = { lineNumber: this.#eventCount, order };
    }
    // Runs of one app are the ordinary case, and a comparison is cheaper than a look-up.
    if (line.appId !== this.#lastApp) this.#apps.add((this.#lastApp = line.appId));
    if (line.schemaVersion < this.#schemaVersionMin) this.#schemaVersionMin = line.schemaVersion;
    if (line.schemaVersion > this.#schemaVersionMax) this.#schemaVersionMax = line.schemaVersion;
    this.#first ??= positionOf(line);
    this.#last = line;
  }

  /** The first line so far that does not stand after the one before it. */
  get disorder(): LineDisorder | undefined {
    return this.#disorder;
  }

  /** What the lines so far were. */
  facts(): LineFacts {
    const counts = { eventCount: this.#eventCount, apps: this.#apps };
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

// Beside the summaries, which are public and tell what they always told.
const disorders = new WeakMap<ExportSummary, LineDisorder>();

/** What {@link summaryOf} knows of the order of the lines: the first that breaks it. */
export function disorderOf(summary: ExportSummary): LineDisorder | undefined {
  return disorders.get(summary);
}

/**
 * A summary out of what the lines were and what their bytes were.
 *
 * @param disorder - kept for {@link disorderOf}, where the lines were looked at
 */
export function summaryOf(
  facts: LineFacts,
  bytes: { readonly byteCount: number; readonly sha256: string },
  disorder?: LineDisorder,
): ExportSummary {
  const { eventCount, apps, ...range } = facts;
  const { byteCount, sha256 } = bytes;
  const summary = { eventCount, byteCount, sha256, apps: sortByUtf8([...apps]), ...range };
  if (disorder !== undefined) disorders.set(summary, disorder);
  return summary;
}

function positionOf({ createdAt, eventId }: ExportLine): Position {
  return { createdAt, eventId };
}

/**
 * Sorts texts by their UTF-8 bytes, which is the order of their code points; `sort()` alone orders
 * UTF-16 units and puts characters beyond U+FFFF too early.
 */
export function sortByUtf8(texts: readonly string[]): string[] {
  const encoder = new TextEncoder();
  const keyed = texts.map((text) => ({ text, bytes: encoder.encode(text) }));
  return keyed.sort((a, b) => compareBytes(a.bytes, b.bytes)).map(({ text }) => text);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
