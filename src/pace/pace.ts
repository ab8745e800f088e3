import type { Pace } from '../settings/pace-schedule.ts';
import { LARGEST_SLICE, SMALLEST_SLICE } from './slice-size.ts';

/** What the operator set: chunks at once in the whole cluster, and milliseconds that a slice aims at, both at most. */
export type PaceLimits = { slots: number; sliceMs: number };

/** What one slice may take, and how many chunks run at once in the whole cluster. */
export type Allowance = {
  /** Most rows of a slice. */
  rows: number;
  /** Milliseconds that a slice aims at. */
  timeMs: number;
  slots: number;
  /** Milliseconds to wait after a slice that took `ms`, with no transaction open. */
  pauseFor: (ms: number) => number;
};

/** The paces: `share` of LETHE_GLOBAL_CONCURRENCY (at least one slot), `pause` in multiples of the slice's own time. */
const OF_PACE: Record<Pace, { rows: number; timeMs: number; share: number; pause: number }> = {
  gentle: { rows: 500, timeMs: 50, share: 0, pause: 2 },
  balanced: { rows: 10_000, timeMs: 100, share: 0.5, pause: 0 },
  full: { rows: LARGEST_SLICE, timeMs: Number.POSITIVE_INFINITY, share: 1, pause: 0 },
};

/**
 * What each step takes away: `size` of a slice in rows and in time, `share` of the slots, and pauses. Pauses are in
 * multiples of the slice's time, and at least `leastMs`. The last one is a trickle, never a stop: a standby that is
 * stuck for days must not let a legal deadline pass.
 */
const OF_STEP: readonly { size: number; share: number; pause: number; leastMs: number }[] = [
  { size: 1, share: 1, pause: 0, leastMs: 0 },
  { size: 1 / 2, share: 1, pause: 0, leastMs: 0 },
  { size: 1 / 4, share: 1, pause: 0, leastMs: 0 },
  { size: 1 / 4, share: 1 / 2, pause: 0, leastMs: 0 },
  { size: 1 / 4, share: 0, pause: 1, leastMs: 0 },
  { size: 1 / 4, share: 0, pause: 4, leastMs: 0 },
  { size: 0, share: 0, pause: 4, leastMs: 5_000 },
];
export const LAST_STEP = OF_STEP.length - 1;
/** One slice that met a lock for seconds must not put its chunk to sleep for a minute. */
const LONGEST_PAUSE_MS = 30_000;
/** A time target under this is all round trips: slices would be as small as they can be, and no gentler. */
const SHORTEST_MS = 10;

/** What a pace allows at a step of the ladder, 0 (not slowed) to LAST_STEP (a trickle). */
export function allowanceOf(pace: Pace, step: number, settings: PaceLimits): Allowance {
  const base = OF_PACE[pace];
  const at = OF_STEP[Math.min(LAST_STEP, Math.max(0, Math.round(step)))] as (typeof OF_STEP)[number];
  const slots = Math.max(1, Math.floor(settings.slots * base.share));
  return {
    rows: Math.max(SMALLEST_SLICE, Math.round(base.rows * at.size)),
    timeMs: Math.max(SHORTEST_MS, Math.min(settings.sliceMs, base.timeMs) * at.size),
    slots: Math.max(1, Math.floor(slots * at.share)),
    pauseFor: (ms) => Math.min(LONGEST_PAUSE_MS, Math.max(at.leastMs, (base.pause + at.pause) * ms)),
  };
}

export const SIGNALS = ['replica', 'locks', 'checkpoints', 'connections', 'vacuum'] as const;

/** One thing that the database says. `value` is null where it cannot be seen: that never counts as pressure. */
export type Signal = {
  name: (typeof SIGNALS)[number];
  value: number | null;
  limit: number;
  words: string;
  /** The highest step that this signal causes; absent: the last one. */
  most?: number;
};

/** Value over limit: from 1 on the database is under pressure. Null: unknown. */
export const ratioOf = ({ value, limit }: Signal): number | null => (value === null ? null : value / limit);

/** Where the cluster stands. `calm`: readings in a row without pressure. `reason`: what last slowed it, null at step 0. */
export type Standing = { pace: Pace; step: number; calm: number; reason: string | null };

const CALM = 0.7;
const CALM_READINGS = 5;
const STEEP = 3;

/**
 * The next standing after one reading. Up at once, by one step or, far over a limit, by two. Down by one step after
 * five readings in a row that are clearly below every limit. In between it stays, so that it does not swing around a
 * limit. `full` is for maintenance windows and never slowed.
 */
export function decide(previous: Standing, pace: Pace, signals: readonly Signal[]): Standing {
  if (pace === 'full') return { pace, step: 0, calm: 0, reason: null };
  const { step } = previous;
  // Above the highest step that a signal may cause it does not count: otherwise it would keep the cluster there.
  const counted = signals
    .map((signal) => ({ ...signal, ratio: ratioOf(signal) ?? 0, most: signal.most ?? LAST_STEP }))
    .filter(({ ratio, most }) => ratio >= CALM && step <= most)
    .sort((a, b) => b.ratio - a.ratio);
  const [worst] = counted;
  if (!worst) {
    const calm = previous.calm + 1;
    const next = calm % CALM_READINGS === 0 ? Math.max(0, step - 1) : step;
    return { pace, step: next, calm, reason: next === 0 ? null : previous.reason };
  }
  const up = counted
    .filter(({ ratio }) => ratio >= 1)
    .map(({ ratio, most }) => Math.min(most, step + (ratio > STEEP ? 2 : 1)));
  const next = Math.max(step, ...up);
  return { pace, step: next, calm: 0, reason: next === 0 ? null : worst.words };
}

/** Why it is slowed, for people; null when it is not. */
export const slowedWords = ({ step, calm, reason }: Standing): string | null =>
  step === 0 ? null : calm === 0 && reason ? reason : `speeding up again${reason ? `, it was ${reason}` : ''}`;

/** One sentence for pages: `Pace: balanced, slowed: replica 12 s behind.` */
export const paceWords = ({ pace, words }: { pace: Pace; words: string | null }): string =>
  `Pace: ${pace}${words === null ? '' : `, slowed: ${words}`}.`;
