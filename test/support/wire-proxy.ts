// A TCP proxy for fault injection: stands between a client and its server and cuts, resets, holds back,
// splits, slows down or changes what goes through. It knows nothing of the bytes' meaning.
import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const HOST = '127.0.0.1';

/** The way that bytes go. */
export type Direction = 'toClient' | 'toServer';

const DIRECTIONS: readonly Direction[] = ['toClient', 'toServer'];

/**
 * How a connection ends: `end` is a FIN, as from an orderly close; `reset` is an RST, as from a crash. Node may
 * tell a client of a reset that arrives together with bytes as an `end`, and of one that arrives alone as ECONNRESET.
 */
export type CutKind = 'end' | 'reset';

/** Options of {@link WireProxy.cutAfter}. */
export interface CutOptions {
  /** Which bytes count. Default: 'toClient'. */
  readonly direction?: Direction;
  /** Default: 'end'. */
  readonly kind?: CutKind;
}

/** Is shown each piece before it is passed on, and may use the proxy: a pause holds this very piece back. */
export type Watcher = (direction: Direction, piece: Buffer) => void;

interface Cut {
  readonly byteCount: number;
  readonly kind: CutKind;
}

/** What is wrong with one direction at the moment. */
interface Faults {
  cut: Cut | undefined;
  corruptOffset: number | undefined;
  gate: Gate | undefined;
}

/** Something to wait at. */
interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/**
 * Starts a proxy in front of `target`, on a free port.
 *
 * @example
 * ```ts
 * const proxy = await startWireProxy(db.address);
 * const pool = db.pool({ host: proxy.host, port: proxy.port, … });
 * proxy.cutAfter(1_000);
 * await proxy.close();
 * ```
 */
export async function startWireProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<WireProxy> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  listener.listen(0, HOST);
  await once(listener, 'listening');
  return new WireProxy(listener, target);
}

/** A running proxy. Offsets and limits count from its start, over all connections, or from the last `heal()`. */
export class WireProxy {
  readonly host = HOST;
  readonly port: number;
  readonly #listener: Server;
  readonly #connections = new Set<Connection>();
  #byteCounts: Record<Direction, number> = { toClient: 0, toServer: 0 };
  #faults = noFaults();
  #pieceBytes = Number.POSITIVE_INFINITY;
  #delayMs = 0;
  #watcher: Watcher | undefined;

  constructor(listener: Server, target: { readonly host: string; readonly port: number }) {
    this.#listener = listener;
    this.port = (listener.address() as AddressInfo).port;
    listener.on('connection', (client) => {
      const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
      this.#join({ client, server });
    });
  }

  /** Bytes passed on so far, in each direction. */
  get byteCounts(): Readonly<Record<Direction, number>> {
    return { ...this.#byteCounts };
  }

  /** Connections open at the moment. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The same connection string, by way of this proxy. */
  url(connectionString: string): string {
    const url = new URL(connectionString);
    url.hostname = this.host;
    url.port = String(this.port);
    return url.href;
  }

  /** Passes exactly `byteCount` bytes on and then ends every connection, those to come included. */
  cutAfter(byteCount: number, { direction = 'toClient', kind = 'end' }: CutOptions = {}): void {
    this.#faults[direction].cut = { byteCount, kind };
    if (this.#byteCounts[direction] >= byteCount) this.#cutAll(kind);
  }

  /** Resets every connection now; new ones are let through. */
  reset(): void {
    this.#cutAll('reset');
  }

  /** Holds everything back, ends of connections too, as a dead network does. */
  pause(direction?: Direction): void {
    for (const each of direction === undefined ? DIRECTIONS : [direction]) {
      this.#faults[each].gate ??= newGate();
    }
  }

  /** Lets what was held back go on. */
  resume(): void {
    for (const direction of DIRECTIONS) {
      this.#faults[direction].gate?.open();
      this.#faults[direction].gate = undefined;
    }
  }

  /** From now on passes bytes on in pieces of at most `pieceBytes`, each with a write of its own. */
  chunk(pieceBytes: number): void {
    if (!(pieceBytes >= 1)) throw new RangeError('A piece has at least one byte');
    this.#pieceBytes = pieceBytes;
  }

  /** From now on waits this long before each piece. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Inverts all bits of the byte at `byteOffset` (from 0) when it passes. */
  corrupt(byteOffset: number, direction: Direction = 'toClient'): void {
    this.#faults[direction].corruptOffset = byteOffset;
  }

  /** Shows every piece to `watcher` before it is passed on. */
  watch(watcher: Watcher): void {
    this.#watcher = watcher;
  }

  /** Ends every connection, takes all faults back and counts from zero again. */
  heal(): void {
    this.#cutAll('reset');
    this.resume();
    this.#byteCounts = { toClient: 0, toServer: 0 };
    this.#faults = noFaults();
    this.#pieceBytes = Number.POSITIVE_INFINITY;
    this.#delayMs = 0;
    this.#watcher = undefined;
  }

  /** Ends every connection and stops listening. */
  async close(): Promise<void> {
    if (!this.#listener.listening) return;
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.#cutAll('reset');
    this.resume();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #join(connection: Connection): void {
    const { client, server } = connection;
    this.#connections.add(connection);
    void this.#pass('toServer', connection);
    void this.#pass('toClient', connection);
    for (const socket of [client, server]) {
      socket.on('error', () => undefined); // 'close' follows, and says that there was one
      socket.once('close', (hadError) => void this.#part(connection, socket, hadError));
    }
  }

  /** One side is closed: the other one hears of a failure at once; an orderly end is passed on as bytes are. */
  async #part(connection: Connection, closed: Socket, hadError: boolean): Promise<void> {
    const { client, server } = connection;
    const [other, direction] =
      closed === client ? ([server, 'toServer'] as const) : ([client, 'toClient'] as const);
    if (hadError) {
      await this.#faults[direction].gate?.opened;
      reset(other);
    }
    if (client.destroyed && server.destroyed) this.#connections.delete(connection);
  }

  async #pass(direction: Direction, connection: Connection): Promise<void> {
    const { client, server } = connection;
    const [source, sink] = direction === 'toClient' ? [server, client] : [client, server];
    try {
      for await (const bytes of source.iterator({ destroyOnReturn: false })) {
        for (const piece of split(bytes as Buffer, this.#pieceBytes)) {
          await this.#passPiece(direction, piece, sink);
        }
      }
      await this.#faults[direction].gate?.opened;
      sink.end();
    } catch {
      // A side is gone; 'close' sees to the other one.
    }
  }

  async #passPiece(direction: Direction, piece: Buffer, sink: Socket): Promise<void> {
    if (this.#delayMs > 0) await sleep(this.#delayMs);
    this.#watcher?.(direction, piece);
    await this.#faults[direction].gate?.opened;
    if (sink.destroyed || sink.writableEnded) return;

    const offset = this.#byteCounts[direction];
    const { cut } = this.#faults[direction];
    const room = cut === undefined ? piece.length : Math.max(0, cut.byteCount - offset);
    const passed = this.#corrupted(direction, piece.subarray(0, room), offset);
    this.#byteCounts[direction] += passed.length;
    await write(sink, passed);
    if (cut !== undefined && this.#byteCounts[direction] >= cut.byteCount) this.#cutAll(cut.kind);
  }

  #corrupted(direction: Direction, piece: Buffer, offset: number): Buffer {
    const index = (this.#faults[direction].corruptOffset ?? -1) - offset;
    const byte = piece[index];
    if (byte === undefined) return piece;
    const changed = Buffer.from(piece);
    changed[index] = byte ^ 0xff;
    return changed;
  }

  #cutAll(kind: CutKind): void {
    for (const { client, server } of this.#connections) {
      reset(server);
      if (kind === 'reset') reset(client);
      else client.end(() => client.destroy());
    }
  }
}

function noFaults(): Record<Direction, Faults> {
  const none = { cut: undefined, corruptOffset: undefined, gate: undefined };
  return { toClient: { ...none }, toServer: { ...none } };
}

function newGate(): Gate {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

function* split(bytes: Buffer, pieceBytes: number): Generator<Buffer> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    yield bytes.subarray(offset, offset + pieceBytes);
  }
}

/** Once a socket's end is on its way Node cannot reset it (EINVAL), and would leave its handle open for ever. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** Resolves once the bytes have been handed to the system, or the sink has failed. */
function write(sink: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (bytes.length === 0) resolve();
    else
      sink.write(bytes, () => {
        resolve();
      });
  });
}
