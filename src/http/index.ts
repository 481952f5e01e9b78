// "backup-streams/http": what a download needs besides its bytes.

export { exportFilename } from './export-filename.js';
export type { ExportFilenameOptions } from './export-filename.js';
export { exportHeaders } from './export-headers.js';
export { resetOnFailure } from './reset-on-failure.js';
export type { DownloadResponse, FailingSource } from './reset-on-failure.js';
