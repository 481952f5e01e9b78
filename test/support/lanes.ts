// The ways to export a log, behind one interface, so that every behaviour and every fault is tried on each.
import { type Readable, pipeline } from 'node:stream';

import { JsonlSerializer } from '../../src/index.js';
import {
  type PgChangeSourceOptions,
  type PgExportOptions,
  pgChangeSource,
  pgExportStream,
} from '../../src/postgres/index.js';
import type { PgPool } from '../../src/postgres/client.js';
import { settlesWithin } from './deadline.js';

const NEVER_ENDS_MS = 20_000;

/** Options that a lane is called with; one that it does not have is not passed on to it. */
export type LaneOptions = PgExportOptions &
  Pick<PgChangeSourceOptions, 'batchSize' | 'maxBatchBytes'>;

/** An export that has not begun: `ready()`, or the first look at `stream`, begins it. */
export interface LaneExport {
  /** The JSONL bytes. Destroyed with the export's own error. */
  readonly stream: Readable;
  /** As the lane's own `ready()`; an export that never ends fails. */
  ready(): Promise<void>;
  /** All of the export, or its error; an export that never ends fails. */
  text(): Promise<string>;
  /** The whole lines that text() has read so far, without their newlines. */
  readonly linesRead: readonly string[];
}

/** One way to export. */
export interface Lane {
  /** The name of its function. */
  readonly name: string;
  /** Calls that function. */
  export(pool: PgPool, options: LaneOptions): LaneExport;
}

const objectLane: Lane = {
  name: 'pgChangeSource',
  export(pool, options) {
    const source = pgChangeSource(pool, options);
    return laneExport(
      () => source.ready(),
      () => {
        const serializer = new JsonlSerializer();
        pipeline(source.batches(), serializer, () => undefined);
        // A pipeline that reads an iterable does not notice a reader that leaves during a read.
        serializer.once('close', () => void source[Symbol.asyncDispose]());
        return serializer;
      },
    );
  },
};

const byteLane: Lane = {
  name: 'pgExportStream',
  export(pool, options) {
    // Handed on as it is where it is none: that is for the lane to refuse.
    const others = typeof options === 'object' ? withoutBatchSize(options) : options;
    const stream = pgExportStream(pool, others);
    return laneExport(
      () => stream.ready(),
      () => stream,
    );
  },
};

function withoutBatchSize(options: LaneOptions): LaneOptions {
  const others = { ...options };
  delete others.batchSize;
  return others;
}

/** All lanes. */
export const lanes: readonly Lane[] = [objectLane, byteLane];

function laneExport(ready: () => Promise<void>, begin: () => Readable): LaneExport {
  const chunks: Buffer[] = [];
  let stream: Readable | undefined;
  const streamOnce = (): Readable => {
    // The error is read from the stream, or from text(); nobody has to listen to both.
    stream ??= begin().on('error', () => undefined);
    return stream;
  };
  const readAll = async (): Promise<string> => {
    for await (const chunk of streamOnce()) chunks.push(chunk as Buffer);
    return decode(Buffer.concat(chunks));
  };
  return {
    get stream() {
      return streamOnce();
    },
    ready: () => settlesWithin(ready(), NEVER_ENDS_MS, 'ready()'),
    text: () => settlesWithin(readAll(), NEVER_ENDS_MS, 'The export'),
    get linesRead() {
      const bytes = Buffer.concat(chunks);
      const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
      return decode(whole).split('\n').slice(0, -1);
    },
  };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
