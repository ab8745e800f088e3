import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LARGEST_SLICE, SliceSize, SMALLEST_SLICE } from '../../src/pace/slice-size.ts';

const TARGET = 200;
afterEach(() => vi.useRealTimers());

describe('SliceSize', () => {
  it('lies between 100 and 50,000 rows and begins at 1,000', () => {
    expect([SMALLEST_SLICE, LARGEST_SLICE]).toEqual([100, 50_000]);
    expect(new SliceSize(TARGET).for('posts')).toBe(1_000);
  });

  it('grows while slices are faster than the target, up to 50,000', () => {
    const size = new SliceSize(TARGET);
    const sizes = Array.from({ length: 20 }, () => {
      size.record('posts', size.for('posts'), 1, true);
      return size.for('posts');
    });
    expect(sizes[0]).toBeGreaterThan(1_000);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(sizes.at(-1)).toBe(LARGEST_SLICE);
  });

  it('falls while slices are slower than the target, down to 100', () => {
    const size = new SliceSize(TARGET);
    for (let i = 0; i < 20; i++) size.record('posts', size.for('posts'), 60_000, true);
    expect(size.for('posts')).toBe(SMALLEST_SLICE);
  });

  it('settles where a slice takes the target time', () => {
    const size = new SliceSize(TARGET);
    for (let i = 0; i < 60; i++) size.record('posts', size.for('posts'), size.for('posts') / 20, true);
    expect(size.for('posts')).toBeGreaterThan(3_960);
    expect(size.for('posts')).toBeLessThan(4_040);
  });

  it('learns nothing from a short last slice, unless that one was too slow', () => {
    const size = new SliceSize(TARGET);
    size.record('posts', 3, 1, false);
    expect(size.for('posts')).toBe(1_000);
    size.record('posts', 3, TARGET + 1, false);
    expect(size.for('posts')).toBeLessThan(1_000);
  });

  it('halves after a timeout or a lock, in need below 100, and comes back by doubling', () => {
    const size = new SliceSize(TARGET);
    const sizes = Array.from({ length: 11 }, () => {
      size.giveWay('posts');
      return size.for('posts');
    });
    expect(sizes).toEqual([500, 250, 125, 63, 32, 16, 8, 4, 2, 1, 1]);
    for (let i = 0; i < 3; i++) size.record('posts', size.for('posts'), 500, true);
    expect(size.for('posts')).toBe(8);
    for (let i = 0; i < 6; i++) size.record('posts', size.for('posts'), 1, true);
    expect(size.for('posts')).toBeGreaterThanOrEqual(SMALLEST_SLICE);
  });

  it('leaves locked rows of that location alone for a minute after it gave way', () => {
    vi.useFakeTimers();
    const size = new SliceSize(TARGET);
    expect(size.skipLocked('posts')).toBe(false);
    size.giveWay('posts');
    expect([size.skipLocked('posts'), size.skipLocked('feeds')]).toEqual([true, false]);
    vi.advanceTimersByTime(59_000);
    expect(size.skipLocked('posts')).toBe(true);
    vi.advanceTimersByTime(2_000);
    expect(size.skipLocked('posts')).toBe(false);
  });

  it('learns per location', () => {
    const size = new SliceSize(TARGET);
    size.giveWay('posts');
    size.record('sessions', 1_000, 1, true);
    expect(size.for('posts')).toBe(500);
    expect(size.for('sessions')).toBeGreaterThan(1_000);
    expect(size.for('feeds')).toBe(1_000);
  });

  it('stays a whole number within its bounds and at most doubles, whatever happens', () => {
    const slice = fc.record({
      rows: fc.nat({ max: 1_000_000 }),
      ms: fc.double({ min: 0, max: 1e7, noNaN: true }),
      full: fc.boolean(),
    });
    const steps = fc.array(fc.oneof(slice, fc.constant('give way' as const)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 10, max: 10_000 }), (history, target) => {
        const size = new SliceSize(target);
        for (const step of history) {
          const before = size.for('posts');
          if (step === 'give way') size.giveWay('posts');
          else size.record('posts', step.rows, step.ms, step.full);
          const after = size.for('posts');
          const floor = step === 'give way' || before < SMALLEST_SLICE ? 1 : SMALLEST_SLICE;
          expect(Number.isInteger(after)).toBe(true);
          expect(after).toBeGreaterThanOrEqual(floor);
          expect(after).toBeLessThanOrEqual(LARGEST_SLICE);
          expect(after).toBeLessThanOrEqual(2 * before);
          if (step === 'give way') expect(after).toBe(Math.max(1, Math.round(before / 2)));
        }
      }),
    );
  });
});
