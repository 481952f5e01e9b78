// S3: keys under which anybody can sign are refused where they are configured, not when they fail.
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { openArchive, verifyArchive } from '../../src/archive/index.js';
import type { PublicKey } from '../../src/stream/archive-port.js';
import { archiveVectors } from '../support/archive-vectors.js';
import { failureOf } from '../support/failures.js';

const zip = archiveVectors()[0]!.bytes;
const publicKeyOf = (raw: string): string => {
  const key = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(raw, 'hex'),
  ]);
  return createPublicKey({ key, format: 'der', type: 'spki' })
    .export({ format: 'pem', type: 'spki' })
    .toString();
};

// Self-signed, with an Ed25519 key.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBLDCB36ADAgECAhRVeRNhlspv/jtLM+wsNcVcnE2bBjAFBgMrZXAwDDEKMAgG
A1UEAwwBeDAeFw0yNjExMjcwMDE0MzRaFw0yNjExMjgwMDE0MzRaMAwxCjAIBgNV
BAMMAXgwKjAFBgMrZXADIQDQPWa4jnGjg7Z1n6sLMpiVzELT1OQsstiIGA05x7Sf
hqNTMFEwHQYDVR0OBBYEFKR4qtdSLNn9FQKW5Bfluhhi/7WCMB8GA1UdIwQYMBaA
FKR4qtdSLNn9FQKW5Bfluhhi/7WCMA8GA1UdEwEB/wQFMAMBAf8wBQYDK2VwA0EA
HQnlSI0oOpf30qaDCg2VgWs5vgKfj4iJzO2msfttlLwa8lukwL9coedC2KXUaZeF
5Q4dM6PgqVZiGHs7qaiECg==
-----END CERTIFICATE-----
`;

// The encodings of the points whose order divides 8, canonical and not (CCTV, ed25519).
const weak = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
];

describe('trustedKeys', () => {
  for (const raw of weak) {
    test(`S3 refuses ${raw.slice(0, 4)}…${raw.slice(-2)}`, async () => {
      const trustedKeys = [publicKeyOf(raw)];
      assert.ok((await failureOf(verifyArchive(zip, { trustedKeys }))) instanceof TypeError);
      assert.ok((await failureOf(openArchive(zip, { trustedKeys }))) instanceof TypeError);
    });
  }

  test('S3 refuses what is no canonical encoding of any point', async () => {
    const trustedKeys = [publicKeyOf(`f0${'f'.repeat(60)}7f`)];
    assert.ok((await failureOf(verifyArchive(zip, { trustedKeys }))) instanceof TypeError);
  });

  test('refuses other keys, private ones, and none', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const { publicKey } = generateKeyPairSync('ed25519');
    const spki = publicKey.export({ format: 'pem', type: 'spki' }).toString();
    // Labelled as a key, and none: cut off in the middle.
    const broken = [spki.replace(/^M.{20}/m, 'M')];
    for (const trustedKeys of [[privateKey], [pem], [rsa], ['key'], [], [7], [null], broken]) {
      const options = { trustedKeys: trustedKeys as PublicKey[] };
      assert.ok((await failureOf(verifyArchive(zip, options))) instanceof TypeError);
    }
    const unasked = verifyArchive(zip, { requireSignature: true });
    assert.ok((await failureOf(unasked)) instanceof TypeError);
  });

  test('refuses a key that is in no list', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    for (const given of [publicKey, null, { 0: publicKey, length: 1 }]) {
      const trustedKeys = given as unknown as [typeof publicKey];
      assert.ok((await failureOf(verifyArchive(zip, { trustedKeys }))) instanceof TypeError);
      assert.ok((await failureOf(openArchive(zip, { trustedKeys }))) instanceof TypeError);
    }
  });

  test('refuses a requireSignature that is no boolean: none would be required', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    for (const requireSignature of ['', 0, null, 'no'] as unknown as boolean[]) {
      const options = { trustedKeys: [publicKey], requireSignature };
      assert.ok((await failureOf(verifyArchive(zip, options))) instanceof TypeError);
      assert.ok((await failureOf(openArchive(zip, options))) instanceof TypeError);
    }
  });

  test('refuses a text of more than one key, and a certificate', async () => {
    const [first, second] = [1, 2].map(() =>
      generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    );
    const several = `${first!}${second!}`;
    for (const trustedKeys of [[several], [first!, several], [certificate]]) {
      assert.ok((await failureOf(verifyArchive(zip, { trustedKeys }))) instanceof TypeError);
      assert.ok((await failureOf(openArchive(zip, { trustedKeys }))) instanceof TypeError);
    }
  });

  test('takes a PEM with words before it and with the line ends of Windows', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const trustedKeys = [`the key of backups\n${pem}`, pem.replaceAll('\n', '\r\n')];
    assert.equal((await verifyArchive(zip, { trustedKeys })).problems.length, 1);
  });

  test('takes a KeyObject and its PEM', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const { problems } = await verifyArchive(zip, { trustedKeys: [publicKey, pem] });
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['BACKUP_SIGNATURE_MISSING'],
    );
  });
});
