// The benchmark's chart: well-formed, to scale, and with nothing left out.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type ChartBar, renderChart } from '../../bench/chart.js';

const BARS: readonly ChartBar[] = [
  { label: 'fast', value: 3, text: '3.0 s', tone: 'accent' },
  { label: 'slow <&> "odd"', value: 12, text: '12.0 s', tone: 'plain' },
  { label: 'nothing', value: 0, text: '0.0 s', tone: 'faint' },
];

/** Throws unless every element is closed in order and no text has a bare `&` or `<` in it. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const rest = xml.replace(
    /<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<&]*(?:&(?:amp|lt|gt|quot);[^"<&]*)*")*)\s*(\/?)>/gi,
    (_, closing: string, name: string, _attributes: string, isEmpty: string) => {
      if (closing === '/') assert.equal(open.pop(), name);
      else if (isEmpty === '') open.push(name);
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!(?:amp|lt|gt|quot);)/);
}

function widths(svg: string): number[] {
  return [...svg.matchAll(/<rect [^>]*\bwidth="([\d.]+)"/g)].map(([, width]) => Number(width));
}

test('a chart is well-formed, whatever its texts hold', () => {
  const svg = renderChart({ title: 'a < b & c', subtitle: '"quoted" > 1', bars: BARS });
  assertWellFormed(svg);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  assert.match(svg, /slow &lt;&amp;&gt; &quot;odd&quot;/);
});

test('bars are to scale and stay in the picture, with their values behind them', () => {
  const svg = renderChart({ title: 't', subtitle: 's', bars: BARS });
  const [fast = NaN, slow = NaN, none = NaN] = widths(svg);
  assert.ok(Math.abs(slow / fast - 4) < 0.01);
  assert.ok(none > 0 && none < 2);
  for (const { text } of BARS) assert.ok(svg.includes(`>${text}</text>`));
  const right = Math.max(...[...svg.matchAll(/\bx="([\d.]+)"/g)].map(([, x]) => Number(x)));
  assert.ok(right < Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1]));
});

test('the picture grows with its bars, and needs none', () => {
  const heightOf = (bars: readonly ChartBar[]): number =>
    Number(/ height="(\d+)"/.exec(renderChart({ title: 't', subtitle: 's', bars }))?.[1]);
  assert.ok(heightOf(BARS) > heightOf(BARS.slice(1)));
  assertWellFormed(renderChart({ title: 't', subtitle: 's', bars: [] }));
});
