import type { OwnerState } from './measured.ts';

/** How long an owner must be seen one way before its team is told, in milliseconds. */
export type Patience = {
  /** Not well for so long before that is told. */
  badMs: number;
  /** Well for so long, without a break, before that is told. Shorter breaks do not end what is bad. */
  calmMs: number;
  /** A look that is older says nothing of the time since. */
  gapMs: number;
};

export const PATIENCE: Patience = { badMs: 60_000, calmMs: 300_000, gapMs: 180_000 };

/** `since`: since when it is well, or is not. `calmSince`: since when it looks well and is not counted as well yet. */
export type Followed = { state: OwnerState; since: Date; calmSince: Date | null };

const RANKS: Record<OwnerState, number> = { well: 0, failing: 1, late: 2 };

/**
 * How it stands with an owner after one more look. A state that comes and goes is one state: it ends when nothing was
 * bad for `calmMs`. `before`: after the last look; undefined: this is the first. A clock that was ahead may have written it:
 * what is said to begin after now begins now.
 */
export function follow(
  before: (Followed & { watchedAt: Date }) | undefined,
  seen: OwnerState,
  now: Date,
  { calmMs, gapMs }: Patience,
): Followed {
  if (!before) return { state: seen, since: now, calmSince: null };
  const since = before.since < now ? before.since : now;
  if (seen !== 'well') return { state: seen, since: before.state === 'well' ? now : since, calmSince: null };
  if (before.state === 'well') return { state: 'well', since, calmSince: null };
  const watched = Math.abs(now.getTime() - before.watchedAt.getTime()) <= gapMs;
  const calmSince = watched && before.calmSince && before.calmSince < now ? before.calmSince : now;
  if (now.getTime() - calmSince.getTime() >= calmMs) return { state: 'well', since: calmSince, calmSince: null };
  return { state: before.state, since, calmSince };
}

/**
 * What a team is to be told. `told`: what it was told last. Null: nothing. `wait`: it is too early to say. Failing after
 * late is better, and is not told; only the end of both is.
 */
export function toTell(
  { state, since, calmSince }: Followed,
  told: OwnerState,
  now: Date,
  { badMs }: Patience,
): OwnerState | 'wait' | null {
  if (state === 'well') return told === 'well' ? null : 'well';
  if (RANKS[state] <= RANKS[told]) return null;
  return calmSince === null && now.getTime() - since.getTime() >= badMs ? state : 'wait';
}
