// Sources and sinks for tests of streams: take all of one, cut bytes into pieces, fail at the n-th piece.
type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

/** All items of an iterable or a stream. */
export async function collect<T>(items: AnyIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** All bytes of a stream in one buffer. */
export async function collectBytes(chunks: AnyIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await collect(chunks));
}

/** All bytes of a stream as UTF-8 text; bytes that are no UTF-8 are an error. */
export async function collectText(chunks: AnyIterable<Uint8Array>): Promise<string> {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
    await collectBytes(chunks),
  );
}

/** The same bytes in pieces of `size`; the last piece may be shorter. */
export function* chunked(bytes: Uint8Array | string, size: number): Generator<Uint8Array> {
  if (!(size > 0)) throw new RangeError(`A piece has at least one byte; ${String(size)} asked for`);
  const whole = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  for (let offset = 0; offset < whole.length; offset += size) {
    yield whole.subarray(offset, offset + size);
  }
}

/** The first `count` items, then an error; nothing but the error for a `count` of 0. */
export async function* failAfter<T>(
  items: AnyIterable<T>,
  count: number,
  error: Error = new Error(`failed on purpose after ${String(count)}`),
): AsyncGenerator<T> {
  let given = 0;
  if (given === count) throw error;
  for await (const item of items) {
    yield item;
    given += 1;
    if (given === count) throw error;
  }
}

/** The first `count` items, then silence: the next read stays pending for ever. */
export async function* stallAfter<T>(items: AnyIterable<T>, count: number): AsyncGenerator<T> {
  let given = 0;
  for await (const item of items) {
    if (given === count) break;
    yield item;
    given += 1;
  }
  await new Promise<never>(() => undefined);
}
