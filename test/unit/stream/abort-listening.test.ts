// One listener on a host's signal for however many listen, and none once nobody does.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';

import { listenForAbort } from '../../../src/stream/abort-listening.js';

function listenersOn(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

test('all who listen are told once, in their order, over one listener', () => {
  const controller = new AbortController();
  const told: number[] = [];
  for (let index = 1; index <= 20; index += 1) {
    listenForAbort(controller.signal, () => told.push(index));
  }
  assert.equal(listenersOn(controller.signal), 1);
  controller.abort();
  assert.deepEqual(
    told,
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.equal(listenersOn(controller.signal), 0);
});

test('who has stopped is not told, and the last one who stops takes the listener away', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const told: string[] = [];
  const stopFirst = listenForAbort(signal, () => told.push('first'));
  const stopSecond = listenForAbort(signal, () => told.push('second'));
  stopFirst();
  stopFirst();
  assert.equal(listenersOn(signal), 1);
  stopSecond();
  assert.equal(listenersOn(signal), 0);
  const stopThird = listenForAbort(signal, () => told.push('third'));
  // Those of an earlier hearing have no say in a later one.
  stopFirst();
  stopSecond();
  assert.equal(listenersOn(signal), 1);
  controller.abort();
  stopThird();
  assert.deepEqual(told, ['third']);
});

test('who is stopped by another who is told is not told any more', () => {
  const controller = new AbortController();
  const told: string[] = [];
  listenForAbort(controller.signal, () => {
    told.push('first');
    stopSecond();
  });
  const stopSecond = listenForAbort(controller.signal, () => told.push('second'));
  controller.abort();
  assert.deepEqual(told, ['first']);
});

test('two signals have nothing to do with each other', () => {
  const one = new AbortController();
  const other = new AbortController();
  const told: string[] = [];
  listenForAbort(one.signal, () => told.push('one'));
  listenForAbort(other.signal, () => told.push('other'));
  one.abort();
  assert.deepEqual(told, ['one']);
  assert.equal(listenersOn(other.signal), 1);
});

test('without a signal, and after its abort, nobody is told and nothing is left', () => {
  const signal = AbortSignal.abort();
  const stop = listenForAbort(signal, () => assert.fail('it was aborted before'));
  assert.equal(listenersOn(signal), 0);
  stop();
  listenForAbort(undefined, () => assert.fail('there is no signal'))();
});
