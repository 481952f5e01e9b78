// The slab that lines are written into: what was taken stays as it is until it is given back, and growing
// stays cheap.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineBytes } from '../../../src/stream/line-bytes.js';

function write(output: LineBytes, text: string, room = text.length): void {
  output.reserve(room);
  output.end += output.bytes.write(text, output.end, 'latin1');
}

test('what was written is taken once, in order', () => {
  const output = new LineBytes();
  assert.equal(output.length, 0);
  assert.equal(output.take().length, 0);
  write(output, 'one', 1000);
  write(output, 'two');
  assert.equal(output.length, 6);
  assert.equal(Buffer.from(output.take()).toString(), 'onetwo');
  assert.equal(output.length, 0);
  write(output, 'three');
  assert.equal(Buffer.from(output.take()).toString(), 'three');
  assert.equal(output.take().length, 0);
});

test('what was taken never changes, through any number of slabs', () => {
  const output = new LineBytes();
  const pieces: { taken: Uint8Array; copy: Buffer }[] = [];
  for (let index = 0; index < 400; index += 1) {
    write(output, String(index).repeat(1 + ((index * 37) % 2000)), 20_000);
    if (index % 3 === 0) {
      const taken = output.take();
      pieces.push({ taken, copy: Buffer.from(taken) });
    }
  }
  for (const { taken, copy } of pieces) assert.ok(copy.equals(taken));
});

test('what waits stays in one piece when the slab is full', () => {
  const output = new LineBytes();
  let expected = '';
  for (let index = 0; index < 1000; index += 1) {
    const text = `${index},`.repeat(100);
    write(output, text);
    expected += text;
  }
  assert.ok(Buffer.from(expected).equals(output.take()));
});

test('what waits for long is not copied for each line', () => {
  const output = new LineBytes();
  const line = 'x'.repeat(500);
  let slabs = 0;
  let { bytes } = output;
  for (let index = 1; index <= 20_000; index += 1) {
    write(output, line, 1000);
    if (output.bytes !== bytes) slabs += 1;
    bytes = output.bytes;
    assert.ok(slabs < 15, `${slabs} slabs for ${index * 500} bytes`);
  }
  assert.equal(output.length, 10_000_000);
});

test('a reserve that fits keeps the slab', () => {
  const output = new LineBytes();
  output.reserve(1);
  const { bytes } = output;
  output.reserve(bytes.length);
  assert.equal(output.bytes, bytes);
  output.reserve(bytes.length + 1);
  assert.notEqual(output.bytes, bytes);
  assert.ok(output.bytes.length > bytes.length);
});

test('words and bytes are written into the same memory, from the first one on', () => {
  const output = new LineBytes();
  for (const byteCount of [1, 300_000, 1]) {
    output.reserve(byteCount);
    output.view.setUint8(output.end, 0x61);
    assert.equal(output.bytes[output.end], 0x61);
    output.end += byteCount;
    const taken = output.take();
    assert.equal(taken.length, byteCount);
    assert.equal(taken[0], 0x61);
  }
});

test("a fat line's memory is let go of when it is taken", () => {
  const output = new LineBytes();
  write(output, 'x'.repeat(300_000));
  const taken = output.take();
  assert.notEqual(output.bytes.buffer, taken.buffer);
  assert.notEqual(output.view.buffer, taken.buffer);
});

const slab = 'x'.repeat(256 * 1024);

test('memory that was given back in whole is written again', () => {
  const output = new LineBytes();
  const memories = new Set<ArrayBufferLike>();
  for (let index = 0; index < 40; index += 1) {
    write(output, slab.slice(index));
    const taken = output.take();
    memories.add(taken.buffer);
    output.giveBack(taken);
  }
  assert.equal(memories.size, 2);
});

test('memory is not written again while a piece of it is out, or while it is written', () => {
  const output = new LineBytes();
  const pieces = ['first', 'second', 'third'].map((text) => {
    write(output, text, 1000);
    return output.take();
  });
  const [first, second, third] = pieces as [Uint8Array, Uint8Array, Uint8Array];
  const next = (): ArrayBufferLike => {
    write(output, slab);
    return output.take().buffer;
  };
  output.giveBack(first);
  assert.notEqual(next(), first.buffer);
  output.giveBack(second);
  assert.notEqual(next(), first.buffer);
  assert.equal(Buffer.from(third).toString(), 'third');
  output.giveBack(third);
  assert.equal(next(), first.buffer);
  assert.notEqual(next(), first.buffer);
});

test('a piece of one byte is out like any other', () => {
  const output = new LineBytes();
  const [short, long] = ['1', slab.slice(1)].map((text) => {
    write(output, text);
    return output.take();
  }) as [Uint8Array, Uint8Array];
  assert.equal(short.buffer, long.buffer);
  output.giveBack(long);
  for (let index = 0; index < 2; index += 1) {
    write(output, slab);
    assert.notEqual(output.take().buffer, short.buffer);
  }
  output.giveBack(short);
  write(output, slab);
  assert.equal(output.take().buffer, short.buffer);
});

test('taking nothing lends nothing', () => {
  const output = new LineBytes();
  output.take();
  for (let index = 0; index < 4; index += 1) {
    write(output, slab);
    assert.equal(output.take().length, slab.length);
    output.take();
  }
});

test('a fat line has its room, whatever was given back', () => {
  const output = new LineBytes();
  write(output, slab);
  const taken = output.take();
  write(output, 'next');
  output.giveBack(taken);
  output.reserve(slab.length);
  assert.ok(output.bytes.length - output.end >= slab.length);
  assert.equal(Buffer.from(output.take()).toString(), 'next');
});

test('what others give back, and what is as long as a fat line, is not written into', () => {
  const output = new LineBytes();
  const foreign = Buffer.from(slab);
  output.giveBack(foreign);
  write(output, slab + slab);
  const fat = output.take();
  output.giveBack(fat);
  for (let index = 0; index < 3; index += 1) {
    write(output, slab);
    assert.ok(output.bytes.buffer !== foreign.buffer && output.bytes.buffer !== fat.buffer);
    output.take();
  }
});
