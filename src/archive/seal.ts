// Archives encrypted and back, in the age format (age-encryption.org/v1), as streams. The package
// that knows the format is loaded at the first call, so that whoever seals nothing does without it.

import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type * as Age from 'age-encryption';
import { BackupError, isBackupError } from '../errors.js';
import { integerOption, maxTimerMs, refuseUnknown, signalOption } from '../options.js';
import { limitExceeded } from './archive-invalid.js';
import { ByteSink } from './byte-sink.js';
import { StoppableBytes } from './stoppable-bytes.js';

/** Bytes to seal or to unseal: a path, the bytes, or a stream of them. */
export type SealInput = string | Uint8Array | AsyncIterable<Uint8Array>;

/** Options that sealing and unsealing share. */
export interface SealFlowOptions {
  /** Aborts the work, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** How long the destination may take nothing, in milliseconds. Default 120,000. */
  readonly sinkStallTimeoutMs?: number | undefined;
}

/** Options of {@link sealArchive}: a passphrase or recipients. */
export interface SealArchiveOptions extends SealFlowOptions {
  /** Opens it again; use one that was made for this. */
  readonly passphrase?: string | undefined;
  /** age recipients (`age1…`), each of whom can open it alone. */
  readonly recipients?: readonly string[] | undefined;
  /**
   * How long a passphrase takes to try, as the power of two of scrypt's cost: 1 to 20. Default 18,
   * about a second, during which the event loop stands still.
   */
  readonly workFactor?: number | undefined;
}

/** Options of {@link unsealArchive}: a passphrase or identities. */
export interface UnsealArchiveOptions extends SealFlowOptions {
  readonly passphrase?: string | undefined;
  /** age identities (`AGE-SECRET-KEY-1…`), of which one has to fit. */
  readonly identities?: readonly string[] | undefined;
  /**
   * The highest work factor that a file may ask for, 1 to 20. Default 18; each step doubles time and
   * memory, of which 18 takes 256 MiB.
   */
  readonly maxWorkFactor?: number | undefined;
}

/**
 * Encrypts an archive for a passphrase or for recipients, in a form that the `age` command opens
 * too. Ends the destination; whatever fails destroys it. Encryption does not say who made the
 * archive: sign it before.
 *
 * @param input - the archive; bytes that fail on the way fail the sealing
 * @throws TypeError for options that are none, and where `age-encryption` is not installed;
 * BackupError `BACKUP_SINK_FAILED`, `BACKUP_SINK_STALLED`; whatever the input fails with;
 * `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { PassThrough } from 'node:stream';
 * import type { ChangeSource } from 'backup-streams';
 * import { sealArchive, writeArchive } from 'backup-streams/archive';
 *
 * async function sealedArchive(userId: string, events: ChangeSource): Promise<void> {
 *   const zip = new PassThrough();
 *   await Promise.all([
 *     writeArchive(zip, { userId, events }),
 *     sealArchive(zip, createWriteStream('user.mana.age'), { recipients: ['age1…'] }),
 *   ]);
 * }
 * ```
 */
export async function sealArchive(
  input: SealInput,
  destination: Writable,
  options: SealArchiveOptions,
): Promise<void> {
  const { passphrase, recipients, workFactor = 18 } = options;
  refuseUnknown('sealArchive', options, ['passphrase', 'recipients', 'workFactor', ...flowNames]);
  checkSecrets({ passphrase, recipients });
  integerOption('workFactor', workFactor, { min: 1, max: 20 });
  const flow = flowOf(input, destination, options);
  const { Encrypter } = await loadAge();
  const encrypter = new Encrypter();
  try {
    if (passphrase !== undefined) {
      encrypter.setPassphrase(passphrase);
      encrypter.setScryptWorkFactor(workFactor);
    }
    for (const recipient of recipients ?? []) encrypter.addRecipient(recipient);
  } catch {
    throw new TypeError('recipients must be age recipients: age1…');
  }
  await pump(flow, (bytes) => encrypter.encrypt(bytes), asItIs);
}

/**
 * Decrypts a sealed archive, one that the `age` command made too. Bytes are handed on as soon as
 * they are authentic, which is before the end is known: so the destination is ended only when
 * everything was there, and destroyed otherwise. What it holds then is no archive, since the
 * directory of a zip comes last.
 *
 * @param input - the sealed archive
 * @throws TypeError for options that are none, and where `age-encryption` is not installed;
 * BackupError `BACKUP_SEAL_UNREADABLE`, `BACKUP_LIMIT_EXCEEDED`, `BACKUP_SINK_FAILED`,
 * `BACKUP_SINK_STALLED`; whatever the input fails with; `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { unsealArchive, verifyArchive } from 'backup-streams/archive';
 *
 * await unsealArchive('user.mana.age', createWriteStream('user.mana'), { passphrase: '…' });
 * console.log((await verifyArchive('user.mana')).ok);
 * ```
 */
export async function unsealArchive(
  input: SealInput,
  destination: Writable,
  options: UnsealArchiveOptions,
): Promise<void> {
  const { passphrase, identities, maxWorkFactor = 18 } = options;
  const names = ['passphrase', 'identities', 'maxWorkFactor', ...flowNames];
  refuseUnknown('unsealArchive', options, names);
  checkSecrets({ passphrase, identities });
  integerOption('maxWorkFactor', maxWorkFactor, { min: 1, max: 20 });
  const flow = flowOf(input, destination, options);
  const { Decrypter } = await loadAge();
  const decrypter = new Decrypter();
  try {
    // Asked before the passphrase is: it sees what the file demands, and opens nothing.
    decrypter.addIdentity(workLimit(maxWorkFactor));
    if (passphrase !== undefined) decrypter.addPassphrase(passphrase);
    for (const identity of identities ?? []) decrypter.addIdentity(identity);
  } catch {
    throw new TypeError('identities must be age identities: AGE-SECRET-KEY-1…');
  }
  await pump(flow, (bytes) => decrypter.decrypt(bytes), unreadable);
}

const flowNames = ['signal', 'sinkStallTimeoutMs'] as const;

function checkSecrets(secrets: {
  readonly passphrase: unknown;
  readonly recipients?: unknown;
  readonly identities?: unknown;
}): void {
  const { passphrase, ...others } = secrets;
  const [name = '', list] = Object.entries(others)[0] ?? [];
  if ((passphrase === undefined) === (list === undefined)) {
    throw new TypeError(`give either passphrase or ${name}`);
  }
  if (passphrase !== undefined && (typeof passphrase !== 'string' || passphrase === '')) {
    throw new TypeError('passphrase must be a non-empty text');
  }
  const isList =
    Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === 'string');
  if (list !== undefined && !isList) throw new TypeError(`${name} must be a list of texts`);
}

interface Flow {
  readonly input: StoppableBytes;
  readonly sink: () => ByteSink;
}

function flowOf(input: SealInput, destination: Writable, options: SealFlowOptions): Flow {
  const { signal, sinkStallTimeoutMs = 120_000 } = options;
  if (typeof destination?.write !== 'function' || !destination.writable) {
    throw new TypeError('the destination must be a Writable that is neither ended nor destroyed');
  }
  signalOption(signal);
  integerOption('sinkStallTimeoutMs', sinkStallTimeoutMs, { min: 1, max: maxTimerMs });
  const bytes = new StoppableBytes(() => chunksOf(input));
  return {
    input: bytes,
    sink: () =>
      new ByteSink(destination, {
        signal,
        stallTimeoutMs: sinkStallTimeoutMs,
        lineCount: () => 0,
        onFailure: (error) => {
          bytes.stop(error);
        },
      }),
  };
}

function chunksOf(input: SealInput): AsyncIterable<Uint8Array> {
  if (typeof input === 'string') return createReadStream(input);
  if (input instanceof Uint8Array) return inOneChunk(input);
  if (typeof input === 'object' && input !== null && Symbol.asyncIterator in input) return input;
  throw new TypeError('the input must be a path, bytes, or a stream of bytes');
}

async function* inOneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

async function pump(
  { input, sink: open }: Flow,
  through: (bytes: ReadableStream<Uint8Array>) => Promise<AsyncIterable<Uint8Array>>,
  explained: (error: unknown) => unknown,
): Promise<void> {
  const sink = open();
  try {
    for await (const chunk of await through(input.stream)) await sink.write(chunk);
    await sink.end();
  } catch (error) {
    // The first that failed is what is told: the others only follow from it.
    const cause = sink.failure?.error ?? input.failure?.error ?? explained(error);
    sink.fail(cause);
    input.stop(cause);
    throw cause;
  }
}

function asItIs(error: unknown): unknown {
  return error;
}

function unreadable(error: unknown): unknown {
  if (isBackupError(error)) return error;
  // Not told which: a difference between a wrong secret and an altered file helps an attacker.
  const reason = 'these secrets do not open it, or it was cut or altered';
  const message = `the sealed archive cannot be read: ${reason}`;
  return new BackupError('BACKUP_SEAL_UNREADABLE', message, { reason }, error);
}

interface HeaderStanza {
  readonly args: readonly string[];
}

function workLimit(maxWorkFactor: number): { unwrapFileKey(stanzas: HeaderStanza[]): null } {
  return {
    unwrapFileKey(stanzas) {
      for (const { args } of stanzas) {
        if (args[0] === 'scrypt' && Number(args[2]) > maxWorkFactor) {
          throw limitExceeded('maxWorkFactor', maxWorkFactor);
        }
      }
      return null;
    },
  };
}

async function loadAge(): Promise<typeof Age> {
  try {
    return await import('age-encryption');
  } catch {
    throw new TypeError('sealing needs the package age-encryption: npm install age-encryption');
  }
}
