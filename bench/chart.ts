// A bar chart as SVG. Transparent, in tones that can be read on light and on dark pages alike: a page's own
// theme is nothing that an image could ask for.

/** One bar. */
export interface ChartBar {
  readonly label: string;
  /** Not negative. */
  readonly value: number;
  /** What is written behind the bar. */
  readonly text: string;
  readonly tone: 'accent' | 'plain' | 'faint';
}

/** What the chart shows. */
export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly bars: readonly ChartBar[];
}

const WIDTH = 900;
const LABEL_WIDTH = 390;
const TEXT_WIDTH = 90;
const BAR_HEIGHT = 22;
const ROW_HEIGHT = 34;
const TOP = 66;
const TONES = { accent: '#2f81d7', plain: '#8b949e', faint: '#5f9e6e' } as const;
const INK = '#7d8590';

/** The chart as the text of an SVG file. */
export function renderChart(chart: Chart): string {
  const { title, subtitle, bars } = chart;
  const height = TOP + bars.length * ROW_HEIGHT + 4;
  const longest = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const perUnit = (WIDTH - LABEL_WIDTH - TEXT_WIDTH) / longest;
  const description = bars.map(({ label, text }) => `${label}: ${text}`).join('; ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="14">
  <title>${escapeXml(title)}</title>
  <desc>${escapeXml(description)}</desc>
  <text x="0" y="20" fill="${INK}" font-size="17" font-weight="600">${escapeXml(title)}</text>
  <text x="0" y="42" fill="${INK}" font-size="13">${escapeXml(subtitle)}</text>
${bars.map((bar, index) => renderBar(bar, index, perUnit)).join('\n')}
</svg>
`;
}

function renderBar({ label, value, text, tone }: ChartBar, index: number, perUnit: number): string {
  const y = TOP + index * ROW_HEIGHT;
  const baseline = y + BAR_HEIGHT / 2 + 5;
  const width = Math.max(value * perUnit, 1);
  const weight = tone === 'accent' ? ' font-weight="600"' : '';
  return `  <text x="${LABEL_WIDTH - 10}" y="${baseline}" fill="${INK}" text-anchor="end"${weight}>${escapeXml(label)}</text>
  <rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${TONES[tone]}"/>
  <text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${baseline}" fill="${INK}"${weight}>${escapeXml(text)}</text>`;
}

function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}
