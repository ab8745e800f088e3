import { describe, expect, it } from 'vitest';
import { predictMs, rowLimit } from '../../src/erasure/model/throughput.ts';

const work = (rows: number, rate: number | null) => ({ location: 'posts', rows, rate });

describe('predicted milliseconds', () => {
  it('is rows over speed, shared by the chunks that run at once', () => {
    expect(predictMs([work(100_000, 10)], 2, 10_000)).toBe(5_000);
    expect(predictMs([work(100_000, 10)], 64, 10_000)).toBe(1_000);
  });

  it('counts a location of one chunk at the speed of one', () => {
    expect(predictMs([work(5_000, 10)], 8, 10_000)).toBe(500);
  });

  it('adds the locations up, because stages follow one another', () => {
    expect(predictMs([work(10_000, 10), work(10_000, 1)], 1, 10_000)).toBe(11_000);
  });

  it('is unknown when a location with rows was never measured, and zero when nothing is left', () => {
    expect(predictMs([work(1, null), work(10, 1)], 2, 10_000)).toBeNull();
    expect(predictMs([work(0, null)], 2, 10_000)).toBe(0);
  });
});

describe('from how many rows on a location is too much for a request', () => {
  it.each([
    [1_000, undefined, 1_000],
    [1_000, 5, 1_000],
    [{ ms: 1_000 }, undefined, 1_000],
    [{ ms: 1_000 }, 2_499.5, 2_500],
    [{ ms: 1_000 }, 0, 1],
    [{ ms: 1_000 }, 9e9, 100_000],
  ] as const)('threshold %o, %o rows in its time: %i', (threshold, inTime, limit) => {
    expect(rowLimit(threshold, inTime)).toBe(limit);
  });
});
