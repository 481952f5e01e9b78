// The id of an archive, derived from its manifest: the same archive has it again, no other does.

import { createHash } from 'node:crypto';
import { encodeManifest } from '../format/manifest.js';
import type { Manifest } from '../format/manifest.js';
import { withoutArchiveId } from '../format/manifest-text.js';

/** 128 bits as hex: enough that no two archives share one, short enough to be read out. */
const idDigits = 32;

/**
 * Writes `manifest.json` with the archive's id: the first 128 bits of SHA-256 over the same bytes
 * without the member.
 */
export function identified(manifest: Manifest): {
  readonly manifest: Manifest;
  readonly bytes: Buffer;
} {
  const text = encodeManifest(manifest);
  const archiveId = createHash('sha256').update(text).digest('hex').slice(0, idDigits);
  const whole = { ...manifest, archiveId };
  return { manifest: whole, bytes: Buffer.from(encodeManifest(whole)) };
}

/**
 * The id that a manifest's bytes give.
 *
 * @returns undefined when it holds none to begin with, or as its first member
 */
export function archiveIdOf(bytes: Uint8Array): string | undefined {
  const parts = withoutArchiveId(bytes);
  if (parts === undefined) return undefined;
  const hash = createHash('sha256').update(parts[0]).update(parts[1]);
  return hash.digest('hex').slice(0, idDigits);
}
