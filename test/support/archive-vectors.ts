// Good and bad archives, each with what verifyArchive must say of it. The same bytes on every
// machine: dev/write-archive-vectors.ts writes them to test/vectors/archives/.
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { crc32, gzipSync } from 'node:zlib';
import { crcTwin } from './crc-twin.js';
import {
  buildZip,
  centralHeaderOf,
  deflateStored,
  descriptor,
  extraField,
  wide,
  zip64End,
} from './zip-parts.js';
import type { ZipFrame, ZipPart } from './zip-parts.js';

/** What a reader is told besides the file. */
export interface VectorOptions {
  readonly userId?: string;
  readonly expectArchiveId?: string;
  /** Names of the keys of `archiveVectorKeys`. */
  readonly trustedKeys?: readonly string[];
  readonly requireSignature?: boolean;
  readonly maxEntryBytes?: number;
  readonly maxEntries?: number;
}

/** A file and what must be said of it. */
export interface ArchiveVector {
  /** Its codes without `BACKUP_`, or `good`; the row of the list of bad input; what it is. */
  readonly name: string;
  readonly why: string;
  readonly bytes: Buffer;
  readonly options: VectorOptions;
  /** The code of every problem, in order, without `BACKUP_`. */
  readonly codes: readonly string[];
  /** What the archive is apart from who signed it, and from what the caller expects. */
  readonly intact: boolean;
  readonly authentic: boolean;
}

const event = (n: number, changes: object = {}): object => ({
  eventId: `00000000-0000-4000-8000-00000000000${n}`,
  schemaVersion: n === 1 ? 1 : 2,
  appId: n === 2 ? 'notes' : 'todo',
  table: 'tasks',
  id: `task-${n}`,
  op: 'insert',
  data: { title: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' },
  clientId: 'client-a',
  createdAt: `2026-04-14T10:00:0${n}Z`,
  ...changes,
});

const jsonl = (...lines: readonly object[]): Buffer =>
  Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

const events = jsonl(event(1), event(2), event(3));
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const crc32Hex = (bytes: Buffer): string => crc32(bytes).toString(16).padStart(8, '0');

/** What a manifest tells of consecutive segments. */
function segmentsOf(...parts: readonly Buffer[]): readonly object[] {
  return parts.map((part, index) => ({
    lineCount: part.toString().split('\n').length - 1,
    byteCount: part.length,
    crc32: crc32Hex(part),
    prefixSha256: sha256(Buffer.concat(parts.slice(0, index + 1))),
  }));
}

/** The members of the manifest of some events, in their order. */
function manifestOf(content: Buffer, changes: object = {}): Record<string, unknown> {
  const lines = content.toString().split('\n').slice(0, -1);
  const longest = Math.max(...lines.map((line) => Buffer.byteLength(line)));
  const position = (n: number): object => ({
    createdAt: `2026-04-14T10:00:0${n}Z`,
    eventId: `00000000-0000-4000-8000-00000000000${n}`,
  });
  return {
    ...{ formatVersion: 1, schemaVersion: 2, userId: 'user-1', createdAt: '2026-04-15T00:00:00Z' },
    ...{ eventCount: lines.length, eventsSha256: sha256(content), apps: ['notes', 'todo'] },
    ...{ producedBy: 'vectors', schemaVersionMin: 1, schemaVersionMax: 2 },
    ...{ firstPosition: position(1), lastPosition: position(3), byteCount: content.length },
    maxLineBytes: longest,
    segments: segmentsOf(content),
    ...changes,
  };
}

const textOf = (members: object): string => `${JSON.stringify(members, undefined, 2)}\n`;
const manifestText = textOf(manifestOf(events));
const entry = (name: Buffer | string, content: Buffer | string, more: object = {}): ZipPart => ({
  name,
  content: Buffer.from(content),
  ...more,
});
const eventsEntry = (more: object = {}): ZipPart => entry('events.jsonl', events, more);
const manifestEntry = (text: Buffer | string = manifestText, more: object = {}): ZipPart =>
  entry('manifest.json', text, more);
const both = [eventsEntry(), manifestEntry()] as const;
const plain = buildZip(both);

function privateKeyOf(seed: number): KeyObject {
  const head = Buffer.from('302e020100300506032b657004220420', 'hex');
  const key = Buffer.concat([head, Buffer.alloc(32, seed)]);
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

const keys = { maker: privateKeyOf(1), other: privateKeyOf(2) } as const;

/** Public keys of the vectors, as PEM. The maker's is the one that signs. */
export const archiveVectorKeys: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(keys).map(([name, key]) => [
    name,
    createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString(),
  ]),
);

function keyIdOf(key: KeyObject): string {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return sha256(Buffer.from(x, 'base64url')).slice(0, 32);
}

const prefix = 'backup-streams/manifest/v1\n';
const signed = (text: string, key: KeyObject = keys.maker, type = prefix): Buffer =>
  sign(undefined, Buffer.from(type + text), key);
const signedText = textOf(manifestOf(events, { signingKeyId: keyIdOf(keys.maker) }));
const signedZip = (text: string, signature: Buffer): Buffer =>
  buildZip([eventsEntry(), manifestEntry(text), entry('manifest.sig', signature, { method: 0 })]);
const maker: VectorOptions = { trustedKeys: ['maker'] };

type Expectation = Partial<Pick<ArchiveVector, 'options' | 'codes' | 'intact' | 'authentic'>>;

function vector(name: string, why: string, bytes: Buffer, more: Expectation = {}): ArchiveVector {
  const [first = ''] = name.split('-');
  const codes = more.codes ?? (first === 'good' ? [] : [first]);
  const intact = more.intact ?? codes.length === 0;
  return { name, why, bytes, options: {}, authentic: false, ...more, codes, intact };
}

const zipOf = (frame: ZipFrame): Buffer => buildZip(both, frame);
const withManifest = (changes: object): Buffer =>
  buildZip([eventsEntry(), manifestEntry(textOf(manifestOf(events, changes)))]);
const withText = (text: Buffer | string): Buffer => buildZip([eventsEntry(), manifestEntry(text)]);
const withEvents = (content: Buffer, changes: object = {}): Buffer =>
  buildZip([entry('events.jsonl', content), manifestEntry(textOf(manifestOf(content, changes)))]);
const later = { flags: 0x0808, local: { crc: 0, compressed: 0, size: 0 } } as const;
const streamed = (form: Parameters<typeof descriptor>[1], more: object = {}): ZipPart => {
  const part = eventsEntry({ ...later, ...more });
  return { ...part, descriptor: descriptor(part, form) };
};

function goodArchives(): ArchiveVector[] {
  const empty = Buffer.alloc(0);
  const none = {
    ...manifestOf(jsonl(event(1)), { eventCount: 0, eventsSha256: sha256(empty), apps: [] }),
    ...{ byteCount: 0, maxLineBytes: 0, segments: [], schemaVersionMin: undefined },
    ...{ schemaVersionMax: undefined, firstPosition: undefined, lastPosition: undefined },
  };
  const original = manifestOf(events, {
    ...{ byteCount: undefined, maxLineBytes: undefined, segments: undefined },
    ...{ firstPosition: undefined, lastPosition: undefined },
  });
  const archiveId = sha256(Buffer.from(manifestText)).slice(0, 32);
  const identified = textOf(manifestOf(events, { archiveId }));
  const segments = segmentsOf(...[event(1), event(2), event(3)].map((line) => jsonl(line)));
  return [
    vector('good-plain', 'the ordinary case', plain),
    vector(
      'good-stored',
      'entries need not be deflated',
      buildZip([eventsEntry({ method: 0 }), manifestEntry(manifestText, { method: 0 })]),
    ),
    vector(
      'good-C18-manifest-first',
      'the order of the entries is free',
      buildZip([manifestEntry(), eventsEntry()]),
    ),
    vector(
      'good-descriptor',
      'sizes after the content, as a writer to a pipe has them',
      buildZip([streamed({}), manifestEntry()]),
    ),
    vector(
      'good-descriptor-unsigned',
      'a descriptor without its signature',
      buildZip([streamed({ isSigned: false }), manifestEntry()]),
    ),
    vector(
      'good-descriptor-wide',
      'a descriptor of 64 bits, announced by a zip64 field',
      buildZip([
        streamed(
          { isWide: true },
          {
            local: {
              ...later.local,
              version: 45,
              compressed: 0xffffffff,
              size: 0xffffffff,
              extra: extraField(1, wide(0, 0)),
            },
          },
        ),
        manifestEntry(),
      ]),
    ),
    vector(
      'good-descriptor-wide-unsigned',
      'and without signature',
      buildZip([streamed({ isWide: true, isSigned: false }), manifestEntry()]),
    ),
    vector(
      'good-zip64-sizes',
      'sizes in a zip64 field that would fit without',
      buildZip([eventsEntry({ version: 45, ...zip64Sizes() }), manifestEntry()]),
    ),
    vector(
      'good-zip64-beside',
      'the same sizes in a local zip64 field, to which nothing defers',
      buildZip([
        eventsEntry({
          local: { extra: extraField(1, wide(events.length, deflateStored(events).length)) },
        }),
        manifestEntry(),
      ]),
    ),
    vector('good-zip64-end', 'zip64 end records that would not be needed', zipOf(wideEnd({}))),
    vector(
      'good-C19-extra-fields',
      'fields of other writers are not looked into, an empty NTFS field either',
      buildZip([
        eventsEntry({
          local: { extra: extraField(0x000a, Buffer.alloc(0)) },
          central: { extra: extraField(0x5455, Buffer.alloc(5, 1)) },
        }),
        manifestEntry(),
      ]),
    ),
    vector(
      'good-C19-unicode-path',
      'the name once more, in a field of Info-ZIP',
      buildZip([
        eventsEntry({
          local: { extra: unicodePath('events.jsonl') },
          central: { extra: unicodePath('events.jsonl') },
        }),
        manifestEntry(),
      ]),
    ),
    vector(
      'good-C19-impossible-times',
      'month 15 at 31:63:62',
      buildZip([
        eventsEntry({
          local: { time: 0xffff, date: 0x01ff },
          central: { time: 0xffff, date: 0x01ff },
        }),
        manifestEntry(),
      ]),
    ),
    vector(
      'good-entry-comment',
      'a comment of an entry is part of the directory',
      buildZip([eventsEntry({ central: { comment: Buffer.from('mine') } }), manifestEntry()]),
    ),
    vector(
      'good-made-on-dos',
      'attributes of DOS',
      buildZip([eventsEntry({ central: { madeBy: 20, attributes: 0x20 } }), manifestEntry()]),
    ),
    vector('good-original', 'the members of the first writer alone', withText(textOf(original))),
    vector(
      'good-empty-log',
      'a user without events',
      buildZip([entry('events.jsonl', empty), manifestEntry(textOf(none))]),
    ),
    vector(
      'good-M2-unknown-member',
      'what a newer writer added is ignored',
      withManifest({ later: { deep: [{}] } }),
    ),
    vector(
      'good-M9-nanoseconds',
      'times as Go writes them',
      withManifest({ createdAt: '2026-04-15T02:00:00.123456789+02:00' }),
    ),
    vector(
      'good-M9-far-future',
      'a clock that is wrong proves nothing',
      withManifest({ createdAt: '9999-12-31T23:59:59Z' }),
    ),
    vector('good-M11-expected-id', 'the archive that was asked for', withText(identified), {
      options: { expectArchiveId: archiveId, userId: 'user-1' },
    }),
    vector('good-segments', 'one segment a line', withManifest({ segments })),
    vector(
      'good-segments-alone',
      'segments, and no byteCount that they could add up to',
      withManifest({ segments, byteCount: undefined }),
    ),
    vector(
      'good-M8-segment-of-unknown-digest',
      'segments may tell of digests that are not known here, and of none that are',
      withManifest({
        segments: [{ lineCount: 3, byteCount: events.length, sha256: sha256(events) }],
      }),
    ),
    vector(
      'good-L20-versions-from-before',
      'versions that are missing or not positive count as 1',
      withEvents(
        jsonl(event(1, { schemaVersion: undefined }), event(2), event(3, { schemaVersion: -3 })),
      ),
    ),
    vector(
      'good-L23-user-in-a-line',
      'a line cannot say whose it is',
      withEvents(jsonl(event(1, { userId: 'user-2' }), event(2), event(3))),
    ),
    vector('good-signed', 'by a trusted key', signedZip(signedText, signed(signedText)), {
      options: maker,
      authentic: true,
    }),
    vector(
      'good-signed-unasked',
      'whoever trusts nobody does not judge',
      signedZip(signedText, signed(signedText)),
    ),
    vector(
      'good-signed-key-unnamed',
      'the manifest need not name the key',
      signedZip(manifestText, signed(manifestText)),
      { options: { trustedKeys: ['other', 'maker'] }, authentic: true },
    ),
    vector(
      'good-signed-hint-wrong',
      'the named key is a hint and no more',
      (() => {
        const text = textOf(manifestOf(events, { signingKeyId: keyIdOf(keys.other) }));
        return signedZip(text, signed(text));
      })(),
      { options: maker, authentic: true },
    ),
    vector('good-unsigned-not-required', 'a policy may take both', plain, {
      options: { ...maker, requireSignature: false },
    }),
  ];
}

function zip64Sizes(): object {
  const { length } = deflateStored(events);
  const told = { compressed: 0xffffffff, size: 0xffffffff };
  const extra = extraField(1, wide(events.length, length));
  return { local: { ...told, extra }, central: { ...told, extra } };
}

function wideEnd(change: {
  readonly offset?: number | bigint;
  readonly recordAt?: number;
  readonly size?: number;
}): ZipFrame {
  return {
    end: [
      [8, 2, 0xffff],
      [10, 2, 0xffff],
      [12, 4, 0xffffffff],
      [16, 4, 0xffffffff],
    ],
    beforeEnd: ({ offset, size }) =>
      zip64End({ entryCount: 2, size, offset, recordAt: offset + size, ...change }),
  };
}

const nowhere = { entryCount: 0, size: 0, offset: 0, recordAt: 0 } as const;

/** An archive whose last header holds zip64 records of another one, which lies in an extra field. */
function hidingAnother(where: 'comment' | 'extra'): Buffer {
  const forged = jsonl(event(1, { data: { title: 'forged' } }));
  const first = entry('events.jsonl', forged);
  const second = manifestEntry(textOf(manifestOf(forged, { apps: ['todo'] })));
  const centralAt = (...parts: readonly ZipPart[]): number =>
    buildZip(parts).indexOf('PK\x01\x02', 0, 'latin1');
  const bodies = buildZip([first, second]).subarray(0, centralAt(first, second));
  const holder = eventsEntry({ local: { extra: extraField(0x4242, bodies) } });
  const bodiesAt = 30 + 'events.jsonl'.length + 4;
  const directory = Buffer.concat([
    centralHeaderOf(first, bodiesAt),
    centralHeaderOf(second, bodiesAt + centralAt(first)),
  ]);
  const offset = buildZip([holder, manifestEntry()]).length - 22 + (where === 'extra' ? 4 : 0);
  const { length: size } = directory;
  const records = zip64End({ entryCount: 2, size, offset, recordAt: offset + size });
  const hidden = Buffer.concat([directory, records]);
  const central = where === 'comment' ? { comment: hidden } : { extra: extraField(0x4242, hidden) };
  return buildZip([holder, manifestEntry(manifestText, { central })]);
}

/** An entry's name as Info-ZIP's Unicode Path field holds it (APPNOTE 6.3.10, section 4.6.9). */
function unicodePath(name: string, path = name): Buffer {
  const head = Buffer.alloc(5, 1);
  head.writeUInt32LE(crc32(Buffer.from(name)), 1);
  return extraField(0x7075, Buffer.concat([head, Buffer.from(path)]));
}

function badContainers(): ArchiveVector[] {
  const invalid = (
    tag: string,
    why: string,
    bytes: Buffer,
    more: Expectation = {},
  ): ArchiveVector => vector(`ARCHIVE_INVALID-${tag}`, why, bytes, more);
  const other = (name: Buffer | string): Buffer => buildZip([...both, entry(name, 'x')]);
  const missingToo = ['ENTRY_UNEXPECTED', 'ENTRY_MISSING'];
  const eventsAt = 0;
  const manifestAt = buildZip([eventsEntry()]).indexOf('PK\x01\x02', 0, 'latin1');
  const crcWrong = { local: { crc: 1 }, central: { crc: 1 } };
  const packed = deflateStored(events);
  return [
    invalid('C1-empty-file', 'no byte', Buffer.alloc(0)),
    invalid('C1-21-bytes', 'shorter than an end record', Buffer.alloc(21)),
    invalid('C1-jsonl', 'the bare export', events),
    invalid(
      'C1-gzip',
      'another container',
      Buffer.concat([gzipSync(Buffer.alloc(0)).fill(0, 9, 10), Buffer.alloc(20)]),
    ),
    invalid('C2-cut-last-byte', 'one byte is missing', plain.subarray(0, -1)),
    invalid(
      'C2-cut-directory',
      'the directory is missing',
      plain.subarray(0, plain.indexOf('PK\x01\x02', 0, 'latin1')),
    ),
    invalid('C3-prepended', 'a byte before it', Buffer.concat([Buffer.of(0), plain])),
    invalid(
      'C3-prepended-known',
      'something before it that the offsets know of',
      zipOf({ before: Buffer.from('#!') }),
    ),
    invalid('C3-appended', 'a byte after it', zipOf({ after: Buffer.of(0) })),
    invalid(
      'C3-comment',
      'a comment, which could hold anything',
      zipOf({ end: [[20, 2, 1]], after: Buffer.of(0x20) }),
    ),
    invalid(
      'C3-comment-missing',
      'a comment that is announced and not there',
      zipOf({ end: [[20, 2, 1]] }),
    ),
    invalid(
      'C3-end-in-comment',
      'a second end record in the comment',
      zipOf({ end: [[20, 2, 22]], after: plain.subarray(-22) }),
    ),
    invalid(
      'C4-manifest-twice',
      'readers differ in which they take',
      buildZip([...both, manifestEntry('{}')]),
    ),
    invalid(
      'C4-names-that-fold',
      'one file on some systems',
      buildZip([...both, entry('MANIFEST.JSON', '{}')]),
    ),
    invalid(
      'C4-names-nfc-nfd',
      'one name in two spellings',
      buildZip([...both, entry('\u00e9', 'x'), entry('e\u0301', 'x')]),
    ),
    invalid(
      'C5-local-name',
      'two names for one entry',
      buildZip([eventsEntry(), manifestEntry(manifestText, { local: { name: 'manifesto.txt' } })]),
    ),
    ...(['method', 'flags', 'crc', 'compressed', 'size'] as const).map((field) =>
      invalid(
        `C6-local-${field}`,
        'entry and directory differ',
        buildZip([
          eventsEntry({
            local: { [field]: field === 'flags' ? 0x0802 : field === 'method' ? 0 : 7 },
          }),
          manifestEntry(),
        ]),
      ),
    ),
    invalid(
      'C6-offset',
      'an entry begins elsewhere',
      buildZip([
        eventsEntry(),
        manifestEntry(manifestText, { central: { offset: manifestAt + 1 } }),
      ]),
    ),
    invalid(
      'C6-descriptor',
      'the descriptor tells another CRC',
      buildZip([
        { ...streamed({}), descriptor: descriptor(eventsEntry({ content: Buffer.from('x') })) },
        manifestEntry(),
      ]),
    ),
    invalid(
      'C6-descriptor-unannounced',
      'a descriptor that no flag announces',
      buildZip([eventsEntry({ descriptor: descriptor(eventsEntry()) }), manifestEntry()]),
    ),
    invalid(
      'C6-reserved-flag',
      'a flag that means nothing yet',
      buildZip([eventsEntry({ flags: 0x4800 }), manifestEntry()]),
    ),
    invalid(
      'C6-stored-two-sizes',
      'a stored entry is as long as its content',
      buildZip([
        eventsEntry({ method: 0, local: { size: 7 }, central: { size: 7 } }),
        manifestEntry(),
      ]),
    ),
    invalid(
      'C7-same-place',
      'two entries over the same bytes',
      buildZip([eventsEntry(), manifestEntry(manifestText, { central: { offset: eventsAt } })]),
    ),
    invalid(
      'C7-overlap',
      'an entry that reaches into the next',
      buildZip([
        eventsEntry({
          local: { compressed: packed.length + 40 },
          central: { compressed: packed.length + 40 },
        }),
        manifestEntry(),
      ]),
    ),
    invalid(
      'C7-in-directory',
      'an entry inside the directory',
      zipOf({ hidden: Buffer.alloc(0), end: [[16, 4, manifestAt]] }),
    ),
    invalid(
      'C7-gap',
      'bytes between the last entry and the directory',
      zipOf({ beforeDirectory: Buffer.from('gap') }),
    ),
    invalid(
      'C7-nothing-else',
      'bytes before the directory of no entry',
      buildZip([], { beforeDirectory: Buffer.from('gap') }),
    ),
    invalid(
      'C7-between',
      'bytes between two entries',
      buildZip([eventsEntry({ descriptor: Buffer.alloc(40) }), manifestEntry()]),
    ),
    invalid(
      'C8-hidden-record',
      'the directory holds more than it counts',
      zipOf({ hidden: centralHeaderOf(manifestEntry(), 0) }),
    ),
    invalid(
      'C8-fewer-records',
      'it counts more than it holds',
      zipOf({
        end: [
          [8, 2, 3],
          [10, 2, 3],
        ],
      }),
    ),
    invalid(
      'C9-deferred-to-nothing',
      'sizes in zip64 records that are not there',
      zipOf({
        end: [
          [12, 4, 0xffffffff],
          [16, 4, 0xffffffff],
        ],
      }),
    ),
    invalid(
      'C9-zip64-field-missing',
      'a size in a field that is not there',
      buildZip([
        eventsEntry({ local: { size: 0xffffffff }, central: { size: 0xffffffff } }),
        manifestEntry(),
      ]),
    ),
    invalid(
      'C9-zip64-field-twice',
      'two zip64 fields',
      buildZip([
        eventsEntry({
          central: { extra: Buffer.concat([extraField(1, wide(1, 1)), extraField(1, wide(1, 1))]) },
        }),
        manifestEntry(),
      ]),
    ),
    ...Object.entries({
      size: wide(events.length - 1, packed.length),
      compressed: wide(events.length, 0),
    }).map(([which, sizes]) =>
      invalid(
        `C9-zip64-beside-${which}`,
        'another size in a local zip64 field, which some readers take although nothing defers to it',
        buildZip([eventsEntry({ local: { extra: extraField(1, sizes) } }), manifestEntry()]),
      ),
    ),
    invalid(
      'C9-zip64-disagrees',
      'the two end records differ',
      zipOf({ ...wideEnd({}), end: [[12, 4, 9]] }),
    ),
    invalid(
      'C9-locator-outside',
      'a locator that points beyond the file',
      zipOf(wideEnd({ recordAt: 1_000_000 })),
    ),
    invalid(
      'C9-offset-beyond-2-53',
      'an offset that no number holds',
      zipOf(wideEnd({ offset: 2n ** 63n })),
    ),
    invalid(
      'C9-hidden-in-comment',
      'zip64 records in a comment, which some readers take for those of the end',
      hidingAnother('comment'),
    ),
    invalid(
      'C9-hidden-in-extra-field',
      'zip64 records in an extra field, which some readers take for those of the end',
      hidingAnother('extra'),
    ),
    invalid(
      'C9-locator-alone',
      'a locator that ends the directory and finds nothing',
      buildZip([
        eventsEntry(),
        manifestEntry(manifestText, { central: { comment: zip64End(nowhere).subarray(56) } }),
      ]),
    ),
    ...(['events', 'manifest'] as const).map((which) => {
      const extra = extraField(1, wide(2n ** 53n));
      const huge = { size: 0xffffffff, extra };
      const more = { version: 45, local: huge, central: huge };
      const parts = which === 'events' ? [more, {}] : [{}, more];
      return invalid(
        `C9-${which}-size-beyond-2-53`,
        'a size that no number holds',
        buildZip([eventsEntry(parts[0]), manifestEntry(manifestText, parts[1])]),
      );
    }),
    ...(['local', 'central'] as const).map((which) =>
      invalid(
        `C5-unicode-path-${which}`,
        'a second name, which some readers prefer',
        buildZip([
          eventsEntry({ [which]: { extra: unicodePath('events.jsonl', '../../evil') } }),
          manifestEntry(),
        ]),
      ),
    ),
    invalid(
      'C5-unicode-path-cut',
      'a second name that is cut off',
      buildZip([
        eventsEntry({ central: { extra: unicodePath('events.jsonl').subarray(0, -1) } }),
        manifestEntry(),
      ]),
    ),
    ...(
      [
        ['dotdot', '../x'],
        ['absolute', '/x'],
        ['drive', 'C:\\x'],
        ['backslash', 'a\\..\\b'],
        ['trailing-slash', 'events.jsonl/'],
        ['empty', ''],
        ['nul', 'events.jsonl\0'],
        ['long', 'x'.repeat(65_535)],
        ['not-utf8', Buffer.of(0xff, 0xfe)],
        ['right-to-left', 'lnosj.\u202estneve'],
      ] as const
    ).map(([what, name]) =>
      vector(
        `ENTRY_UNEXPECTED-C10-${what}`,
        'a name that is not one of three',
        other(Buffer.from(name)),
      ),
    ),
    vector(
      'ENTRY_UNEXPECTED-C11-symlink',
      'the manifest is a link',
      buildZip([
        eventsEntry(),
        manifestEntry(manifestText, { central: { attributes: (0o120777 << 16) >>> 0 } }),
      ]),
      { codes: missingToo },
    ),
    ...(
      [
        ['dos', 0],
        ['darwin', 19],
      ] as const
    ).map(([what, host]) =>
      vector(
        `ENTRY_UNEXPECTED-C11-symlink-${what}`,
        'the manifest is a link, made on another system',
        buildZip([
          eventsEntry(),
          manifestEntry(manifestText, {
            central: { madeBy: (host << 8) | 20, attributes: (0o120777 << 16) >>> 0 },
          }),
        ]),
        { codes: missingToo },
      ),
    ),
    vector(
      'ENTRY_UNEXPECTED-C11-device',
      'the manifest is a device',
      buildZip([
        eventsEntry(),
        manifestEntry(manifestText, { central: { attributes: (0o020644 << 16) >>> 0 } }),
      ]),
      { codes: missingToo },
    ),
    vector(
      'ENTRY_UNEXPECTED-C11-directory',
      'the manifest is a folder',
      buildZip([
        eventsEntry(),
        manifestEntry(manifestText, { central: { madeBy: 20, attributes: 0x10 } }),
      ]),
      { codes: missingToo },
    ),
    vector('ENTRY_UNEXPECTED-C12-another', 'a fourth entry', other('notes.txt')),
    vector('ENTRY_MISSING-C12-no-manifest', 'an export that failed', buildZip([eventsEntry()])),
    vector('ENTRY_MISSING-C12-no-events', 'a manifest of nothing', buildZip([manifestEntry()])),
    vector('ENTRY_MISSING-C12-nothing', 'an empty zip', buildZip([]), {
      codes: ['ENTRY_MISSING', 'ENTRY_MISSING'],
    }),
    ...(
      [
        ['encrypted', { flags: 0x0801 }],
        ['strongly-encrypted', { flags: 0x0841 }],
        ['masked-headers', { flags: 0x2800 }],
        ['patch-data', { flags: 0x0820 }],
        ['bzip2', { method: 12 }],
        ['lzma', { method: 14 }],
        ['zstd', { method: 93 }],
      ] as const
    ).map(([what, more]) =>
      vector(
        `FORMAT_UNSUPPORTED-C13-${what}`,
        'what this format does not use',
        buildZip([eventsEntry(more), manifestEntry()]),
      ),
    ),
    vector('FORMAT_UNSUPPORTED-C13-multi-disk', 'one part of several', zipOf({ end: [[4, 2, 1]] })),
    vector(
      'FORMAT_UNSUPPORTED-C13-multi-disk-count',
      'some entries are elsewhere',
      zipOf({ end: [[8, 2, 1]] }),
    ),
    vector(
      'FORMAT_UNSUPPORTED-C18-version-needed',
      'a reader of version 6.3',
      buildZip([eventsEntry({ version: 63 }), manifestEntry()]),
    ),
    vector(
      'LIMIT_EXCEEDED-C14-more-than-declared',
      'declared as 10 bytes',
      buildZip([eventsEntry({ local: { size: 10 }, central: { size: 10 } }), manifestEntry()]),
    ),
    vector(
      'LIMIT_EXCEEDED-C15-ratio',
      'said to be 300 times as long as compressed, and beyond a MiB',
      buildZip([
        eventsEntry({ local: { size: 300 * 1024 * 1024 }, central: { size: 300 * 1024 * 1024 } }),
        manifestEntry(),
      ]),
    ),
    vector('LIMIT_EXCEEDED-C15-entry-bytes', 'longer than the caller takes', plain, {
      options: { maxEntryBytes: 100 },
      codes: ['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED'],
    }),
    vector(
      'LIMIT_EXCEEDED-C15-entries',
      'nine entries',
      buildZip([...both, ...Array.from({ length: 7 }, (_, n) => entry(`${n}`, 'x'))]),
    ),
    invalid(
      'C16-deflate-cut',
      'the deflate stream ends early',
      buildZip([eventsEntry({ packed: packed.subarray(0, -9) }), manifestEntry()]),
    ),
    invalid(
      'C16-deflate-trailing',
      'something after the deflate stream',
      buildZip([eventsEntry({ packed: Buffer.concat([packed, Buffer.of(0)]) }), manifestEntry()]),
    ),
    invalid(
      'C16-deflate-twice',
      'two deflate streams',
      buildZip([eventsEntry({ packed: Buffer.concat([packed, packed]) }), manifestEntry()]),
    ),
    invalid(
      'C16-deflate-broken',
      'no deflate stream',
      buildZip([eventsEntry({ packed: Buffer.alloc(40, 0xff) }), manifestEntry()]),
    ),
    invalid(
      'C16-one-byte-less',
      'one byte less than declared, with the CRC of what there is',
      buildZip([
        eventsEntry({ local: { size: events.length + 1 }, central: { size: events.length + 1 } }),
        manifestEntry(),
      ]),
    ),
    invalid(
      'C16-shorter',
      'less than declared',
      buildZip([eventsEntry({ packed: deflateStored(events.subarray(0, 200)) }), manifestEntry()]),
      { codes: ['ARCHIVE_INVALID'] },
    ),
    invalid(
      'C17-crc',
      'the content is right and its CRC is not',
      buildZip([eventsEntry(crcWrong), manifestEntry()]),
    ),
    vector(
      'DIGEST_MISMATCH-C17-crc-twin',
      'other content with the same CRC',
      buildZip([entry('events.jsonl', crcTwin(events, events.indexOf('bbbb'))), manifestEntry()]),
      { codes: ['DIGEST_MISMATCH', 'DIGEST_MISMATCH'] },
    ),
  ];
}

function badManifests(): ArchiveVector[] {
  const invalid = (
    tag: string,
    why: string,
    bytes: Buffer,
    more: Expectation = {},
  ): ArchiveVector => vector(`MANIFEST_INVALID-${tag}`, why, bytes, more);
  const replaced = (from: string, to: string): Buffer => withText(manifestText.replace(from, to));
  const both2 = ['DIGEST_MISMATCH', 'DIGEST_MISMATCH'];
  const [whole] = segmentsOf(events);
  // Told by the header: nothing is inflated to find out.
  const tooLong = { size: 1024 * 1024 + 1 };
  const others = jsonl(event(1), event(2, { id: 'tosk-2' }), event(3));
  return [
    ...(
      [
        ['brace', '{'],
        ['array', '[]'],
        ['null', 'null'],
        ['empty-object', '{}'],
        ['empty', ''],
        ['bom', '\ufeff{}'],
        ['comma', '{"formatVersion":1,}'],
        ['nan', '{"formatVersion":1,"eventCount":NaN}'],
        ['comment', '{"formatVersion":1/**/}'],
        ['two-values', '{"formatVersion":1}{}'],
      ] as const
    ).map(([what, text]) => invalid(`M1-${what}`, 'no JSON object of a manifest', withText(text))),
    invalid(
      'M1-not-utf8',
      'a byte that is no UTF-8',
      withText(
        Buffer.concat([
          Buffer.from(manifestText.slice(0, 80)),
          Buffer.of(0xff),
          Buffer.from(manifestText.slice(80)),
        ]),
      ),
    ),
    invalid(
      'M1-over-a-mib',
      'longer than any manifest',
      buildZip([eventsEntry(), manifestEntry(manifestText, { local: tooLong, central: tooLong })]),
    ),
    invalid(
      'M2-member-twice',
      'JSON.parse would take the last',
      replaced('"eventCount": 3', '"eventCount": 3, "eventCount": 3'),
    ),
    invalid(
      'M2-member-twice-escaped',
      'in another spelling',
      replaced('"eventCount": 3', '"eventCount": 3, "event\\u0043ount": 3'),
    ),
    invalid(
      'M2-member-twice-deep',
      'within a position',
      replaced('"eventId": ', '"eventId": "x", "eventId": '),
    ),
    invalid(
      'M2-proto',
      'a name with a meaning in JavaScript',
      replaced('"apps"', '"__proto__": {}, "apps"'),
    ),
    invalid(
      'M2-constructor',
      'a name with a meaning in JavaScript',
      replaced('"apps"', '"constructor": {}, "apps"'),
    ),
    ...(['0', '2', '"1"', '1.0', '1e0', '9876599'] as const).map((text) =>
      vector(
        `FORMAT_UNSUPPORTED-M3-version-${text.replaceAll('"', 'q')}`,
        'only 1, spelt so, is read',
        replaced('"formatVersion": 1', `"formatVersion": ${text}`),
      ),
    ),
    vector(
      'FORMAT_UNSUPPORTED-M3-more-entries',
      'a later version may name more entries, or others',
      buildZip([
        entry('lines.jsonl', events),
        entry('attachments.bin', 'x'),
        manifestEntry(manifestText.replace('"formatVersion": 1', '"formatVersion": 2')),
      ]),
    ),
    vector(
      'FORMAT_UNSUPPORTED-M3-other-members',
      'a later version may have other rules for members',
      replaced('"formatVersion": 1', '"formatVersion": 2, "constructor": 1, "apps": [1]'),
    ),
    vector(
      'FORMAT_UNSUPPORTED-M3-other-lines',
      'a later version may have other lines',
      buildZip([
        entry('events.jsonl', 'no line of this version'),
        manifestEntry(manifestText.replace('"formatVersion": 1', '"formatVersion": 2')),
      ]),
    ),
    invalid(
      'M3-version-twice',
      'nobody knows which of them holds',
      replaced('"formatVersion": 1', '"formatVersion": 2, "formatVersion": 1'),
    ),
    ...(['-1', '1.5', '9007199254740992', '"7"'] as const).map((text) =>
      invalid(
        `M4-count-${text.replaceAll('"', 'q')}`,
        'no count',
        replaced('"eventCount": 3', `"eventCount": ${text}`),
      ),
    ),
    ...[2, 4].map((eventCount) =>
      vector(
        `COUNT_MISMATCH-M4-count-${eventCount}`,
        'one line more or less',
        withManifest({ eventCount, segments: undefined }),
      ),
    ),
    invalid('M4-segments-count', 'eventCount and segments differ', withManifest({ eventCount: 4 })),
    invalid(
      'M5-upper-case',
      'digits are lower case',
      withManifest({ eventsSha256: sha256(events).toUpperCase() }),
    ),
    invalid(
      'M5-63-digits',
      'one is missing',
      withManifest({ eventsSha256: sha256(events).slice(1) }),
    ),
    invalid(
      'M5-base64',
      'another spelling',
      withManifest({ eventsSha256: Buffer.from(sha256(events), 'hex').toString('base64') }),
    ),
    vector(
      'DIGEST_MISMATCH-M5-of-compressed',
      'the digest of the wrong bytes',
      withManifest({ eventsSha256: sha256(deflateStored(events)) }),
    ),
    vector(
      'DIGEST_MISMATCH-M5-segment',
      "a CRC-32 that is not the segment's",
      withManifest({ segments: [{ ...whole, crc32: '00000000' }] }),
    ),
    vector(
      'DIGEST_MISMATCH-M5-segment-prefix',
      'the CRC-32 of a segment, and not the digest of the events up to its end',
      withManifest({ segments: [{ ...whole, prefixSha256: sha256(plain) }] }),
    ),
    ...[-1, 1].map((more) =>
      vector(
        `DIGEST_MISMATCH-M5-segment-${more < 0 ? 'shorter' : 'longer'}`,
        'the last segment is not as long, and nothing else tells the length',
        withManifest({
          byteCount: undefined,
          segments: [{ ...whole, byteCount: events.length + more }],
        }),
        more < 0 ? { codes: ['MANIFEST_INVALID', 'DIGEST_MISMATCH', 'DIGEST_MISMATCH'] } : {},
      ),
    ),
    vector(
      'DIGEST_MISMATCH-M6-byte-count',
      'another length',
      withManifest({ byteCount: events.length + 1, segments: undefined }),
    ),
    vector(
      'DIGEST_MISMATCH-M6-no-last-line-feed',
      'made for the bytes without the last line feed',
      withManifest({
        byteCount: events.length - 1,
        eventsSha256: sha256(events.subarray(0, -1)),
        segments: undefined,
      }),
      { codes: both2 },
    ),
    invalid('M7-user-empty', 'nobody', withManifest({ userId: '' })),
    vector('TENANCY_MISMATCH-M7-user-other', "somebody else's", plain, {
      options: { userId: 'user-2' },
      intact: true,
    }),
    invalid(
      'M8-range-reversed',
      'the lowest version above the highest',
      withManifest({ schemaVersionMin: 3 }),
    ),
    invalid('M8-range-wider', 'a version that no line has', withManifest({ schemaVersionMax: 3 })),
    invalid('M8-range-narrower', 'a line is outside it', withManifest({ schemaVersionMin: 2 })),
    invalid(
      'M8-range-missing',
      'events have versions',
      withManifest({ schemaVersionMin: undefined }),
    ),
    invalid(
      'M8-apps-unsorted',
      'not in the order of UTF-8 bytes',
      withManifest({ apps: ['todo', 'notes'] }),
    ),
    invalid('M8-apps-repeated', 'an app twice', withManifest({ apps: ['notes', 'todo', 'todo'] })),
    invalid('M8-apps-other', 'not those of the lines', withManifest({ apps: ['notes', 'tasks'] })),
    invalid(
      'M8-position',
      'not the last line',
      withManifest({ lastPosition: { createdAt: '2026-04-14T10:00:04Z', eventId: 'x' } }),
    ),
    invalid(
      'M8-longest-line',
      'longer than any line',
      withManifest({ maxLineBytes: events.length }),
    ),
    invalid(
      'M8-segment-within-a-line',
      'segments consist of whole lines',
      withManifest({
        segments: [
          [2, events.length - 5],
          [1, 5],
        ].map(([lineCount, byteCount = 0], n) => ({
          ...{ lineCount, byteCount },
          crc32: crc32Hex(n === 0 ? events.subarray(0, byteCount) : events.subarray(-byteCount)),
        })),
      }),
    ),
    ...(
      [
        ['no-such-day', '2026-02-30T00:00:00Z'],
        ['no-zone', '2026-04-15T00:00:00'],
        ['empty', ''],
      ] as const
    ).map(([what, createdAt]) => invalid(`M9-${what}`, 'no time', withManifest({ createdAt }))),
    vector(
      'DIGEST_MISMATCH-M10-other-events',
      'the manifest of another archive',
      buildZip([entry('events.jsonl', others), manifestEntry()]),
      { codes: ['DIGEST_MISMATCH', 'DIGEST_MISMATCH'] },
    ),
    invalid('M11-not-the-expected', 'an older archive of the same user', plain, {
      options: { expectArchiveId: '0'.repeat(32) },
      intact: true,
    }),
    invalid(
      'M11-id-of-another',
      'changed after it was written',
      withManifest({ archiveId: '0'.repeat(32) }),
    ),
  ];
}

function badLines(): ArchiveVector[] {
  const line = (
    tag: string,
    why: string,
    content: Buffer,
    more: Expectation & { changes?: object } = {},
  ): ArchiveVector => vector(`LINE_INVALID-${tag}`, why, withEvents(content, more.changes), more);
  const cut = events.subarray(0, -1);
  return [
    line('L1-no-line-feed', 'half a line', cut, {
      changes: { segments: undefined, eventCount: 2 },
    }),
    line(
      'L2-empty-line',
      'nothing is no event',
      Buffer.concat([
        events.subarray(0, events.indexOf('\n') + 1),
        Buffer.from('\n'),
        events.subarray(events.indexOf('\n') + 1),
      ]),
    ),
    line('L2-bom', 'a mark before the first line', Buffer.concat([Buffer.from('\ufeff'), events])),
    line('L4-array', 'a line is an object', Buffer.concat([Buffer.from('[]\n'), events])),
    line(
      'L5-not-utf8',
      'a byte that is no UTF-8',
      Buffer.from(events.toString().replace('task-3', 'task-\xff'), 'latin1'),
    ),
    line(
      'L5-not-utf8-and-others',
      'a line that is not UTF-8 ends where its line feed stands',
      Buffer.concat([Buffer.from('\xff\n\xfe\n', 'latin1'), Buffer.from('x\n'), events]),
      { codes: ['LINE_INVALID', 'LINE_INVALID', 'LINE_INVALID'] },
    ),
    line(
      'L16-no-app',
      'a member is missing',
      jsonl(event(1), event(2), event(3, { appId: undefined })),
    ),
    line(
      'L16-two-lines',
      'damage of one line does not hide another',
      jsonl(event(1, { op: 'upsert' }), event(2), event(3, { table: 7 })),
      { codes: ['LINE_INVALID', 'LINE_INVALID'] },
    ),
    line(
      'L21-offset',
      'times are UTC',
      jsonl(event(1), event(2), event(3, { createdAt: '2026-04-14T12:00:03+02:00' })),
    ),
    vector(
      'LIMIT_EXCEEDED-L7-longer-than-told',
      'a line beyond maxLineBytes',
      withEvents(events, { maxLineBytes: 100 }),
    ),
    vector(
      'ORDER_VIOLATED-L22-earlier',
      'two lines have changed places',
      withEvents(jsonl(event(1), event(3), event(2))),
    ),
    vector(
      'ORDER_VIOLATED-L18-repeated',
      'an event twice',
      withEvents(jsonl(event(1), event(2), event(2), event(3))),
    ),
  ];
}

function badSignatures(): ArchiveVector[] {
  const signature = signed(signedText);
  const of = (
    code: string,
    tag: string,
    why: string,
    bytes: Buffer,
    more: Expectation = {},
  ): ArchiveVector =>
    vector(`${code}-${tag}`, why, bytes, { intact: true, options: maker, ...more });
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const plusOrder = Buffer.from(signature);
  let s = order;
  for (let at = 0; at < 32; at += 1) s += BigInt(signature[32 + at] ?? 0) << BigInt(8 * at);
  for (let at = 0; at < 32; at += 1) plusOrder[32 + at] = Number((s >> BigInt(8 * at)) & 255n);
  const bad = 'SIGNATURE_INVALID';
  // Length, digest, count, and the last position; the segment does not end, so nothing is asked of it.
  const damaged = [
    ...['DIGEST_MISMATCH', 'DIGEST_MISMATCH', 'COUNT_MISMATCH'],
    ...['MANIFEST_INVALID'],
  ];
  return [
    of('SIGNATURE_MISSING', 'S1-removed', 'the policy asks for one', plain),
    of(
      'SIGNATURE_MISSING',
      'S1-removed-unasked',
      'the manifest tells that there was one',
      buildZip([eventsEntry(), manifestEntry(signedText)]),
      { options: {} },
    ),
    of(
      'KEY_UNTRUSTED',
      'S2-another-key',
      'signed by somebody else, who says so',
      (() => {
        const text = textOf(manifestOf(events, { signingKeyId: keyIdOf(keys.other) }));
        return signedZip(text, signed(text, keys.other));
      })(),
    ),
    of(
      bad,
      'S2-another-key-named-as-ours',
      'signed by somebody else, who names the trusted key',
      signedZip(signedText, signed(signedText, keys.other)),
    ),
    of(
      bad,
      'S2-another-key-unnamed',
      'signed by somebody else',
      signedZip(manifestText, signed(manifestText, keys.other)),
    ),
    of(bad, 'S4-plus-order', 'the same signature with S + L', signedZip(signedText, plusOrder)),
    of(
      bad,
      'S4-r-changed',
      'another R',
      signedZip(
        signedText,
        Buffer.concat([Buffer.of((signature[0] ?? 0) ^ 1), signature.subarray(1)]),
      ),
    ),
    of(
      bad,
      'S4-63-bytes',
      'too short, also when nobody asks',
      signedZip(signedText, signature.subarray(1)),
      { options: {} },
    ),
    of(
      bad,
      'S4-65-bytes',
      'too long, also when nobody asks',
      signedZip(signedText, Buffer.concat([signature, Buffer.of(0)])),
      { options: {} },
    ),
    of(
      bad,
      'S4-base64',
      'another spelling',
      signedZip(signedText, Buffer.from(signature.toString('base64'))),
      { options: {} },
    ),
    of(
      bad,
      'S4-100-bytes-and-damage',
      'no signature, which hides nothing of the events',
      buildZip([
        entry('events.jsonl', jsonl(event(1), event(2))),
        manifestEntry(),
        entry('manifest.sig', Buffer.alloc(100), { method: 0 }),
      ]),
      {
        options: {},
        intact: false,
        codes: [bad, ...damaged],
      },
    ),
    of(
      'ARCHIVE_INVALID',
      'S4-crc-and-damage',
      'a signature that cannot be read, which hides nothing of the events',
      buildZip([
        entry('events.jsonl', jsonl(event(1), event(2))),
        manifestEntry(),
        entry('manifest.sig', Buffer.alloc(64), {
          method: 0,
          local: { crc: 1 },
          central: { crc: 1 },
        }),
      ]),
      { options: {}, intact: false, codes: ['ARCHIVE_INVALID', ...damaged] },
    ),
    of(
      bad,
      'S5-another-purpose',
      'a signature of the same text for something else',
      signedZip(signedText, signed(signedText, keys.maker, 'another/v1\n')),
    ),
    of(
      bad,
      'S5-no-prefix',
      'a signature of the bare text',
      signedZip(signedText, signed(signedText, keys.maker, '')),
    ),
    of(
      bad,
      'S6-respelt',
      'the same manifest in other bytes',
      signedZip(JSON.stringify(JSON.parse(signedText)), signature),
    ),
    of(
      bad,
      'M10-manifest-of-another',
      'a manifest under the signature of another',
      (() => {
        const text = textOf(
          manifestOf(events, { userId: 'user-2', signingKeyId: keyIdOf(keys.maker) }),
        );
        return signedZip(text, signature);
      })(),
    ),
  ];
}

/** Every vector, by name. */
export function archiveVectors(): readonly ArchiveVector[] {
  return [
    ...goodArchives(),
    ...badContainers(),
    ...badManifests(),
    ...badLines(),
    ...badSignatures(),
  ];
}
