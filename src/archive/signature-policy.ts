// What a caller demands of signatures, checked before any I/O.

import type { PublicKey } from '../stream/archive-port.js';
import { trustedKeysOf } from './keys.js';
import type { SignaturePolicy } from './signature.js';

/**
 * Checks the options.
 *
 * @throws TypeError for what is not a key, and for a signature required of nobody
 */
export function signaturePolicyOf(options: {
  readonly trustedKeys?: readonly PublicKey[] | undefined;
  readonly requireSignature?: boolean | undefined;
}): SignaturePolicy {
  const trustedKeys = trustedKeysOf(options.trustedKeys);
  const { requireSignature = trustedKeys.length > 0 } = options;
  if (typeof requireSignature !== 'boolean') {
    throw new TypeError('requireSignature must be a boolean');
  }
  if (requireSignature && trustedKeys.length === 0) {
    throw new TypeError('requireSignature needs trustedKeys: without them no signature holds');
  }
  if (options.trustedKeys?.length === 0) {
    throw new TypeError('trustedKeys must name a key, or be left out');
  }
  return { trustedKeys, isRequired: requireSignature };
}
