import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, sizeWords } from '../../bench/bars.ts';
import { CONTENDERS } from '../../bench/contenders.ts';
import { readSettings } from '../../bench/database.ts';
import { planOf } from '../../bench/plan.ts';
import { during } from '../../bench/probing.ts';
import { render } from '../../bench/report.ts';
import type { Extras, Result, Row } from '../../bench/result.ts';
import { latencyOf, median, percentile, spread } from '../../bench/statistics.ts';

const numbers = fc.array(fc.double({ noNaN: true, min: 0, max: 1e6 }), { minLength: 1 });

describe('statistics', () => {
  it('half of the values are on either side of the median', () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const middle = median(values);
        const half = values.length / 2;
        expect(values.filter((v) => v <= middle).length).toBeGreaterThanOrEqual(half);
        expect(values.filter((v) => v >= middle).length).toBeGreaterThanOrEqual(half);
      }),
    );
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('a percentile is a value that was measured and that its share does not exceed', () => {
    fc.assert(
      fc.property(numbers, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, share) => {
        const p = percentile(values, share);
        expect(values).toContain(p);
        expect(values.filter((v) => v <= p).length).toBeGreaterThanOrEqual(share * values.length - 1e-6);
      }),
    );
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect(latencyOf(hundred)).toEqual({ p50: 50, p95: 95, p99: 99, max: 100, n: 100 });
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, n: 3 });
  });

  it('only what was due while the contender ran counts', () => {
    const samples = [1, 2, 3, 4].map((at) => ({ at, ms: 10 * at }));
    expect(during(samples, 2, 3)).toEqual([20, 30]);
  });
});

const flat = (ms: number) => ({ p50: ms, p95: ms, p99: ms, max: ms, n: 1000 });
const row = (name: string, posts: number, seconds: number, more: Partial<Row> = {}): Row => ({
  name,
  what: name,
  scope: 'account',
  posts,
  rows: posts,
  seconds: spread([seconds]),
  rowsPerSecond: posts / seconds,
  microsecondsPerRow: (1e6 * seconds) / posts,
  latency: flat(10),
  walMegabytes: 1,
  workerMemory: null,
  redisMemory: null,
  postsSeconds: null,
  ...more,
});
const M = 1_000_000;
/** A run in which each bar holds exactly at its limit. */
const contenders = [
  row('cascade', M, 10),
  row('single', M, 5),
  row('lethe-full-1', 100_000, 0.85, { workerMemory: 150, redisMemory: 2 }),
  row('lethe-full-1', M, 8.5, { postsSeconds: 4.75, workerMemory: 150, redisMemory: 16 }),
  row('lethe-full-1', 10 * M, 93.5, { workerMemory: 166, redisMemory: 3 }),
  row('lethe-full-2', M, 8.5 / 0.95),
  row('lethe-balanced-1', M, 15, { latency: flat(4) }),
];
const extras: Extras = {
  immediate: { requestMs: 20, bareMs: 10 },
  statusReads: { status: 500, spread: 200, bare: 1000 },
  crowd: { rowsPerSecond: 0.8 * (M / 8.5), seconds: 1, accounts: 2000, accept: { ...flat(5), refused: 0 } },
  beside: { aloneSeconds: 0.1, besideSeconds: 0.3, largePosts: 10 * M },
  partners: {
    calls: { callsPerSecond: 400, barePerSecond: 1000 },
    hanging: { alonePerSecond: 100, besidePerSecond: 95 },
    recovery: { tasks: 1_000, perSecond: 50, seconds: 54 },
    three: { erasures: 300, perSecond: 10 },
  },
  watching: {
    dataset: [
      { rows: M, seconds: 16, memory: 200 },
      { rows: 10 * M, seconds: 176, memory: 400 },
    ],
    canary: { rows: 5, allRows: 1_000, calls: 1, allCalls: 200, erasures: 100 },
    scrapes: { scrapes: 100, messages: 0 },
    sabotage: [{ name: 'a trigger', seconds: 120, limit: 120 }],
  },
};
const run = { commit: 'abc', machine: { cores: 2 }, idle: flat(1), contenders, extras };
const NAMES = 24;
const watched = extras.watching as NonNullable<Extras['watching']>;

describe('the bars', () => {
  it('hold at their limits, each of them', () => {
    const bars = judge(run);
    expect(bars.filter((bar) => !bar.holds)).toEqual([]);
    expect(bars.length).toBe(NAMES);
    expect(new Set(bars.map((bar) => bar.name)).size).toBe(NAMES);
  });

  it.each<[string, Partial<typeof run>]>([
    [
      'whole erasure of 1 M at full pace',
      { contenders: contenders.map((r) => (r.name === 'cascade' ? row('cascade', M, 9.9) : r)) },
    ],
    ['posts stage', { contenders: contenders.map((r) => (r.name === 'single' ? row('single', M, 4.9) : r)) }],
    ['probe p99 at default pace / idle', { idle: flat(0.9) }],
    ['cost per row, 10 M', { contenders: contenders.map((r) => (r.posts === 10 * M ? row(r.name, r.posts, 94) : r)) }],
    ['worker memory', { contenders: contenders.map((r) => (r.posts === 10 * M ? { ...r, workerMemory: 167 } : r)) }],
    [
      'peak memory of Redis',
      { contenders: contenders.map((r) => (r.redisMemory === 16 ? { ...r, redisMemory: 17 } : r)) },
    ],
    ['500 posts', { extras: { ...extras, immediate: { requestMs: 21, bareMs: 10 } } }],
    [
      '2,000 posts while 10 M',
      { extras: { ...extras, beside: { aloneSeconds: 0.1, besideSeconds: 0.31, largePosts: 10 * M } } },
    ],
    [
      'rows/s of 2,000 accounts',
      { extras: { ...extras, crowd: { ...(extras.crowd as NonNullable<Extras['crowd']>), rowsPerSecond: 1 } } },
    ],
    [
      'partner calls, ledger committed',
      { extras: { ...extras, partners: { calls: { callsPerSecond: 399, barePerSecond: 1000 } } } },
    ],
    [
      'partner calls beside one that hangs',
      { extras: { ...extras, partners: { hanging: { alonePerSecond: 100, besidePerSecond: 94 } } } },
    ],
    [
      "1,000 waiting tasks after the partner's recovery",
      { extras: { ...extras, partners: { recovery: { tasks: 1_000, perSecond: 50, seconds: 55 } } } },
    ],
    [
      'a day of 10 M erasures as a dataset (s)',
      { extras: { watching: { dataset: [{ rows: 10 * M, seconds: 181, memory: 1 }] } } },
    ],
    ['its memory', { extras: { watching: { dataset: [{ rows: 10 * M, seconds: 1, memory: 401 }] } } }],
    [
      'a day of 10 M erasures / 1 M',
      {
        extras: {
          watching: {
            dataset: [
              { rows: M, seconds: 10, memory: 1 },
              { rows: 10 * M, seconds: 111, memory: 1 },
            ],
          },
        },
      },
    ],
    [
      'rows of test data',
      { extras: { watching: { canary: { rows: 6, allRows: 1_000, calls: 0, allCalls: 1, erasures: 1 } } } },
    ],
    [
      'calls of test data',
      { extras: { watching: { canary: { rows: 0, allRows: 1, calls: 2, allCalls: 200, erasures: 1 } } } },
    ],
    [
      'messages to Postgres for 100 scrapes',
      { extras: { watching: { ...watched, scrapes: { scrapes: 100, messages: 1 } } } },
    ],
    [
      'reported: a trigger',
      { extras: { watching: { ...watched, sabotage: [{ name: 'a trigger', seconds: 121, limit: 120 }] } } },
    ],
    ['status reads', { extras: { ...extras, statusReads: { status: 499, spread: 200, bare: 1000 } } }],
    [
      'two worker processes',
      { contenders: contenders.map((r) => (r.name === 'lethe-full-2' ? row(r.name, M, 9) : r)) },
    ],
  ])('%s is missed beyond its limit', (name, change) => {
    const missed = judge({ ...run, ...change }).filter((bar) => !bar.holds);
    expect(missed.map((bar) => bar.name).join()).toContain(name);
  });

  it('that were not measured are left out, not held', () => {
    expect(judge({ ...run, contenders: [], extras: {} })).toEqual([]);
    const quick = judge({ ...run, contenders: contenders.filter((r) => r.posts === 100_000), extras: {} });
    expect(quick.map((bar) => bar.name)).toEqual(['peak memory of Redis at any size (MiB)']);
  });

  it('are shown with each contender and what missed', () => {
    const result: Result = { ...run, bars: judge({ ...run, idle: flat(0.9) }), failed: [] };
    const text = render(result);
    for (const { name } of contenders) expect(text).toContain(name);
    expect(text).toMatch(/MISSED probe p99 at default pace \/ idle, 1 M +4\.44 +limit 4\.00/);
    expect(text.match(/^holds /gm)?.length).toBe(NAMES - 1);
  });
});

describe('a run', () => {
  it('is what was asked for: three sizes, one when it must be quick', () => {
    expect(planOf({ quick: false, large: true })).toMatchObject({
      sizes: [10_000, 100_000, M],
      repeats: 3,
      crowd: 2000,
      large: true,
    });
    expect(planOf({ quick: true, large: false })).toMatchObject({ sizes: [100_000], repeats: 2 });
    expect([sizeWords(10_000), sizeWords(10 * M)]).toEqual(['10 k', '10 M']);
  });

  it('has durable servers with autovacuum, and what applications do today beside Lethe', () => {
    expect(readSettings()).toMatchObject({
      shared_buffers: '2GB',
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      autovacuum: 'on',
    });
    expect(CONTENDERS.map((c) => c.name).sort()).toEqual([
      'cascade',
      'lethe-balanced-1',
      'lethe-balanced-2',
      'lethe-full-1',
      'lethe-full-2',
      'loop',
      'plain-job',
      'single',
    ]);
  });
});
