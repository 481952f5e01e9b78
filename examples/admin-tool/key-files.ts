// Keys and passphrases, out of files: what stands on a command line is in everybody's list of processes
// and in the shell's history.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { ToolError } from './failure.js';

/** What opens a sealed archive, as `unsealArchive` takes it. */
export type Unsealing =
  { readonly passphrase: string } | { readonly identities: readonly string[] };

/** The lines of age's files of recipients and identities; `#` begins a comment. */
export async function ageKeysIn(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}

/** The first line of the file. */
export async function passphraseIn(file: string): Promise<string> {
  const [passphrase = ''] = (await readFile(file, 'utf8')).split(/\r?\n/);
  if (passphrase === '') throw new ToolError('USAGE', `${file} begins with an empty line`);
  return passphrase;
}

/** What opens sealed files, where the command line names any of it. */
export async function unsealingOf(named: {
  readonly identityFiles: readonly string[];
  readonly passphraseFile: string | undefined;
}): Promise<Unsealing | undefined> {
  const { identityFiles, passphraseFile } = named;
  if (passphraseFile !== undefined) return { passphrase: await passphraseIn(passphraseFile) };
  return identityFiles.length === 0 ? undefined : { identities: await ageKeysIn(identityFiles) };
}

/** Public keys as PEM; undefined for none. */
export async function trustedKeysIn(files: readonly string[]): Promise<string[] | undefined> {
  if (files.length === 0) return undefined;
  return Promise.all(files.map(publicKeyIn));
}

async function publicKeyIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8');
  if (text.includes('-----BEGIN PUBLIC KEY-----')) return text; // the library looks closer
  throw new ToolError('USAGE', `${file} holds no Ed25519 public key (PEM, SPKI)`);
}

/** The PEM text of a private key and its public half, which what is signed must verify under. */
export async function signingKeyIn(
  file: string,
): Promise<{ readonly signingKey: string; readonly publicKey: string }> {
  const signingKey = await readFile(file, 'utf8');
  try {
    const key = createPrivateKey(signingKey);
    if (key.asymmetricKeyType === 'ed25519') {
      const publicKey = createPublicKey(key).export({ type: 'spki', format: 'pem' });
      return { signingKey, publicKey: String(publicKey) };
    }
  } catch {
    // Its message may quote the file.
  }
  const message = `${file} holds no Ed25519 private key (PEM, PKCS #8, not encrypted)`;
  throw new ToolError('USAGE', message);
}
