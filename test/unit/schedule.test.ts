import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pauseBefore, priorityFor } from '../../src/erasure/model/dispatch.ts';
import { isStuck } from '../../src/jobs/schedule.ts';
import { nextSweep } from '../../src/settings/sweep-times.ts';

const HOUR = 3_600_000;

describe('nextSweep', () => {
  it.each([
    ['at the full hour is that hour', '2026-11-22T10:00:00.000Z', '2026-11-22T10:00:00.000Z'],
    ['a millisecond after it is the next', '2026-11-22T10:00:00.001Z', '2026-11-22T11:00:00.000Z'],
    ['a millisecond before it is that hour', '2026-11-22T09:59:59.999Z', '2026-11-22T10:00:00.000Z'],
    ['at half past is the next', '2026-11-22T10:30:00.000Z', '2026-11-22T11:00:00.000Z'],
    ['at the end of a year is the next', '2026-12-31T23:00:00.500Z', '2027-01-01T00:00:00.000Z'],
    ['while clocks go back elsewhere', '2026-10-25T00:59:59.999Z', '2026-10-25T01:00:00.000Z'],
    ['while clocks go forward elsewhere', '2026-03-29T01:00:00.001Z', '2026-03-29T02:00:00.000Z'],
  ])('%s', (_, from, expected) => {
    expect(nextSweep('0 * * * *', new Date(from)).toISOString()).toBe(expected);
  });

  it.each([
    ['*/15 * * * *', '2026-11-22T10:15:00.001Z', '2026-11-22T10:30:00.000Z'],
    ['0 3 * * *', '2026-11-22T03:00:00.001Z', '2026-11-23T03:00:00.000Z'],
    ['0 3 * * *', '2026-11-22T03:00:00.000Z', '2026-11-22T03:00:00.000Z'],
  ])('follows %s from %s', (cron, from, expected) => {
    expect(nextSweep(cron, new Date(from)).toISOString()).toBe(expected);
  });

  it('is the first full hour of UTC that is not earlier, for any moment', () => {
    const moment = fc.date({ min: new Date('2020-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(moment, (from) => {
        expect(nextSweep('0 * * * *', from).getTime()).toBe(Math.ceil(from.getTime() / HOUR) * HOUR);
      }),
    );
  });
});

describe('isStuck', () => {
  it.each([
    ['in time', '2026-11-22T11:00:00.000Z', false],
    ['a moment overdue', '2026-11-22T10:29:00.000Z', false],
    ['lost', '2026-11-22T10:00:00.000Z', true],
    ['set by a clock that was an hour ahead', '2026-11-22T12:00:00.000Z', true],
    ['set by a clock that was two days ahead', '2026-11-24T11:00:00.000Z', true],
  ])('%s', (_, next, expected) => {
    expect(isStuck(Date.parse(next), '0 * * * *', new Date('2026-11-22T10:30:00.000Z'))).toBe(expected);
  });
});

describe('priorityFor', () => {
  it.each([
    [0, 1],
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [999, 10],
    [1_000, 10],
    [1_024, 11],
    [1_000_000, 20],
    [50_000_000, 26],
  ])('of %i rows is %i', (rows, priority) => {
    expect(priorityFor(rows)).toBe(priority);
  });

  it('is never 0, and a larger erasure never comes before a smaller one', () => {
    const rows = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(rows, rows, (a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)];
        expect(Number.isInteger(priorityFor(small))).toBe(true);
        expect(priorityFor(small)).toBeGreaterThanOrEqual(1);
        expect(priorityFor(large)).toBeGreaterThanOrEqual(priorityFor(small));
        // The queue refuses priorities above 2^21.
        expect(priorityFor(large)).toBeLessThan(64);
      }),
    );
  });
});

describe('pauseBefore', () => {
  it.each([
    [0, 0],
    [1, 0],
    [2, 1_000],
    [3, 2_000],
    [4, 4_000],
    [7, 32_000],
    [8, 60_000],
    [5_000, 60_000],
  ])('dispatch after %i others is %i ms', (dispatches, ms) => {
    expect(pauseBefore(dispatches)).toBe(ms);
  });
});
