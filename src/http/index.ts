// "backup-streams/http": what a download needs besides its bytes.

export { exportFilename } from './export-filename.js';
export type { ExportFilenameOptions } from './export-filename.js';
export { exportHeaders } from './export-headers.js';
