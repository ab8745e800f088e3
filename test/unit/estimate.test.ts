import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimate, isSmall } from '../../src/erasure/accept/estimate.ts';
import { chunksOf } from '../../src/locations/table/estimate.ts';

const location = (name: string, stage: number, atRequest = false) => ({
  name,
  owner: 'reader',
  action: 'delete' as const,
  stage,
  atRequest,
  children: [],
});
type Of = { location: ReturnType<typeof location>; rows: number | null };
const counted = (of: Of[]) =>
  chunksOf(
    of.map((o) => o.location),
    of.map((o) => o.rows),
    1000,
  ).map((each, n) => ({ ...each, location: (of[n] as Of).location }));
const speed = { rates: new Map<string, number>(), slots: 2, chunkRows: 1000 };

describe('an estimate', () => {
  it('counts chunks up, and says of what was never measured that it is not known', () => {
    const found = estimate(
      counted([0, 1, 1000, 1001].map((rows, i) => ({ location: location(`l${i}`, i), rows }))),
      'accounts',
      1,
      speed,
    );
    expect(found.locations.map((l) => [l.stage, l.rows, l.chunks, l.estimatedMs])).toEqual([
      [0, 0, 0, 0],
      [1, 1, 1, null],
      [2, 1000, 1, null],
      [3, 1001, 2, null],
      [4, 1, 0, null],
    ]);
    expect([found.rows, found.estimatedMs]).toEqual([2003, null]);
  });

  it('adds up the stages: chunks side by side, the last transaction alone', () => {
    const rates = new Map([
      ['posts', 1],
      ['accounts', 10],
    ]);
    const both = counted([
      { location: location('sessions', 0, true), rows: 5 },
      { location: location('posts', 0), rows: 4000 },
    ]);
    const found = estimate(both, 'accounts', 1, { ...speed, rates });
    // 4,000 ms on two connections; the last transaction walks what the posts have left, on one.
    expect(found.locations.map((l) => l.estimatedMs)).toEqual([null, 2000, 400]);
    expect([found.rows, found.estimatedMs]).toEqual([4006, 2400]);
  });

  it('knows no sum where one location was not counted', () => {
    const found = estimate(counted([{ location: location('posts', 0), rows: null }]), 'accounts', 1, speed);
    expect(found).toMatchObject({ rows: null, estimatedMs: null });
    expect(isSmall([{ location: location('posts', 0), rows: null }], 1000, speed.rates)).toBe(false);
  });
});

describe('small', () => {
  it('means fewer rows than the threshold in every location', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1 }), fc.integer({ min: 1, max: 50 }), (rows, threshold) => {
        const each = rows.map((n, i) => ({ location: location(`l${i}`, 0), rows: n }));
        expect(isSmall(each, threshold, speed.rates)).toBe(rows.every((n) => n < threshold));
      }),
    );
  });

  it('means less work than the time allows, over all locations', () => {
    const rates = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    const small = (a: number, b: number) =>
      isSmall(
        [
          { location: location('a', 0), rows: a },
          { location: location('b', 0), rows: b },
        ],
        { ms: 1000 },
        rates,
      );
    expect([small(999, 1), small(1000, 0), small(500, 998), small(500, 1000)]).toEqual([true, false, true, false]);
  });
});
