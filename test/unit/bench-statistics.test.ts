// The benchmark's arithmetic: medians, and whose turn it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rotated, spreadOf } from '../../bench/statistics.js';

test('the median of an odd number of values is the middle one, whatever their order', () => {
  assert.deepEqual(spreadOf([30, 1, 2]), { median: 2, min: 1, max: 30, count: 3 });
  assert.deepEqual(spreadOf([7]), { median: 7, min: 7, max: 7, count: 1 });
});

test('the median of an even number of values is the mean of the middle two', () => {
  assert.deepEqual(spreadOf([4, 1, 100, 2]), { median: 3, min: 1, max: 100, count: 4 });
});

test('values are compared as numbers and left as they are', () => {
  const values = [10, 9, 2];
  assert.equal(spreadOf(values).median, 9);
  assert.deepEqual(values, [10, 9, 2]);
});

test('no values, and values that are none, have no median', () => {
  assert.throws(() => spreadOf([]), RangeError);
  assert.throws(() => spreadOf([1, NaN]), RangeError);
  assert.throws(() => spreadOf([1, Infinity]), RangeError);
});

test('each round begins with another item and has all of them', () => {
  assert.deepEqual(rotated(['a', 'b', 'c'], 0), ['a', 'b', 'c']);
  assert.deepEqual(rotated(['a', 'b', 'c'], 2), ['c', 'a', 'b']);
  assert.deepEqual(rotated(['a', 'b', 'c'], 4), ['b', 'c', 'a']);
  assert.deepEqual(rotated([], 3), []);
});
