// Who has signed, whom the manifest names, who is trusted and what is demanded; and over which bytes a signature is.
import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';

import { trustedKeysOf } from '../../../src/archive/keys.js';
import { checkSignature, signManifest } from '../../../src/archive/signature.js';

const MANIFEST = Buffer.from('{"formatVersion":1}');
const ours = generateKeyPairSync('ed25519');
const also = generateKeyPairSync('ed25519');
const theirs = generateKeyPairSync('ed25519');
const [our, second, their] = trustedKeysOf([ours.publicKey, also.publicKey, theirs.publicKey]);
const trusted = [our!, second!];
const byOurs = signManifest(MANIFEST, ours.privateKey);
const byTheirs = signManifest(MANIFEST, theirs.privateKey);

test('a signature is over the prefix of this use and the bytes of the manifest', () => {
  const holds = (signed: string): boolean =>
    verify(undefined, Buffer.from(signed), ours.publicKey, byOurs);
  assert.ok(holds(`backup-streams/manifest/v1\n${MANIFEST.toString()}`));
  assert.ok(!holds(MANIFEST.toString()));
});

const cases: readonly {
  readonly what: string;
  readonly signature?: Buffer;
  readonly signingKeyId?: string;
  readonly trustedKeys?: typeof trusted;
  readonly isRequired?: boolean;
  readonly found: readonly [isAuthentic: boolean, code?: string, details?: object];
}[] = [
  { what: 'nobody signed and nobody asks', found: [false] },
  {
    what: 'nobody signed and the caller asks',
    isRequired: true,
    found: [false, 'BACKUP_SIGNATURE_MISSING', { requiredBy: 'caller' }],
  },
  {
    what: 'nobody signed although the manifest names a key',
    signingKeyId: our!.keyId,
    found: [false, 'BACKUP_SIGNATURE_MISSING', { requiredBy: 'manifest' }],
  },
  {
    what: 'nobody signed, the manifest names a key and the caller asks',
    signingKeyId: our!.keyId,
    isRequired: true,
    found: [false, 'BACKUP_SIGNATURE_MISSING', { requiredBy: 'caller' }],
  },
  { what: 'somebody signed and nobody is trusted', signature: byOurs, found: [false] },
  ...trusted.map((key, index) => ({
    what: `trusted key ${String(index + 1)} of 2 signed`,
    signature: signManifest(MANIFEST, [ours, also][index]!.privateKey),
    signingKeyId: key.keyId,
    trustedKeys: trusted,
    isRequired: true,
    found: [true] as const,
  })),
  {
    what: 'a trusted key signed and the manifest names none',
    signature: byOurs,
    trustedKeys: trusted,
    found: [true],
  },
  {
    what: 'a key signed that is not trusted, and is named',
    signature: byTheirs,
    signingKeyId: their!.keyId,
    trustedKeys: trusted,
    found: [false, 'BACKUP_KEY_UNTRUSTED', { keyId: their!.keyId }],
  },
  ...trusted.map(({ keyId }, index) => ({
    what: `a key signed that is not trusted, and names trusted key ${String(index + 1)} of 2`,
    signature: byTheirs,
    signingKeyId: keyId,
    trustedKeys: trusted,
    found: [false, 'BACKUP_SIGNATURE_INVALID'] as const,
  })),
  {
    what: 'a key signed that is not trusted, and is not named',
    signature: byTheirs,
    trustedKeys: trusted,
    found: [false, 'BACKUP_SIGNATURE_INVALID'],
  },
  {
    what: 'a trusted key signed other bytes',
    signature: signManifest(Buffer.from('{"formatVersion":2}'), ours.privateKey),
    signingKeyId: our!.keyId,
    trustedKeys: trusted,
    found: [false, 'BACKUP_SIGNATURE_INVALID'],
  },
  ...[63, 65].map((length) => ({
    what: `a signature has ${String(length)} bytes and nobody is trusted`,
    signature: Buffer.concat([byOurs, byOurs]).subarray(0, length),
    found: [false, 'BACKUP_SIGNATURE_INVALID'] as const,
  })),
];

for (const {
  what,
  signature,
  signingKeyId,
  trustedKeys = [],
  isRequired = false,
  found,
} of cases) {
  test(`S1 S2 ${what}`, () => {
    const signed = { manifest: MANIFEST, signature, signingKeyId };
    const { isAuthentic, problem } = checkSignature(signed, { trustedKeys, isRequired });
    const [authentic, code, details] = found;
    assert.deepEqual([isAuthentic, problem?.code], [authentic, code]);
    if (details !== undefined) assert.deepEqual(problem?.details, details);
  });
}
