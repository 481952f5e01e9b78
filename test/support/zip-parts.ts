// Zips put together field by field, so that each of them can be wrong in one way. Nothing here is
// compressed by zlib, whose output changes with its version: deflated content is stored blocks.
import { crc32 } from 'node:zlib';

/** The fields that a local header and a central header tell. */
export interface HeaderFields {
  readonly name: Buffer | string;
  readonly version: number;
  readonly flags: number;
  readonly method: number;
  readonly time: number;
  readonly date: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
  readonly extra: Buffer;
}

/** The fields that only a central header tells. */
export interface CentralFields extends HeaderFields {
  readonly madeBy: number;
  readonly attributes: number;
  readonly offset: number;
  readonly comment: Buffer;
}

/** An entry: its content, and whatever its headers tell otherwise. */
export interface ZipPart {
  readonly name: Buffer | string;
  readonly content: Buffer;
  /** Default 8. */
  readonly method?: number;
  /** What stands in the file for the content; by default what the method makes of it. */
  readonly packed?: Buffer;
  readonly flags?: number;
  readonly version?: number;
  readonly local?: Partial<HeaderFields>;
  readonly central?: Partial<CentralFields>;
  /** What follows the content; nothing by default. */
  readonly descriptor?: Buffer;
}

/** What a zip has besides its entries. */
export interface ZipFrame {
  readonly before?: Buffer;
  readonly beforeDirectory?: Buffer;
  readonly after?: Buffer;
  /** Changes to the end record: `[offset in it, bytes, value]`. */
  readonly end?: readonly (readonly [at: number, bytes: 2 | 4, value: number])[];
  /** What stands between the directory and the end record. */
  readonly beforeEnd?: (place: { readonly offset: number; readonly size: number }) => Buffer;
  /** More that is part of the directory without being counted. */
  readonly hidden?: Buffer;
}

/** Content as a raw deflate stream of stored blocks (RFC 1951, section 3.2.4). */
export function deflateStored(content: Buffer): Buffer {
  const blocks: Buffer[] = [];
  let at = 0;
  do {
    const block = content.subarray(at, at + 0xffff);
    at += block.length;
    const head = Buffer.alloc(5);
    head[0] = at === content.length ? 1 : 0;
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(block.length ^ 0xffff, 3);
    blocks.push(head, block);
  } while (at < content.length);
  return Buffer.concat(blocks);
}

/** The record after an entry whose sizes follow it. */
export function descriptor(
  part: ZipPart,
  {
    isSigned = true,
    isWide = false,
  }: { readonly isSigned?: boolean; readonly isWide?: boolean } = {},
): Buffer {
  const { crc, compressed, size } = fieldsOf(part);
  const record = Buffer.alloc(24);
  record.writeUInt32LE(0x08074b50, 0);
  record.writeUInt32LE(crc, 4);
  if (isWide) {
    record.writeBigUInt64LE(BigInt(compressed), 8);
    record.writeBigUInt64LE(BigInt(size), 16);
  } else {
    record.writeUInt32LE(compressed, 8);
    record.writeUInt32LE(size, 12);
  }
  return record.subarray(isSigned ? 0 : 4, isWide ? 24 : 16);
}

/** An extra field. */
export function extraField(id: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(content.length, 2);
  return Buffer.concat([head, content]);
}

/** Numbers of 64 bits, one after the other. */
export function wide(...values: readonly (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), index * 8));
  return bytes;
}

/** The zip64 end record and its locator. */
export function zip64End(place: {
  readonly entryCount: number;
  readonly size: number;
  readonly offset: number | bigint;
  readonly recordAt: number;
}): Buffer {
  const record = Buffer.alloc(76);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  wide(place.entryCount, place.entryCount, place.size, place.offset).copy(record, 24);
  record.writeUInt32LE(0x07064b50, 56);
  wide(place.recordAt).copy(record, 64);
  record.writeUInt32LE(1, 72);
  return record;
}

/** Puts a zip together. */
export function buildZip(parts: readonly ZipPart[], frame: ZipFrame = {}): Buffer {
  const chunks: Buffer[] = [frame.before ?? Buffer.alloc(0)];
  const directory: Buffer[] = [];
  let at = chunks[0]?.length ?? 0;
  for (const part of parts) {
    const fields = fieldsOf(part);
    const local = localHeader({ ...fields, ...part.local });
    directory.push(centralHeader({ ...fields, offset: at, ...part.central }));
    const whole = Buffer.concat([local, packedOf(part), part.descriptor ?? Buffer.alloc(0)]);
    chunks.push(whole);
    at += whole.length;
  }
  if (frame.beforeDirectory !== undefined) chunks.push(frame.beforeDirectory);
  const offset = at + (frame.beforeDirectory?.length ?? 0);
  const entries = Buffer.concat([...directory, frame.hidden ?? Buffer.alloc(0)]);
  const beforeEnd = frame.beforeEnd?.({ offset, size: entries.length }) ?? Buffer.alloc(0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(parts.length, 8);
  end.writeUInt16LE(parts.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  for (const [place, bytes, value] of frame.end ?? []) end.writeUIntLE(value, place, bytes);
  return Buffer.concat([...chunks, entries, beforeEnd, end, frame.after ?? Buffer.alloc(0)]);
}

/** The central header of a part, for directories that hold more than they should. */
export function centralHeaderOf(part: ZipPart, offset: number): Buffer {
  return centralHeader({ ...fieldsOf(part), offset });
}

function packedOf({ packed, content, method = 8 }: ZipPart): Buffer {
  return packed ?? (method === 8 ? deflateStored(content) : content);
}

function fieldsOf(part: ZipPart): Omit<CentralFields, 'offset'> {
  const { name, content, method = 8, flags = 0x0800, version = 20 } = part;
  return {
    ...{ name, version, flags, method, time: 0, date: 0x21, extra: Buffer.alloc(0) },
    ...{ crc: crc32(content), compressed: packedOf(part).length, size: content.length },
    ...{ madeBy: 0x031e, attributes: (0o100644 << 16) >>> 0, comment: Buffer.alloc(0) },
  };
}

function common(fields: HeaderFields, nameLength: number): Buffer {
  const bytes = Buffer.alloc(26);
  bytes.writeUInt16LE(fields.version, 0);
  bytes.writeUInt16LE(fields.flags, 2);
  bytes.writeUInt16LE(fields.method, 4);
  bytes.writeUInt16LE(fields.time, 6);
  bytes.writeUInt16LE(fields.date, 8);
  bytes.writeUInt32LE(fields.crc, 10);
  bytes.writeUInt32LE(fields.compressed, 14);
  bytes.writeUInt32LE(fields.size, 18);
  bytes.writeUInt16LE(nameLength, 22);
  bytes.writeUInt16LE(fields.extra.length, 24);
  return bytes;
}

function localHeader(fields: HeaderFields): Buffer {
  const name = Buffer.from(fields.name);
  const signature = Buffer.from('PK\x03\x04', 'latin1');
  return Buffer.concat([signature, common(fields, name.length), name, fields.extra]);
}

function centralHeader(fields: CentralFields): Buffer {
  const name = Buffer.from(fields.name);
  const head = Buffer.alloc(6);
  head.write('PK\x01\x02', 'latin1');
  head.writeUInt16LE(fields.madeBy, 4);
  const tail = Buffer.alloc(14);
  tail.writeUInt16LE(fields.comment.length, 0);
  tail.writeUInt32LE(fields.attributes, 6);
  tail.writeUInt32LE(fields.offset, 10);
  return Buffer.concat([
    head,
    common(fields, name.length),
    tail,
    name,
    fields.extra,
    fields.comment,
  ]);
}
