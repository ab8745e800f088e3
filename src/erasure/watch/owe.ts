import { type Followed, type Patience, toTell } from './follow.ts';
import type { OwnerState } from './measured.ts';

/** What an owner's team knows. `owed`: what the outstanding message says. `tried`: what a try said whose outcome is unknown. */
export type Told = { told: OwnerState; owed: OwnerState | null; tried: OwnerState | null };

/** `keep`: what is owed stays, if anything is. `drop`: nothing is owed. Otherwise a new message says it. */
export type Owing = { told: OwnerState; next: OwnerState | 'keep' | 'drop' };

/**
 * Which message is owed after a look: at most one an owner. What ended before its team was told of it is dropped. A try
 * whose outcome is unknown counts as told, so that its end is told as well.
 */
export function owe(followed: Followed, { told, owed, tried }: Told, now: Date, patience: Patience): Owing {
  const wanted = toTell(followed, told, now, patience);
  if (wanted === 'wait' || (wanted !== null && wanted === owed)) return { told, next: 'keep' };
  if (tried === null) return { told, next: wanted ?? 'drop' };
  const since = toTell(followed, tried, now, patience);
  return { told: tried, next: since === 'wait' ? 'drop' : (since ?? 'drop') };
}
