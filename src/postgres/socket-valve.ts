// The database's socket, open or shut as an export wants it. While it is open it rests after each quarter
// of a MiB until the event loop has been around: libuv reads up to 32 chunks of 64 KiB off one socket
// before it looks at another, and with many exports at a time everything else in the process would wait.

import type { PgConnection } from './client.js';

const bytesAtOnce = 256 * 1024;

/** Opens and shuts one socket; open at first. */
export class SocketValve {
  readonly #socket: PgConnection['stream'];
  #isOpen = true;
  #bytes = 0;
  #rest: NodeJS.Immediate | undefined;

  constructor(socket: PgConnection['stream']) {
    this.#socket = socket;
    socket.on('data', this.#onData);
  }

  /** Lets bytes come. */
  open(): void {
    this.#isOpen = true;
    if (this.#rest === undefined) this.#socket.resume();
  }

  /** Lets none come, or few: those that have been read already. */
  shut(): void {
    this.#isOpen = false;
    this.#socket.pause();
  }

  /** Leaves the socket to others, open or shut as it was wanted last. */
  leave(): void {
    this.#socket.removeListener('data', this.#onData);
    if (this.#rest === undefined) return;
    clearImmediate(this.#rest);
    this.#goOn();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#bytes += chunk.length;
    if (this.#bytes < bytesAtOnce || this.#rest !== undefined) return;
    this.#socket.pause();
    this.#rest = setImmediate(() => {
      this.#goOn();
    });
  };

  #goOn(): void {
    this.#rest = undefined;
    this.#bytes = 0;
    if (this.#isOpen) this.#socket.resume();
  }
}
