// What a server says on the wire, cut into its messages: where faults are worth trying.
// PostgreSQL manual, chapter "Frontend/Backend Protocol", "Message Formats".

/** A message of the server's. */
export interface WireMessage {
  /** Its type: 'D' is a row, 'd' a piece of COPY data, 'C' the end of a command, 'Z' "ready for the next". */
  readonly type: string;
  /** Where it starts in what the server sent. */
  readonly start: number;
  readonly end: number;
}

/** The messages in all that a server sent, from the start of the connection. */
export function messagesOf(bytes: Buffer): readonly WireMessage[] {
  const messages: WireMessage[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = start + 1 + bytes.readInt32BE(start + 1);
    messages.push({ type: String.fromCharCode(bytes[start] ?? 0), start, end });
    start = end;
  }
  return messages;
}

/**
 * Offsets of bytes that say something about rows and commands but nothing about lengths: types of messages, values
 * of rows, COPY data, tags of commands, transaction status. (`pg` itself throws where lengths are wrong, out of its
 * socket's event, where no library can catch it.)
 */
export function contentOffsetsOf(bytes: Buffer): readonly number[] {
  const login = messagesOf(bytes).findIndex(({ type }) => type === 'Z');
  return messagesOf(bytes)
    .slice(login + 1)
    .flatMap((message) => [message.start, ...valueOffsetsOf(message, bytes)]);
}

function valueOffsetsOf({ type, start, end }: WireMessage, bytes: Buffer): readonly number[] {
  if (type === 'd' || type === 'C' || type === 'Z') return range(start + 5, end);
  if (type !== 'D') return [];
  const offsets: number[] = [];
  for (let at = start + 7; at < end;) {
    const length = Math.max(0, bytes.readInt32BE(at));
    offsets.push(...range(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return offsets;
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}
