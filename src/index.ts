// "backup-streams": the names of the parts that need neither Postgres nor an archive.

export { BackupError, isBackupError } from './errors.js';
export type { ReducedCause } from './error-cause.js';
export type {
  AnyBackupError,
  ArchiveFeature,
  BackupErrorCode,
  BackupErrorDetails,
  ConflictReason,
  LimitName,
  SinkStage,
  SourceStage,
  TenancyGap,
} from './errors.js';
export { changeOpSchema, changeRowSchema } from './format/change-row.js';
export type { ChangeOp, ChangeRow } from './format/change-row.js';
export { decodeExportLine } from './format/decode-line.js';
export { encodeExportLine } from './format/encode-line.js';
export { exportLineSchema } from './format/export-line.js';
export type { ExportLine } from './format/export-line.js';
export { manifestSchema } from './format/manifest.js';
export type { Manifest, SegmentDigest } from './format/manifest.js';
export { comparePositions, positionSchema } from './format/position.js';
export type { Position } from './format/position.js';
export { RawJson } from './format/raw-json.js';
export { normalizeSchemaVersion } from './format/schema-version.js';
export { exportSummarySchema } from './format/summary.js';
export type { ExportSummary } from './format/summary.js';
export { syncChangeSchema, toSyncChange } from './format/sync-change.js';
export type { SyncChange } from './format/sync-change.js';
export { toExportLine } from './format/to-export-line.js';
export { createUpcaster } from './format/upcast.js';
export type { Upcaster, UpcasterOptions, UpcastStage, UpcastStep } from './format/upcast.js';
export { applyInBatches } from './stream/apply-in-batches.js';
export type {
  ApplyInBatchesOptions,
  ApplyProgress,
  ApplyReport,
  ChangeBatch,
} from './stream/apply-in-batches.js';
export type {
  Archive,
  ArchiveLinesOptions,
  ArchiveProblem,
  ArchiveVerifyOptions,
  ArchiveWarning,
  PublicKey,
  VerifiedLines,
  VerifiedLinesOptions,
  VerifyReport,
} from './stream/archive-port.js';
export type { ScannedLine } from './format/scanned-line.js';
export { changeSourceFrom } from './stream/change-source.js';
export type { ChangeSource } from './stream/change-source.js';
export type { FlushOptions, FlushProgress } from './stream/flush-policy.js';
export { parseJsonl } from './stream/jsonl-parser.js';
export type { JsonlParserOptions } from './stream/jsonl-parser.js';
export { JsonlSerializer } from './stream/jsonl-serializer.js';
export type { JsonlSerializerOptions } from './stream/jsonl-serializer.js';
