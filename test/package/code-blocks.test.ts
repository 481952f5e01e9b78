// The code in prose that the package test compiles is all the code there is.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { codeBlocks, exampleBlocks } from './code-blocks.js';

describe('codeBlocks', () => {
  test('finds ts and js blocks, and nothing else', () => {
    const markdown = [
      'Text',
      '```ts',
      'one();',
      '```',
      '```sh',
      'npm ci',
      '```',
      '~~~js',
      'two();',
      '~~~',
      '```',
      'three();',
      '```',
    ].join('\n');
    assert.deepEqual(
      codeBlocks(markdown).map(({ language, code }) => [language, code.trim()]),
      [
        ['ts', 'one();'],
        ['js', 'two();'],
      ],
    );
  });

  test('keeps the line numbers of the prose', () => {
    const [block] = codeBlocks('a\nb\n```ts\none();\n```\n');
    assert.deepEqual(block?.code.split('\n'), ['', '', '', 'one();']);
  });

  test('leaves no block out for its info string', () => {
    assert.equal(codeBlocks('```ts ignore title="x"\none();\n```').length, 1);
  });

  test('takes the indent of a list off a block', () => {
    const [block] = codeBlocks('- a\n  ```ts\n  if (a) {\n    b();\n  }\n  ```\n');
    assert.equal(block?.code.trim(), 'if (a) {\n  b();\n}');
  });
});

describe('exampleBlocks', () => {
  test('finds the blocks of a TSDoc comment, at their lines', () => {
    const source = ['/**', ' * @example', ' * ```ts', ' * one();', ' * ```', ' */', 'code();'];
    const [block, ...more] = exampleBlocks(source.join('\n'));
    assert.deepEqual(block, { language: 'ts', code: '\n\n\none();' });
    assert.deepEqual(more, []);
  });

  test('finds nothing in code', () => {
    assert.deepEqual(exampleBlocks('const a = `\n```ts\none();\n```\n`;'), []);
  });
});
