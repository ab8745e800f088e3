import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Sample, seriesOf } from '../soak/series.ts';
import { FEWEST_POINTS, fitLine, judge, type Point } from '../soak/trend.ts';

/** Twenty minutes, a value every five seconds. */
const series = (value: (i: number) => number, n = 240): Point[] =>
  Array.from({ length: n }, (_, i) => ({ at: 400 + 5 * i, value: value(i) }));
const MEMORY = { absolute: 25, share: 0.2 };

/** The same noise for the same seed. */
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
}

describe('fitLine', () => {
  it('finds the line on which points lie', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: -100, max: 100 }), (start, slope) => {
        const line = fitLine(series((i) => start + slope * 5 * i));
        expect(line.start).toBeCloseTo(start, 3);
        expect(line.slope).toBeCloseTo(slope, 6);
        expect(line.spread).toBeCloseTo(0, 3);
      }),
    );
  });

  it('has the least squares: no other line has a smaller spread', () => {
    const random = noise(7);
    const points = series((i) => 100 + i + 40 * random());
    const best = fitLine(points);
    const spreadOf = (start: number, slope: number) =>
      Math.sqrt(points.reduce((sum, p) => sum + (p.value - start - slope * (p.at - 400)) ** 2, 0) / points.length);
    expect(spreadOf(best.start, best.slope)).toBeCloseTo(best.spread, 9);
    for (const [start, slope] of [
      [1, 0],
      [-1, 0],
      [0, 0.001],
      [0, -0.001],
    ] as const)
      expect(spreadOf(best.start + start, best.slope + slope)).toBeGreaterThan(best.spread);
  });
});

describe('judge', () => {
  it('finds a leak of 2 MiB a minute under noise of a tenth', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = noise(seed);
        const leak = series((i) => 150 + (2 * 5 * i) / 60 + 30 * random());
        expect(judge(leak, MEMORY)?.growing).toBe(true);
      }),
    );
  });

  it('finds a connection that is lost every minute', () => {
    const random = noise(3);
    const connections = series((i) => 14 + Math.floor((5 * i) / 60) + Math.round(6 * random()));
    expect(judge(connections, { absolute: 5, share: 0 })?.growing).toBe(true);
  });

  it('does not take noise for a leak, however it falls', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 60 }), (seed, height) => {
        const random = noise(seed);
        expect(
          judge(
            series(() => 150 + height * random()),
            MEMORY,
          )?.growing,
        ).toBe(false);
      }),
    );
  });

  it('does not take what fills and is emptied again for a leak, wherever the run begins in it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 0, max: 240 }), (teeth, shift) => {
        const period = 240 / teeth;
        const saw = series((i) => 100 + 400 * (((i + shift) % period) / period));
        expect(judge(saw, MEMORY)?.growing).toBe(false);
      }),
    );
  });

  it('lets a series fall, and grow as much as is tolerated', () => {
    expect(
      judge(
        series((i) => 500 - i),
        MEMORY,
      )?.growing,
    ).toBe(false);
    const tolerated = judge(
      series((i) => 150 + i / 10),
      MEMORY,
    );
    expect(tolerated?.growing).toBe(false);
    expect(tolerated?.to).toBeCloseTo(173.9, 6);
  });

  it('says nothing about a handful of points', () => {
    expect(
      judge(
        series((i) => 100 * i, FEWEST_POINTS - 1),
        MEMORY,
      ),
    ).toBeUndefined();
    expect(
      judge(
        series((i) => 100 * i, FEWEST_POINTS),
        MEMORY,
      )?.growing,
    ).toBe(true);
  });
});

describe('seriesOf', () => {
  const sample = (i: number, worker: { life: number; memory: number }): Sample => ({
    at: 5 * i,
    processes: [
      { name: 'api', life: 1, memory: 120, files: 30 },
      { name: 'worker-2', files: 40, ...worker },
    ],
    connections: { 'lethe-api': 3, 'lethe-worker': 8 },
    redis: { keys: 60 + 3 * i, unfinished: 60, clients: 20, megabytes: 2 },
    tables: [
      { name: 'erasure', live: 10 * (i + 1), dead: 5, kilobytes: 8 * (i + 1) },
      { name: 'pace', live: 1, dead: 50, kilobytes: 48 },
    ],
    erasures: { all: 10 * (i + 1), open: 3 },
    jobs: 4,
  });
  const run = (life: (i: number) => number, memory: (i: number) => number) =>
    seriesOf(
      Array.from({ length: 180 }, (_, i) => sample(i, { life: life(i), memory: memory(i) })),
      300,
    );
  const named = (all: ReturnType<typeof seriesOf>, name: string) => all.find((s) => s.name === name);
  const growing = (all: ReturnType<typeof seriesOf>) =>
    all.filter((s) => judge(s.judged, s.tolerance)?.growing).map((s) => s.name);

  it('judges what stays the same as flat, also where tables grow with what they hold', () => {
    expect(
      growing(
        run(
          () => 1,
          () => 150,
        ),
      ),
    ).toEqual([]);
  });

  it('names the process that leaks', () => {
    expect(
      growing(
        run(
          () => 1,
          (i) => 150 + i,
        ),
      ),
    ).toEqual(['worker-2 memory']);
  });

  it('leaves the warm-up out, and judges only a life that is long enough', () => {
    const all = run(
      (i) => 1 + Math.floor(i / 20),
      (i) => 100 + 8 * (i % 20),
    );
    expect(named(all, 'worker-2 memory')).toBeUndefined();
    expect(named(all, 'api memory')?.judged[0]?.at).toBe(300);
    expect(named(all, 'api memory')?.points[0]?.at).toBe(0);
  });

  it('counts dead rows that are not removed, and size that rows do not explain', () => {
    const bloated = Array.from({ length: 180 }, (_, i) => {
      const one = sample(i, { life: 1, memory: 150 });
      const [erasure, pace] = one.tables as [Sample['tables'][number], Sample['tables'][number]];
      return {
        ...one,
        tables: [
          { ...erasure, dead: i ** 3 / 1000, kilobytes: erasure.kilobytes + i * i },
          { ...pace, kilobytes: 48 + 10 * i },
        ],
      };
    });
    expect(growing(seriesOf(bloated, 300))).toEqual(['dead rows', 'erasure size', 'size of the tables with few rows']);
  });
});
