// What is measured: names, what each of them does, and where its code is. Nothing is loaded from here before
// it is asked for, so that a measuring process holds one candidate's modules only.
import type { Candidate } from './job.js';

/** One way to get a log out of Postgres. */
export interface CandidateInfo {
  readonly title: string;
  /** `floor` is the database alone, `own` this library, `peer` another way to do the same. */
  readonly kind: 'floor' | 'own' | 'peer';
  /** Whether it gives a SHA-256 of what it wrote. */
  readonly hasDigest: boolean;
  /** How its bytes relate to the format's. */
  readonly bytes: string;
  load(): Promise<Candidate>;
}

/** All candidates, in the order of the tables. */
export const candidates = {
  'psql-copy': {
    title: 'psql `COPY … (FORMAT binary)` to /dev/null',
    kind: 'floor',
    hasDigest: false,
    bytes: 'binary tuples, no lines',
    load: async () => (await import('./candidates/psql-copy.js')).copyWithLaneSettings,
  },
  'psql-copy-defaults': {
    title: "the same with the server's default settings",
    kind: 'floor',
    hasDigest: false,
    bytes: 'binary tuples, no lines',
    load: async () => (await import('./candidates/psql-copy.js')).copyWithDefaults,
  },
  'export-stream': {
    title: '**`pgExportStream`**',
    kind: 'own',
    hasDigest: true,
    bytes: 'the format, lossless',
    load: async () => (await import('./candidates/export-stream.js')).exportStream,
  },
  'change-source-batches': {
    title: '**`pgChangeSource().batches()`** + `JsonlSerializer`',
    kind: 'own',
    hasDigest: true,
    bytes: 'the format, lossless',
    load: async () => (await import('./candidates/change-source-batches.js')).changeSourceBatches,
  },
  'change-source-rows': {
    title: '**`pgChangeSource`** row by row + `JsonlSerializer`',
    kind: 'own',
    hasDigest: true,
    bytes: 'the format, lossless',
    load: async () => (await import('./candidates/change-source-rows.js')).changeSourceRows,
  },
  'pg-copy-streams': {
    title: 'pg-copy-streams, lines built in SQL',
    kind: 'peer',
    hasDigest: false,
    bytes: 'lossless, but other bytes: `+00:00`, empty members written',
    load: async () => (await import('./candidates/pg-copy-streams.js')).copyStream,
  },
  'postgres-js': {
    title: 'postgres.js cursor + `JSON.stringify`',
    kind: 'peer',
    hasDigest: false,
    bytes: 'loses microseconds and large numbers',
    load: async () => (await import('./candidates/postgres-js.js')).postgresCursor,
  },
  'pg-query-stream': {
    title: 'pg-query-stream + mapper + `ndjson.stringify`',
    kind: 'peer',
    hasDigest: false,
    bytes: 'loses microseconds and large numbers',
    load: async () => (await import('./candidates/pg-query-stream.js')).queryStream,
  },
  'sync-service': {
    title: 'HTTP download from `examples/sync-service`',
    kind: 'own',
    hasDigest: true,
    bytes: 'the format, lossless',
    load: async () => (await import('./candidates/sync-service.js')).syncService,
  },
} as const satisfies Readonly<Record<string, CandidateInfo>>;

/** Name of a candidate, as in `--only`. */
export type CandidateName = keyof typeof candidates;

/** All names, in the order of the tables. */
export const candidateNames = Object.keys(candidates) as CandidateName[];

/** Whether a text is the name of a candidate. */
export function isCandidateName(name: string): name is CandidateName {
  return Object.hasOwn(candidates, name);
}
