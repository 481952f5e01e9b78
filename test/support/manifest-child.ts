// Verifies archives whose manifests are as long as they may be and hold as much as fits, in a process of its own,
// which can be given little memory. Answers with the problems of each, as JSON on stdout.
import { createHash } from 'node:crypto';

import { verifyArchive } from '../../src/archive/index.js';
import { buildZip } from './zip-parts.js';

const ROOM = 1024 * 1024 - 1_000;
const nothing = Buffer.alloc(0);
const ordinary: Readonly<Record<string, string>> = {
  ...{ formatVersion: '1', schemaVersion: '1', userId: '"user-1"', eventCount: '0' },
  ...{ createdAt: '"2026-04-15T00:00:00Z"', apps: '[]', producedBy: '"test"' },
  eventsSha256: `"${createHash('sha256').digest('hex')}"`,
};

function list(element: (n: number) => string): string {
  const count = Math.floor(ROOM / (element(0).length + 1));
  return `[${Array.from({ length: count }, (_, n) => element(n)).join(',')}]`;
}

const digits = (n: number): string => String(n).padStart(6, '0');
const members = list((n) => `"${digits(n)}":1`).slice(1, -1);
const nested = '['.repeat(ROOM / 2) + ']'.repeat(ROOM / 2);
const segment = `{"lineCount":1,"byteCount":1,"crc32":"${'0'.repeat(8)}","prefixSha256":"${'0'.repeat(64)}"}`;

const shapes: readonly (readonly [member: string, value: string])[] = [
  ['segments', list(() => '{}')],
  ['segments', list(() => '1')],
  ['segments', list(() => segment)],
  ['segments', `[{${members}}]`],
  ['segments', nested],
  ['apps', list(() => '1')],
  ['apps', list(() => '{}')],
  ['apps', list((n) => `"${digits(n)}"`)],
  ['apps', nested],
  ['firstPosition', `{${members}}`],
  ['firstPosition', nested],
  ['userId', `{${members}}`],
  ['userId', nested],
  ['unknown', `{${members}}`],
  ['unknown', nested],
  ['unknown', `1,${members}`],
];

const answers: unknown[] = [];
for (const [member, value] of shapes) {
  const texts = Object.entries({ ...ordinary, [member]: value });
  const content = Buffer.from(`{${texts.map(([name, text]) => `"${name}":${text}`).join(',')}}`);
  const { problems } = await verifyArchive(
    buildZip([
      { name: 'events.jsonl', content: nothing },
      { name: 'manifest.json', content },
    ]),
  );
  answers.push([member, content.length, problems.map(({ code, member: at }) => [code, at])]);
}
process.stdout.write(JSON.stringify(answers));
