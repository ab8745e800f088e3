import { writeFileSync } from 'node:fs';
import * as echarts from 'echarts';
import type { Result } from './report.ts';
import { type Series, seriesOf } from './series.ts';

type Panel = { title: string; unit: string; shows: (series: Series) => boolean };

const PANELS: readonly Panel[] = [
  { title: 'Resident memory', unit: 'MiB', shows: (s) => s.name.endsWith(' memory') && s.name !== 'Redis memory' },
  { title: 'Open files', unit: '', shows: (s) => s.name.endsWith(' files') },
  { title: 'Sessions in Postgres, clients of Redis', unit: '', shows: (s) => /sessions$|^Redis clients$/.test(s.name) },
  { title: 'Redis memory', unit: 'MiB', shows: (s) => s.name === 'Redis memory' },
  { title: 'Redis keys without those of ended jobs', unit: '', shows: (s) => s.name.startsWith('Redis keys') },
  { title: 'Open erasures and jobs', unit: '', shows: (s) => /^(jobs|erasures) that/.test(s.name) },
  { title: 'Size of a table per erasure', unit: 'KiB', shows: (s) => s.unit === 'KiB/erasure' },
  { title: 'Dead rows of all rows', unit: '', shows: (s) => s.name === 'dead rows' },
];
const COLUMNS = 2;
const WIDTH = 1000;
const HEIGHT = 230;
const COLOURS = ['#1f5f8b', '#d9822b', '#5a9e6f', '#8e5ea2', '#b8475a', '#7a8794', '#2aa5a0'];

/** Small charts of all that is watched, the warm-up shaded, as SVG text. Readable on light and dark pages. */
export function drawSoak(result: Pick<Result, 'samples' | 'warmUp' | 'minutes' | 'erasures' | 'faults'>): string {
  const all = seriesOf(result.samples, result.warmUp);
  const faults = Object.values(result.faults).reduce((sum, n) => sum + n, 0);
  const rows = Math.ceil(PANELS.length / COLUMNS);
  const place = (i: number) => ({
    left: 60 + (i % COLUMNS) * (WIDTH / COLUMNS),
    top: 100 + Math.floor(i / COLUMNS) * HEIGHT,
    width: WIDTH / COLUMNS - 90,
    height: HEIGHT - 90,
  });
  const lines = PANELS.flatMap((panel, i) =>
    all.filter(panel.shows).map((series, n) => ({
      type: 'line' as const,
      name: series.name,
      xAxisIndex: i,
      yAxisIndex: i,
      showSymbol: false,
      lineStyle: { width: 1.4 },
      color: COLOURS[n % COLOURS.length] as string,
      // A table's first pages, shared by the first few erasures, would hide all that follows.
      data: (series.unit === 'KiB/erasure' ? series.judged : series.points).map((p) => [p.at / 60, p.value]),
      ...(n === 0
        ? {
            markArea: {
              silent: true,
              itemStyle: { color: '#eef2f5' },
              data: [[{ xAxis: 0 }, { xAxis: result.warmUp / 60 }]] as [{ xAxis: number }, { xAxis: number }][],
            },
          }
        : {}),
    })),
  );
  const text = (words: string, left: number, top: number, size: number) => ({
    text: words,
    left,
    top,
    textStyle: { fontSize: size, color: '#22303c' },
  });
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: 60 + rows * HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'system-ui, sans-serif' },
    title: [
      text(
        `${result.minutes} minutes, ${result.erasures} erasures, ${faults} faults (x: minutes; shaded: warm-up)`,
        12,
        10,
        16,
      ),
      ...PANELS.map(({ title, unit }, i) =>
        text(unit ? `${title}, ${unit}` : title, place(i).left - 48, place(i).top - 46, 13),
      ),
    ],
    legend: PANELS.map((panel, i) => {
      const shown = all.filter(panel.shows);
      return {
        show: shown.length > 1,
        data: shown.map((s) => s.name),
        left: place(i).left - 50,
        top: place(i).top - 24,
        itemWidth: 12,
        itemHeight: 6,
        itemGap: 14,
        textStyle: { fontSize: 10 },
        formatter: (name: string) => name.replace(/ (memory|files|size|sessions)$/, ''),
      };
    }),
    grid: PANELS.map((_, i) => place(i)),
    xAxis: PANELS.map((_, i) => ({ type: 'value', gridIndex: i, max: Math.ceil(result.minutes) })),
    yAxis: PANELS.map((_, i) => ({
      type: 'value',
      gridIndex: i,
      min: 0,
      splitLine: { lineStyle: { color: '#e6ebef' } },
    })),
    series: lines,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Writes the chart of a run. */
export const writeChart = (result: Result, file: string): void => writeFileSync(file, drawSoak(result));
