import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as echarts from 'echarts';
import { sizeWords } from './bars.ts';
import type { Result, Row } from './result.ts';

const COLOURS = { lethe: '#1f5f8b', other: '#b8c4ce', idle: '#5a9e6f' };

type BarOf = { name: string; value: number; colour: string };

/** Horizontal bars with their values, first one on top, as SVG text. Readable on light and dark pages. */
function draw(title: string, unit: string, bars: readonly BarOf[]): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 760, height: 90 + 34 * bars.length });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: { text: title, left: 12, top: 10, textStyle: { fontSize: 15, color: '#22303c' } },
    grid: { left: 12, right: 70, top: 50, bottom: 12, containLabel: true },
    xAxis: { type: 'value', name: unit, splitLine: { lineStyle: { color: '#e6ebef' } } },
    yAxis: {
      type: 'category',
      inverse: true,
      data: bars.map((b) => b.name),
      axisTick: { show: false },
      axisLabel: { color: '#22303c' },
    },
    series: [
      {
        type: 'bar',
        barMaxWidth: 20,
        label: {
          show: true,
          position: 'right',
          color: '#22303c',
          formatter: ({ value }: { value: unknown }) => Number(value).toFixed(Number(value) < 10 ? 2 : 0),
        },
        data: bars.map((b) => ({ value: b.value, itemStyle: { color: b.colour } })),
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const bar =
  (value: (row: Row) => number) =>
  (row: Row): BarOf => ({
    name: row.what,
    value: value(row),
    colour: row.name.startsWith('lethe-') ? COLOURS.lethe : COLOURS.other,
  });

/** Writes `speed.svg` and `latency.svg`: how long the largest judged account takes, and what the application notices. */
export function writeCharts(result: Result, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const sizes = result.contenders.map((row) => row.posts).filter((posts) => posts <= 1_000_000);
  const posts = Math.max(...sizes);
  const rows = result.contenders.filter((row) => row.posts === posts);
  const of = sizeWords(posts);
  writeFileSync(
    join(folder, 'speed.svg'),
    draw(`Erasing an account of ${of} posts: seconds`, 's', rows.map(bar((r) => r.seconds.median))),
  );
  const idle: BarOf = { name: 'nothing else runs', value: result.idle.p99, colour: COLOURS.idle };
  writeFileSync(
    join(folder, 'latency.svg'),
    draw(`The application meanwhile: 99th percentile of its own statements, ms (${of} posts)`, 'ms', [
      idle,
      ...rows.map(bar((r) => r.latency.p99)),
    ]),
  );
}
