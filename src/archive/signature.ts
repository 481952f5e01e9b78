// The signature of an archive: Ed25519 over a prefix and the exact bytes of manifest.json.

import { sign, verify } from 'node:crypto';
import { BackupError } from '../errors.js';
import type { TrustedKey } from './keys.js';
import type { KeyObject } from 'node:crypto';

/** Bytes of `manifest.sig`: the raw signature (RFC 8032, section 5.1.6). */
export const signatureBytes = 64;

// Tells this use of a key from every other: what was signed elsewhere is no manifest's signature.
const prefix = Buffer.from('backup-streams/manifest/v1\n');

/** The bytes of `manifest.sig` for the bytes of `manifest.json`. */
export function signManifest(manifest: Uint8Array, key: KeyObject): Buffer {
  return sign(undefined, Buffer.concat([prefix, manifest]), key);
}

/** What was found of an archive's authenticity, before it is known what the caller expects. */
export interface SignedManifest {
  /** The exact bytes of `manifest.json`. */
  readonly manifest: Uint8Array;
  /** The exact bytes of `manifest.sig`, where there is one. */
  readonly signature: Uint8Array | undefined;
  /** The key that the manifest names. A hint: it decides the code of an error and nothing else. */
  readonly signingKeyId: string | undefined;
}

/** What the caller expects of a signature. */
export interface SignaturePolicy {
  readonly trustedKeys: readonly TrustedKey[];
  readonly isRequired: boolean;
}

/**
 * Checks a signature against a policy.
 *
 * @returns the problem; `isAuthentic` when a trusted key signed these bytes
 */
export function checkSignature(
  signed: SignedManifest,
  { trustedKeys, isRequired }: SignaturePolicy,
): { readonly isAuthentic: boolean; readonly problem?: BackupError } {
  const { manifest, signature, signingKeyId } = signed;
  if (signature === undefined) {
    const isNamed = signingKeyId !== undefined;
    if (!isRequired && !isNamed) return { isAuthentic: false };
    return { isAuthentic: false, problem: missing(isRequired ? 'caller' : 'manifest') };
  }
  if (signature.length !== signatureBytes) {
    const problem = invalid(`manifest.sig has ${signature.length} bytes instead of 64`);
    return { isAuthentic: false, problem };
  }
  if (trustedKeys.length === 0) return { isAuthentic: false };
  const message = Buffer.concat([prefix, manifest]);
  const isAuthentic = trustedKeys.some(({ key }) => verify(undefined, message, key, signature));
  if (isAuthentic) return { isAuthentic };
  const isForeign =
    signingKeyId !== undefined && !trustedKeys.some(({ keyId }) => keyId === signingKeyId);
  const problem = isForeign
    ? untrusted(signingKeyId)
    : invalid('manifest.sig is not the signature of a trusted key over these bytes');
  return { isAuthentic, problem };
}

function missing(requiredBy: 'caller' | 'manifest'): BackupError {
  const message =
    requiredBy === 'caller'
      ? 'the archive has no manifest.sig, and a signature is required'
      : 'the archive has no manifest.sig, although its manifest names a signing key';
  return new BackupError('BACKUP_SIGNATURE_MISSING', message, { requiredBy });
}

function invalid(reason: string): BackupError {
  const message = `the signature does not hold: ${reason}`;
  return new BackupError('BACKUP_SIGNATURE_INVALID', message, { reason });
}

function untrusted(keyId: string): BackupError {
  const message =
    'the archive was signed with a key that is not among trustedKeys: compare key ids with its maker';
  return new BackupError('BACKUP_KEY_UNTRUSTED', message, { keyId });
}
