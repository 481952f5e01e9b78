import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineSplitter } from '../../../src/stream/line-splitter.js';

test('a line that lies whole in its chunk is not copied', () => {
  const splitter = new LineSplitter();
  const chunk = Buffer.from('one\ntwo\nthr');
  splitter.feed(chunk);
  const starts: number[] = [];
  while (splitter.next()) {
    assert.equal(splitter.bytes.buffer, chunk.buffer);
    starts.push(splitter.start);
  }
  assert.deepEqual(starts, [0, 4]);
  const rest = Buffer.from('ee\nfour\n');
  splitter.feed(rest);
  assert.ok(splitter.next());
  assert.equal(splitter.bytes.toString('latin1', splitter.start, splitter.end), 'three');
  assert.equal(splitter.lineNumber, 3);
  assert.ok(splitter.next());
  assert.equal(splitter.bytes.buffer, rest.buffer);
  assert.equal(splitter.next(), false);
  splitter.finish();
});

test('the first line that is no UTF-8 is named, however good the lines around it are', () => {
  const splitter = new LineSplitter();
  splitter.feed(Buffer.concat([Buffer.from('a\nä\n'), Buffer.of(0xff, 0x0a), Buffer.from('b\n')]));
  assert.ok(splitter.next());
  assert.ok(splitter.next());
  assert.throws(() => splitter.next(), {
    code: 'BACKUP_LINE_INVALID',
    details: { reason: 'it is not UTF-8', lineNumber: 3 },
  });
});

test('what a long line has carried is not kept for the short ones after it', () => {
  const splitter = new LineSplitter();
  const long = Buffer.alloc(3 * 1024 * 1024, 'x');
  for (const piece of [long, Buffer.from('\nab'), Buffer.from('c\n')]) {
    splitter.feed(piece);
    while (splitter.next()) assert.ok(splitter.end > splitter.start);
  }
  assert.equal(splitter.bytes.toString('latin1', splitter.start, splitter.end), 'abc');
  assert.ok(splitter.bytes.length < 64 * 1024);
});
