// Archives encrypted and back, in the age format (age-encryption.org/v1), as streams. The package
// that knows the format is loaded at the first call, so that whoever seals nothing does without it.

import type { Writable } from 'node:stream';
import type * as Age from 'age-encryption';
import { isBackupError } from '../errors.js';
import { refuseUnknown } from '../options.js';
import { AgeHeaderGuard, sealUnreadable, unreadableReason } from './age-header.js';
import { archiveInvalid, limitExceeded } from './archive-invalid.js';
import { ByteSink, checkDestination } from './byte-sink.js';
import { sealBytesOf } from './seal-input.js';
import type { SealChecks, SealInput } from './seal-input.js';
import { checkSecrets, identityForm, notKeys, recipientForm } from './seal-secrets.js';
import type { StoppableBytes } from './stoppable-bytes.js';

/** Options that sealing and unsealing share. */
export interface SealFlowOptions {
  /** Aborts the work, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** How long the destination may take nothing, in milliseconds: see `writeArchive`. Default 120,000. */
  readonly sinkStallTimeoutMs?: number | undefined;
}

/** Options of {@link sealArchive}: a passphrase or recipients. */
export interface SealArchiveOptions extends SealFlowOptions {
  /** Opens it again; use one that was made for this. */
  readonly passphrase?: string | undefined;
  /** age recipients (`age1…`), at most 256, each of whom can open it alone. */
  readonly recipients?: readonly string[] | undefined;
  /**
   * How long a passphrase takes to try, as the power of two of scrypt's cost: 1 to 20. Default 18,
   * about a second, during which the event loop stands still. Not for recipients.
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
   * memory, of which 18 takes 256 MiB. Not for identities.
   */
  readonly maxWorkFactor?: number | undefined;
}

/**
 * Encrypts an archive for a passphrase or for recipients, in a form that the `age` command opens
 * too. Ends the destination and waits for its close, as `writeArchive` does. Whatever fails destroys
 * it, and an input that is a stream too, so that whoever writes into that fails as well; options that
 * are none touch neither. Encryption does not say who made the archive: sign it before.
 *
 * @param input - the archive; bytes that fail on the way fail the sealing
 * @param destination - takes the bytes; its back-pressure is obeyed. Nobody else writes into it or
 * ends it
 * @throws TypeError or RangeError for invalid options; TypeError for misspelt recipients, and where
 * `age-encryption` is not installed, after both streams were taken over; BackupError
 * `BACKUP_SINK_FAILED`, `BACKUP_SINK_STALLED`; `BACKUP_LIMIT_EXCEEDED` for more recipients than 64 KiB
 * or 256 stanzas hold;
 * `BACKUP_SOURCE_FAILED` for a path that cannot be read; `BACKUP_ARCHIVE_INVALID` for an input without
 * a byte, such as a stream that was read before; whatever another input fails with; `signal.reason`
 * after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 * import { PassThrough } from 'node:stream';
 * import type { ChangeSource } from 'backup-streams';
 * import { sealArchive, writeArchive } from 'backup-streams/archive';
 *
 * async function sealedArchive(userId: string, events: ChangeSource): Promise<void> {
 *   const zip = new PassThrough();
 *   const file = createWriteStream('user.mana.age.part', { flush: true });
 *   const sealing = sealArchive(zip, file, { recipients: ['age1…'] });
 *   // Options that are none touch neither stream, and the writing would wait for its reader.
 *   sealing.catch(() => {
 *     zip.destroy();
 *     file.destroy();
 *   });
 *   await Promise.all([sealing, writeArchive(zip, { userId, events })]);
 *   await rename('user.mana.age.part', 'user.mana.age');
 * }
 * ```
 */
export async function sealArchive(
  input: SealInput,
  destination: Writable,
  options: SealArchiveOptions,
): Promise<void> {
  refuseUnknown('sealArchive', options, ['passphrase', 'recipients', 'workFactor', ...flowNames]);
  const { passphrase, recipients, workFactor } = options;
  checkSecrets({
    passphrase,
    keys: { name: 'recipients', list: recipients, form: recipientForm },
    work: { name: 'workFactor', value: workFactor },
  });
  const header = new AgeHeaderGuard();
  await pump(flowOf({ input, destination, options, checks: someBytes() }), {
    prepare: async () => {
      const { Encrypter } = await loadAge();
      const encrypter = new Encrypter();
      if (passphrase !== undefined) encrypter.setPassphrase(passphrase);
      if (workFactor !== undefined) encrypter.setScryptWorkFactor(workFactor);
      addEach('recipients', recipients, (recipient) => encrypter.addRecipient(recipient));
      return (bytes) => encrypter.encrypt(bytes);
    },
    // No sealed file is better than one that is refused when it is needed.
    check: (bytes) => header.add(bytes),
    explained: (error) => error,
  });
}

/**
 * Decrypts a sealed archive, one that the `age` command made too. Bytes are handed on as soon as
 * they are authentic, which is before the end is known: so the destination is ended only when
 * everything was there, and destroyed otherwise. What it holds then is no archive, since the
 * directory of a zip comes last.
 *
 * @param input - the sealed archive
 * @param destination - takes the bytes; its back-pressure is obeyed. Whatever fails destroys it, and
 * an input that is a stream too; invalid options touch neither
 * @throws TypeError or RangeError for invalid options; TypeError for misspelt identities, and where
 * `age-encryption` is not installed, after both streams were taken over; BackupError
 * `BACKUP_SEAL_UNREADABLE`;
 * `BACKUP_LIMIT_EXCEEDED` for a work factor beyond `maxWorkFactor` and for a header of more than
 * 64 KiB (`maxHeaderBytes`) or 256 stanzas (`maxStanzas`); `BACKUP_SINK_FAILED`,
 * `BACKUP_SINK_STALLED`; `BACKUP_SOURCE_FAILED` for a path that cannot be read; whatever another
 * input fails with; `signal.reason` after an abort
 *
 * @example
 * ```ts
 * import { createWriteStream } from 'node:fs';
 * import { rename } from 'node:fs/promises';
 * import { unsealArchive, verifyArchive } from 'backup-streams/archive';
 *
 * const file = createWriteStream('user.mana.part', { flush: true });
 * await unsealArchive('user.mana.age', file, { passphrase: '…' });
 * if ((await verifyArchive('user.mana.part')).ok) await rename('user.mana.part', 'user.mana');
 * ```
 */
export async function unsealArchive(
  input: SealInput,
  destination: Writable,
  options: UnsealArchiveOptions,
): Promise<void> {
  const names = ['passphrase', 'identities', 'maxWorkFactor', ...flowNames];
  refuseUnknown('unsealArchive', options, names);
  const { passphrase, identities, maxWorkFactor } = options;
  checkSecrets({
    passphrase,
    keys: { name: 'identities', list: identities, form: identityForm },
    work: { name: 'maxWorkFactor', value: maxWorkFactor },
  });
  const header = new AgeHeaderGuard();
  await pump(
    flowOf({ input, destination, options, checks: { check: (bytes) => header.add(bytes) } }),
    {
      prepare: async () => {
        const { Decrypter } = await loadAge();
        const decrypter = new Decrypter();
        // Asked before the passphrase is: it sees what the file demands, and opens nothing.
        decrypter.addIdentity(workLimit(maxWorkFactor ?? 18));
        if (passphrase !== undefined) decrypter.addPassphrase(passphrase);
        addEach('identities', identities, (identity) => decrypter.addIdentity(identity));
        return (bytes) => decrypter.decrypt(bytes);
      },
      explained: unreadable,
    },
  );
}

// A stream that somebody has read before ends like one that is empty, and would be sealed as a success.
function someBytes(): SealChecks {
  let isEmpty = true;
  return {
    check: ({ length }) => {
      isEmpty &&= length === 0;
    },
    checkEnd: () => {
      if (isEmpty) throw archiveInvalid('the input has no bytes; was it read before?');
    },
  };
}

const flowNames = ['signal', 'sinkStallTimeoutMs'] as const;

/** Hands each key on; its checksum is only looked at there. */
function addEach(name: string, keys: readonly string[] = [], add: (key: string) => void): void {
  for (const [index, key] of keys.entries()) {
    try {
      add(key);
    } catch {
      throw new TypeError(notKeys(name, index));
    }
  }
}

interface Flow {
  readonly input: StoppableBytes;
  readonly sink: ByteSink;
}

/** Takes both streams over, at once: what they fail with before they are used must be heard. */
function flowOf(from: {
  readonly input: SealInput;
  readonly destination: Writable;
  readonly options: SealFlowOptions;
  readonly checks: SealChecks;
}): Flow {
  const checked = checkDestination(from.destination, from.options);
  const input = sealBytesOf(from.input, from.checks);
  const sink = new ByteSink(from.destination, {
    ...checked,
    lineCount: () => 0,
    onFailure: (error) => {
      input.stop(error);
    },
  });
  return { input, sink };
}

interface Cipher {
  /** Loads what the work needs; what it throws is told as it is. */
  readonly prepare: () => Promise<
    (bytes: ReadableStream<Uint8Array>) => Promise<AsyncIterable<Uint8Array>>
  >;
  /** Called with each piece before it is written; what it throws fails the work. */
  readonly check?: (bytes: Uint8Array) => void;
  /** What to tell instead of an error of the work itself. */
  readonly explained: (error: unknown) => unknown;
}

async function pump({ input, sink }: Flow, cipher: Cipher): Promise<void> {
  let isPrepared = false;
  try {
    const through = await cipher.prepare();
    isPrepared = true;
    for await (const chunk of await through(input.stream)) {
      cipher.check?.(chunk);
      await sink.write(chunk);
    }
    await sink.end();
  } catch (error) {
    // The first that failed is what is told: the others only follow from it.
    const failure = sink.failure ??
      input.failure ?? { error: isPrepared ? cipher.explained(error) : error };
    sink.fail(failure.error);
    input.stop(failure.error);
    throw failure.error;
  }
}

function unreadable(error: unknown): unknown {
  return isBackupError(error) ? error : sealUnreadable(unreadableReason, error);
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
