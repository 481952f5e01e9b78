// Texts that come again are the same, and what is alike is not taken for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RecentTexts } from '../../../src/postgres/recent-texts.js';

test('bytes give their text, whatever came before', () => {
  const texts = new RecentTexts();
  // Of one length, first and last byte each: they take each other's place.
  const alike = [
    'task-1-a',
    'task-2-a',
    'tääsk-a',
    'ta',
    'tta',
    '',
    'é',
    '😀',
    'x'.repeat(24),
    'x'.repeat(25),
  ];
  for (let round = 0; round < 3; round += 1) {
    for (const text of alike) {
      const bytes = Buffer.from(`<${text}>`);
      assert.equal(texts.textOf(bytes, 1, bytes.length - 1), text);
    }
  }
});

test('a text outlives the bytes that it was made of', () => {
  const texts = new RecentTexts();
  const bytes = Buffer.from('todo');
  assert.equal(texts.textOf(bytes, 0, 4), 'todo');
  bytes.fill('x');
  assert.equal(texts.textOf(bytes, 0, 4), 'xxxx');
  assert.equal(texts.textOf(Buffer.from('todo'), 0, 4), 'todo');
});
