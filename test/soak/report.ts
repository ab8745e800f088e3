import type { Caused } from './faults.ts';
import { type Sample, type Series, seriesOf } from './series.ts';
import { judge, type Trend } from './trend.ts';

export type Row = { name: string; unit: string; from: number; to: number; tolerated: number; growing: boolean };

/** What `--json` writes. */
export type Result = {
  commit: string;
  machine: Record<string, string | number>;
  minutes: number;
  /** Seconds that are not judged. */
  warmUp: number;
  erasures: number;
  rows: number;
  /** Requests that were sent again because of a fault. */
  repeats: number;
  lives: Record<string, number>;
  faults: Record<string, number>;
  trends: Row[];
  /** Why the run failed; empty when it did not. */
  failures: string[];
  caused: Caused[];
  samples: Sample[];
};

const toleratedOf = ({ tolerance }: Series, trend: Trend) =>
  Math.max(tolerance.absolute, tolerance.share * Math.abs(trend.from));

/** The lines through the series after the warm-up, and what grows. */
export function trendsOf(samples: readonly Sample[], warmUp: number): { trends: Row[]; growing: string[] } {
  const trends = seriesOf(samples, warmUp).flatMap((series): Row[] => {
    const trend = judge(series.judged, series.tolerance);
    return trend ? [{ ...trend, name: series.name, unit: series.unit, tolerated: toleratedOf(series, trend) }] : [];
  });
  const growing = trends
    .filter((row) => row.growing)
    .map(({ name, unit, from, to }) => `${name} grows: ${fixed(from)} to ${fixed(to)} ${unit}`);
  return { trends, growing };
}

const fixed = (n: number) => n.toLocaleString('en-US', { maximumFractionDigits: Math.abs(n) < 10 ? 2 : 0 });

/** The result as text: what was done, and a line for each series. */
export function render(result: Result): string {
  const { minutes, erasures, rows, repeats, lives, faults, trends, failures } = result;
  const head = ['series', 'unit', 'from', 'to', 'tolerated', ''];
  const cells = trends.map((t) => [
    t.name,
    t.unit,
    fixed(t.from),
    fixed(t.to),
    `+${fixed(t.tolerated)}`,
    t.growing ? 'GROWING' : 'flat',
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => (row[i] as string).length)));
  const line = (row: string[]) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join('  ');
  return [
    `commit ${result.commit}, ${Object.entries(result.machine)
      .map(([k, v]) => `${k} ${v}`)
      .join(', ')}`,
    `${fixed(minutes)} minutes, ${fixed(erasures)} erasures, ${rows.toLocaleString('en-US')} rows; ${fixed(repeats)} requests were sent again`,
    `starts: ${Object.entries(lives)
      .map(([name, n]) => `${name} ${n}`)
      .join(', ')}`,
    `faults: ${Object.entries(faults)
      .map(([name, n]) => `${n} × ${name}`)
      .join(', ')}`,
    '',
    [head, ...cells].map((row) => line(row).trimEnd()).join('\n'),
    '',
    failures.length === 0 ? 'nothing grows; every erasure is complete, counted exactly and confirmed once' : 'FAILED',
    ...failures,
  ].join('\n');
}
