// What a COPY tells its listener, out of the messages that pg hands to a submittable.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';

import type { PgConnection } from '../../../src/postgres/client.js';
import { CopyQuery } from '../../../src/postgres/copy-query.js';

function listened(): { readonly copy: CopyQuery; readonly told: unknown[][] } {
  const told: unknown[][] = [];
  const copy = new CopyQuery('COPY x', 1234, {
    onSubmit: (connection) => told.push(['submit', connection]),
    onData: (chunk) => told.push(['data', chunk]),
    onEnd: (rowCount) => told.push(['end', rowCount]),
    onError: (error) => told.push(['error', error]),
  });
  return { copy, told };
}

test('a submit tells of the connection first, and sends the text once', () => {
  const { copy, told } = listened();
  const stream = Object.assign(new EventEmitter(), { pause() {}, resume() {}, destroy() {} });
  const sent: string[] = [];
  const connection: PgConnection = {
    stream,
    query: (text) => {
      assert.equal(told.length, 1);
      sent.push(text);
    },
  };
  copy.submit(connection);
  assert.deepEqual(sent, ['COPY x']);
  assert.deepEqual(told, [['submit', connection]]);
});

test('data is handed on as it is, not copied', () => {
  const { copy, told } = listened();
  const chunk = Buffer.from('abc');
  copy.handleCopyData({ chunk });
  assert.equal(told[0]?.[1], chunk);
});

test('the end comes with the count of the command, once the server waits for the next', () => {
  for (const [text, rowCount] of [
    ['COPY 0', 0],
    ['COPY 17', 17],
    ['COPY 9007199254740991', Number.MAX_SAFE_INTEGER],
    ['COPY', NaN],
    ['COPY ', NaN],
    ['COPY -1', NaN],
    ['COPY 1x', NaN],
    ['SELECT 17', NaN],
    ['', NaN],
  ] as const) {
    const { copy, told } = listened();
    copy.handleCommandComplete({ text });
    assert.deepEqual(told, []);
    copy.handleReadyForQuery();
    assert.deepEqual(told, [['end', rowCount]]);
  }
});

test('an end without a completed command has no count', () => {
  const { copy, told } = listened();
  copy.handleReadyForQuery();
  assert.deepEqual(told, [['end', NaN]]);
});

test('errors are passed on as they are', () => {
  const { copy, told } = listened();
  const error = new Error('on purpose');
  copy.handleError(error);
  assert.equal(told[0]?.[1], error);
});

test('it brings a time limit of its own, and dismiss clears the timer that pg has set', () => {
  const { copy } = listened();
  assert.equal(copy.query_timeout, 1234);
  copy.dismiss();
  let cleared = 0;
  copy.callback = () => (cleared += 1);
  copy.dismiss();
  assert.equal(cleared, 1);
});
