import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allowanceOf,
  decide,
  LAST_STEP,
  paceWords,
  SIGNALS,
  type Signal,
  type Standing,
  slowedWords,
} from '../../src/pace/pace.ts';
import { PACES, type Pace } from '../../src/settings/pace-schedule.ts';

const settings = { slots: 8, sliceMs: 200 };
const at = (step: number, more: Partial<Standing> = {}): Standing => ({
  pace: 'balanced',
  step,
  calm: 0,
  reason: step === 0 ? null : 'replica 12 s behind',
  ...more,
});
const signal = (ratio: number | null, more: Partial<Signal> = {}): Signal => ({
  name: 'replica',
  value: ratio,
  limit: 1,
  words: 'replica 12 s behind',
  ...more,
});
const follow = (standing: Standing, readings: (number | null)[], pace: Pace = 'balanced') =>
  readings.reduce((now, ratio) => decide(now, pace, [signal(ratio)]), standing);

describe('allowanceOf', () => {
  it('is smaller slices first, then fewer chunks, then pauses, and at the end a trickle', () => {
    const ladder = Array.from({ length: LAST_STEP + 1 }, (_, step) => {
      const { rows, timeMs, slots, pauseFor } = allowanceOf('balanced', step, settings);
      return [rows, timeMs, slots, pauseFor(100)];
    });
    expect(ladder).toEqual([
      [10_000, 100, 4, 0],
      [5_000, 50, 4, 0],
      [2_500, 25, 4, 0],
      [2_500, 25, 2, 0],
      [2_500, 25, 1, 100],
      [2_500, 25, 1, 400],
      [100, 10, 1, 5000],
    ]);
  });

  it('is what each pace says while nothing slows it', () => {
    const of = (pace: Pace, slots = 8) => {
      const { rows, timeMs, slots: allowed, pauseFor } = allowanceOf(pace, 0, { slots, sliceMs: 200 });
      return [rows, timeMs, allowed, pauseFor(100)];
    };
    expect(of('gentle')).toEqual([500, 50, 1, 200]);
    expect(of('balanced')).toEqual([10_000, 100, 4, 0]);
    expect(of('full')).toEqual([50_000, 200, 8, 0]);
    expect(PACES.map((pace) => of(pace, 1)[2])).toEqual([1, 1, 1]);
    expect(allowanceOf('balanced', 0, { slots: 2, sliceMs: 20 }).timeMs).toBe(20);
  });

  it('never stops, and never grows from one step to the next', () => {
    const numbers = fc.record({
      pace: fc.constantFrom(...PACES),
      step: fc.nat({ max: LAST_STEP - 1 }),
      slots: fc.integer({ min: 1, max: 256 }),
      sliceMs: fc.integer({ min: 10, max: 10_000 }),
      ms: fc.double({ min: 0, max: 60_000, noNaN: true }),
    });
    fc.assert(
      fc.property(numbers, ({ pace, step, slots, sliceMs, ms }) => {
        const [one, next] = [step, step + 1].map((s) => allowanceOf(pace, s, { slots, sliceMs })) as [
          ReturnType<typeof allowanceOf>,
          ReturnType<typeof allowanceOf>,
        ];
        expect(next.rows).toBeLessThanOrEqual(one.rows);
        expect(next.timeMs).toBeLessThanOrEqual(one.timeMs);
        expect(next.slots).toBeLessThanOrEqual(one.slots);
        expect(next.pauseFor(ms)).toBeGreaterThanOrEqual(one.pauseFor(ms));
        expect(next.rows).toBeGreaterThanOrEqual(100);
        expect(next.timeMs).toBeGreaterThanOrEqual(10);
        expect(one.timeMs).toBeLessThanOrEqual(sliceMs);
        expect(Number.isInteger(next.slots) && next.slots >= 1 && one.slots <= slots).toBe(true);
        expect(next.pauseFor(ms)).toBeLessThanOrEqual(30_000);
      }),
    );
  });
});

describe('decide', () => {
  it('goes up at once, by two where a limit is passed threefold, and no further than the last step', () => {
    expect(follow(at(0), [1]).step).toBe(1);
    expect(follow(at(0), [3.1]).step).toBe(2);
    expect(follow(at(0), [1, 1, 1]).step).toBe(3);
    expect(follow(at(0), Array(9).fill(9)).step).toBe(LAST_STEP);
  });

  it('goes down one step after five calm readings in a row, and in between stays', () => {
    expect(follow(at(3), [0, 0, 0, 0]).step).toBe(3);
    expect(follow(at(3), [0, 0, 0, 0, 0.69]).step).toBe(2);
    expect(follow(at(3), Array(10).fill(0)).step).toBe(1);
    expect(follow(at(3), [0, 0, 0, 0, 0.7, 0]).step).toBe(3);
    expect(follow(at(3), Array(50).fill(0.9)).step).toBe(3);
  });

  it('counts what cannot be seen as nothing', () => {
    expect(follow(at(0), Array(9).fill(null)).step).toBe(0);
    expect(follow(at(1), Array(5).fill(null)).step).toBe(0);
  });

  it('lets a signal do no more than it may, nor keep the cluster above that', () => {
    const limited = signal(50, { name: 'vacuum', most: 3 });
    let now = at(0);
    for (let i = 0; i < 20; i++) now = decide(now, 'balanced', [limited]);
    expect(now.step).toBe(3);
    now = at(6);
    for (let i = 0; i < 15; i++) now = decide(now, 'balanced', [limited]);
    expect(now.step).toBe(3);
    for (let i = 0; i < 20; i++) now = decide(now, 'balanced', [limited]);
    expect(now.step).toBe(3);
    expect(decide(at(3), 'balanced', [limited, signal(2)]).step).toBe(4);
  });

  it('never slows `full`, and begins anew after it', () => {
    expect(follow(at(4), Array(9).fill(9), 'full')).toEqual({ pace: 'full', step: 0, calm: 0, reason: null });
    expect(follow(at(0, { pace: 'full' }), [2], 'balanced')).toMatchObject({ pace: 'balanced', step: 1 });
  });

  const ratios = fc.array(fc.oneof(fc.constant(null), fc.double({ min: 0, max: 100, noNaN: true })), {
    minLength: SIGNALS.length,
    maxLength: SIGNALS.length,
  });
  const read = (of: (number | null)[]) => of.map((ratio, i) => signal(ratio, { name: SIGNALS[i] ?? 'replica' }));

  it('stays on the ladder, moves at most once a reading, and never comes down sooner than after five', () => {
    fc.assert(
      fc.property(fc.nat({ max: LAST_STEP }), fc.array(ratios, { maxLength: 60 }), (first, history) => {
        let now = at(first);
        let sinceMove = Number.POSITIVE_INFINITY;
        for (const [i, reading] of history.entries()) {
          const next = decide(now, 'balanced', read(reading));
          expect(next.step).toBeGreaterThanOrEqual(Math.max(0, now.step - 1));
          expect(next.step).toBeLessThanOrEqual(Math.min(LAST_STEP, now.step + 2));
          if (next.step > now.step) expect(reading.some((ratio) => (ratio ?? 0) >= 1)).toBe(true);
          if (next.step < now.step) {
            expect(Math.min(i + 1, sinceMove)).toBeGreaterThanOrEqual(5);
            for (const calm of history.slice(i - 4, i + 1))
              expect(calm.every((ratio) => (ratio ?? 0) < 0.7)).toBe(true);
          }
          expect(slowedWords(next) === null).toBe(next.step === 0);
          sinceMove = next.step === now.step ? sinceMove + 1 : 1;
          now = next;
        }
      }),
    );
  });

  it('is worse with more pressure, and always recovers when it ends', () => {
    fc.assert(
      fc.property(fc.nat({ max: LAST_STEP }), ratios, fc.nat({ max: 4 }), (step, reading, index) => {
        const more = reading.map((ratio, i) => (i === index ? (ratio ?? 0) * 2 + 1 : ratio));
        expect(decide(at(step), 'balanced', read(more)).step).toBeGreaterThanOrEqual(
          decide(at(step), 'balanced', read(reading)).step,
        );
        let now = decide(at(step), 'balanced', read(more));
        for (let i = 0; i < 5 * LAST_STEP; i++) now = decide(now, 'balanced', read([0, 0, 0, 0, 0]));
        expect(now.step).toBe(0);
      }),
    );
  });
});

describe('the words', () => {
  it('name the worst signal, and later that it is over', () => {
    const now = decide(at(0), 'balanced', [signal(1.2), signal(5, { name: 'locks', words: '5 sessions wait' })]);
    expect(slowedWords(now)).toBe('5 sessions wait');
    expect(slowedWords(follow(at(2), [0]))).toBe('speeding up again, it was replica 12 s behind');
    // Also right after a step down.
    expect(slowedWords(follow(at(2), [0, 0, 0, 0, 0]))).toBe('speeding up again, it was replica 12 s behind');
    expect(slowedWords(at(2, { calm: 1, reason: null }))).toBe('speeding up again');
    expect(slowedWords(follow(at(2), [0.8]))).toBe('replica 12 s behind');
    expect(slowedWords(follow(at(1), [0, 0, 0, 0, 0]))).toBeNull();
  });

  it('are one sentence on a page', () => {
    expect(paceWords({ pace: 'balanced', words: null })).toBe('Pace: balanced.');
    expect(paceWords({ pace: 'gentle', words: 'replica 12 s behind' })).toBe(
      'Pace: gentle, slowed: replica 12 s behind.',
    );
  });
});
