import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryAfterMs } from '../../src/partners/retry.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('when a partner is asked again', () => {
  it('follows the schedule, and goes on every twelve hours', () => {
    const waits = Array.from({ length: 12 }, (_, attempts) => retryAfterMs(attempts, () => 0.5));
    expect(waits).toEqual([
      0,
      5000,
      5 * MINUTE,
      30 * MINUTE,
      2 * HOUR,
      5 * HOUR,
      10 * HOUR,
      10 * HOUR,
      12 * HOUR,
      12 * HOUR,
      12 * HOUR,
      12 * HOUR,
    ]);
  });

  it('moves each wait by a tenth at most, to both sides', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempts, draw) => {
        const wait = retryAfterMs(attempts, () => draw);
        const middle = retryAfterMs(attempts, () => 0.5);
        expect(Math.abs(wait - middle)).toBeLessThanOrEqual(middle / 10 + 1);
      }),
    );
    expect(retryAfterMs(1, () => 0)).toBe(4500);
    expect(retryAfterMs(1, () => 1)).toBe(5500);
  });
});
