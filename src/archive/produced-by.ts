// What this release calls itself in a manifest.

/** Name and version of the package: a test holds it to package.json. */
export const producedByDefault = 'backup-streams/0.1.0';
