// The `events` of writeArchive as bytes, whichever lane they come from, and whose they are.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ChangeRow } from '../format/change-row.js';
import type { ExportLine } from '../format/export-line.js';
import { orderViolated } from '../format/order-violated.js';
import { comparePositions } from '../format/position.js';
import type { ExportSummary } from '../format/summary.js';
import { toExportLine } from '../format/to-export-line.js';
import type { ChangeSource } from '../stream/change-source.js';
import { JsonlSerializer } from '../stream/jsonl-serializer.js';
import { hearErrors } from '../stream/unread-source.js';

/**
 * JSONL bytes that can tell what they were: `pgExportStream(…)`, a `JsonlSerializer` that something
 * is piped into, or a Readable of the host's own.
 */
export interface EventBytes extends Readable {
  /** What the bytes were; asked for once, after their end. */
  summary(): ExportSummary;
  /** Whose they are, where the stream knows. */
  readonly userId?: string;
}

/** Bytes of events, ready to be read. */
export interface EventsInput {
  readonly bytes: EventBytes;
  /** What to reject with instead of an error of the bytes: a row was somebody else's. */
  readonly foreign: () => TypeError | undefined;
}

/**
 * Checks `events` and, for a {@link ChangeSource}, starts serialising it.
 *
 * @throws TypeError for what is neither, and for bytes that are somebody else's
 */
export function eventsInputOf(events: ChangeSource | EventBytes, userId: string): EventsInput {
  if (isEventBytes(events)) {
    if (events.userId !== undefined && events.userId !== userId) throw foreignEvents();
    return { bytes: hearErrors(events), foreign: () => undefined };
  }
  if (!isChangeSource(events)) {
    throw new TypeError('events must be a ChangeSource, or a Readable of bytes with summary()');
  }
  return serialized(events, userId);
}

function serialized(source: ChangeSource, userId: string): EventsInput {
  let foreign: TypeError | undefined;
  let lineNumber = 0;
  let last: ExportLine | undefined;
  const bytes = new JsonlSerializer({
    map: (row: ChangeRow) => {
      if (row.userId !== userId) {
        foreign = foreignEvents();
        throw foreign;
      }
      const line = toExportLine(row);
      lineNumber += 1;
      // A host's source may give rows in any order, and no reader takes an archive of them.
      const order = last === undefined ? 1 : comparePositions(line, last);
      if (order <= 0) throw orderViolated(order, lineNumber, 'row');
      last = line;
      return line;
    },
  });
  // Its failure reaches whoever reads the serializer, and leaving early closes the source.
  pipeline(source.batches(), bytes).catch(() =>
    source[Symbol.asyncDispose]().catch(() => undefined),
  );
  return { bytes: hearErrors(bytes), foreign: () => foreign };
}

function foreignEvents(): TypeError {
  return new TypeError("writeArchive: events hold another user's rows than userId says");
}

function isEventBytes(events: unknown): events is EventBytes {
  return events instanceof Readable && 'summary' in events && typeof events.summary === 'function';
}

function isChangeSource(events: unknown): events is ChangeSource {
  return (
    typeof events === 'object' &&
    events !== null &&
    'batches' in events &&
    typeof events.batches === 'function'
  );
}
