// The total order of the log: (createdAt, eventId).

import { z } from 'zod';
import { isCanonicalTimestamp } from './timestamp.js';

/** zod schema of a {@link Position}. */
export const positionSchema = z
  .strictObject(
    {
      createdAt: z
        .string('not a text')
        .refine(isCanonicalTimestamp, 'not a UTC time as lines hold it'),
      eventId: z.string('not a text').min(1, 'empty'),
    },
    {
      error: ({ code }) =>
        code === 'unrecognized_keys' ? 'a member that no position has' : 'not a position',
    },
  )
  .readonly();

/**
 * A place in the log. `createdAt` is a line's time (UTC, RFC 3339, up to microseconds, trailing
 * zeros of the fraction trimmed), `eventId` a line's id.
 */
export type Position = z.infer<typeof positionSchema>;

/**
 * Orders two positions as the log does: by time, then by event id.
 *
 * @returns a negative number, zero or a positive number, as `Array.prototype.sort` takes it
 */
export function comparePositions(a: Position, b: Position): number {
  return compareTimestamps(a.createdAt, b.createdAt) || compareIds(a.eventId, b.eventId);
}

// The texts cannot be compared whole: '…00Z' is before '…00.1Z', but 'Z' is above '.'. Without the
// Z, trimmed fractions order as texts; where both are as long it stands in nobody's way.
function compareTimestamps(a: string, b: string): number {
  return a.length === b.length ? compareTexts(a, b) : compareTexts(a.slice(0, -1), b.slice(0, -1));
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

// As their UTF-8 bytes order, in which lines are compared: an id may be any text, and UTF-16 puts
// characters beyond U+FFFF, which are two surrogates, before those from U+E000 on.
function compareIds(a: string, b: string): number {
  let at = 0;
  // Ends with either text at the latest: what is past its end is NaN, which equals nothing.
  while (a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}
