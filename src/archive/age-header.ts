// The header of an age file as its bytes pass by: how long it may be, before anything parses it.

import { BackupError } from '../errors.js';
import type { LimitName } from '../errors.js';

const firstLine = 'age-encryption.org/v1\n';

/** Bytes that a header may have: 42 recipients of the longest kind, or 256 of the usual one. */
const maxHeaderBytes = 64 * 1024;

/** Stanzas that a header may have: each costs whoever opens the file some work, whomever it is for. */
const maxStanzas = 256;

/** A sealed archive that cannot be read. `reason` must not help to guess at secrets. */
export function sealUnreadable(
  reason: string,
  cause?: unknown,
): BackupError<'BACKUP_SEAL_UNREADABLE'> {
  const message = `the sealed archive cannot be read: ${reason}`;
  return new BackupError('BACKUP_SEAL_UNREADABLE', message, { reason }, cause);
}

/** Not told which: a difference between a wrong secret and an altered file helps an attacker. */
export const unreadableReason = 'these secrets do not open it, or it was cut or altered';

/** Watches the bytes of an age file until its header has ended: at the line that begins with `---`. */
export class AgeHeaderGuard {
  #byteCount = 0;
  #stanzaCount = 0;
  #start = '';
  #lineStart = '';
  #hasEnded = false;

  /**
   * Takes note of the next bytes of the file, before they are handed on. Costs nothing once the
   * header has ended.
   *
   * @throws BackupError `BACKUP_SEAL_UNREADABLE` for what does not begin like an age file,
   * `BACKUP_LIMIT_EXCEEDED` for more than 64 KiB or 256 stanzas
   */
  add(bytes: Uint8Array): void {
    if (this.#hasEnded) return;
    for (const byte of bytes.subarray(0, maxHeaderBytes - this.#byteCount)) {
      this.#byteCount += 1;
      this.#addByte(byte);
      if (this.#hasEnded) return;
    }
    if (this.#byteCount === maxHeaderBytes) throw beyond('maxHeaderBytes', maxHeaderBytes, 'bytes');
  }

  #addByte(byte: number): void {
    if (this.#byteCount <= firstLine.length) this.#addToStart(byte);
    if (byte === 0x0a) {
      this.#hasEnded = this.#lineStart === '---';
      this.#lineStart = '';
    } else if (this.#lineStart.length < 3) {
      this.#lineStart += String.fromCharCode(byte);
      if (this.#lineStart === '-> ') this.#stanzaCount += 1;
      if (this.#stanzaCount > maxStanzas) throw beyond('maxStanzas', maxStanzas, 'stanzas');
    }
  }

  #addToStart(byte: number): void {
    this.#start += String.fromCharCode(byte);
    // The first byte alone does not tell an archive from any other file.
    if (this.#start.length === 1 || firstLine.startsWith(this.#start)) return;
    const isZip = this.#start === 'PK';
    throw sealUnreadable(
      isZip ? 'it is an archive that was not sealed, which openArchive reads' : unreadableReason,
    );
  }
}

function beyond(limit: LimitName, limitValue: number, what: string): BackupError {
  const message = `the header of the sealed archive has more than ${limitValue} ${what}`;
  return new BackupError('BACKUP_LIMIT_EXCEEDED', message, { limit, limitValue });
}
