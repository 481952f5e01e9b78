// "backup-streams/postgres": the change log in Postgres.

export { pgChangeSource } from './change-source.js';
export type { PgChangeSource, PgChangeSourceOptions } from './change-source.js';
export type {
  PgClient,
  PgConnection,
  PgPool,
  PgQueryable,
  PgResult,
  PgSubmittable,
} from './client.js';
export { pgExportStream } from './export-stream.js';
export type { PgExportStream, PgExportStreamOptions } from './export-stream.js';
export type { PgExportOptions } from './export-options.js';
export type { LogMember, LogTableOptions } from './log-table.js';
export { restoreToPostgres } from './restore.js';
export type { RestoreInput } from './restore-input.js';
export type { RestoreOptions, RestoreProgress } from './restore-options.js';
export type { RestoreConflict, RestoreRefusal, RestoreReport } from './restore-report.js';
export { migrateSyncChanges, syncChangesSql } from './schema.js';
export type { MigrateSyncChangesOptions, SyncChangesSqlOptions } from './schema.js';
