// Ed25519 keys as the caller gives them, checked before any I/O, and their ids.

import { createHash, createPrivateKey, createPublicKey, KeyObject } from 'node:crypto';
import type { PublicKey } from '../stream/archive-port.js';

/** An Ed25519 private key: a `KeyObject`, or its PEM text (PKCS #8, not encrypted). */
export type PrivateKey = KeyObject | string;

/** A key that signatures are checked with. */
export interface TrustedKey {
  readonly key: KeyObject;
  /** First 128 bits, as hex, of SHA-256 over the raw public key. */
  readonly keyId: string;
}

const fieldPrime = 2n ** 255n - 19n;

// The y coordinates of the points whose order divides 8, canonically encoded (RFC 8032, section 5.1):
// under such a key a signature that anybody can make holds for some messages, or for all.
const smallOrderY: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  fieldPrime - 1n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
]);

/**
 * Checks a key to sign with.
 *
 * @throws TypeError for what is no Ed25519 private key; never with the key in it
 */
export function signingKeyOf(key: unknown): { readonly key: KeyObject; readonly keyId: string } {
  const privateKey = keyObjectOf(key, { name: 'signingKey', type: 'private' });
  return { key: privateKey, keyId: trustedKeyOf(createPublicKey(privateKey)).keyId };
}

/**
 * Checks the keys to verify with.
 *
 * @throws TypeError for what is no list of Ed25519 public keys, and for keys under which anybody can
 * sign
 */
export function trustedKeysOf(keys: readonly PublicKey[] | undefined): readonly TrustedKey[] {
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) throw new TypeError('trustedKeys must be an array of public keys');
  return keys.map(trustedKeyOf);
}

function trustedKeyOf(given: unknown): TrustedKey {
  const key = keyObjectOf(given, { name: 'trustedKeys', type: 'public' });
  const raw = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
  const y = BigInt.asUintN(255, BigInt(`0x${Buffer.from(raw).reverse().toString('hex')}`));
  if (y >= fieldPrime || smallOrderY.has(y)) {
    throw new TypeError('trustedKeys: a key of small order, or not canonical, proves nothing');
  }
  return { key, keyId: createHash('sha256').update(raw).digest('hex').slice(0, 32) };
}

function keyObjectOf(
  given: unknown,
  { name, type }: { readonly name: string; readonly type: 'public' | 'private' },
): KeyObject {
  const key = given instanceof KeyObject ? given : keyOfPem(given, type);
  // A private key would do to verify with, and has no business where archives are read.
  if (key?.type !== type || key.asymmetricKeyType !== 'ed25519') {
    const form = type === 'public' ? 'SPKI' : 'PKCS #8';
    const one = name === 'trustedKeys' ? 'in each element one' : 'one';
    throw new TypeError(`${name} takes ${one} Ed25519 ${type} key, as KeyObject or PEM (${form})`);
  }
  return key;
}

function keyOfPem(given: unknown, type: 'public' | 'private'): KeyObject | undefined {
  if (typeof given !== 'string') return undefined;
  // OpenSSL takes the first of several keys, a key out of a certificate, and derives a public key from
  // a private one: what was meant is not what would be trusted.
  const labels = [...given.matchAll(/-----BEGIN ([^-]*)-----/g)].map(([, label]) => label);
  const [label, ...others] = labels;
  if (label !== `${type.toUpperCase()} KEY` || others.length > 0) return undefined;
  try {
    return type === 'public' ? createPublicKey(given) : createPrivateKey(given);
  } catch {
    return undefined;
  }
}
