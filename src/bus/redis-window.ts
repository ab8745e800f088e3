import { WINDOW } from './bus.ts';

/** What Redis says of one consumer group; null where it cannot know, as after an entry in the middle was deleted. */
export type Group = { readonly name: string; readonly pending: number; readonly lag: number | null };

/** A stream as Redis describes it. `bytes`: null where the user may not ask. */
export type Stream = { readonly length: number; readonly bytes: number | null; readonly groups: readonly Group[] };

/** From so many entries on, their memory tells what one takes. */
const ENOUGH = 100;
/** What is left for what grows beside the entries: a node of the stream is cut off only as a whole. */
const SHARE = 0.9;

/** Events that the stream holds at most: the window's, or fewer where they are large. */
export function mostEvents({ length, bytes }: Stream): number {
  if (bytes === null || length < ENOUGH) return WINDOW.events;
  return Math.max(1, Math.min(WINDOW.events, Math.floor((SHARE * WINDOW.bytes * length) / bytes)));
}

/**
 * Events that the slowest group has not read or not acknowledged, and its name. Without a group nothing is read: all of
 * them. Null: Redis cannot tell how far a group is behind.
 */
export function inFlight({ length, groups }: Stream): { events: number; group: string | null } | null {
  if (groups.length === 0) return { events: length, group: null };
  let most = { events: -1, group: null as string | null };
  for (const { name, pending, lag } of groups) {
    if (lag === null) return null;
    if (pending + lag > most.events) most = { events: pending + lag, group: name };
  }
  return most;
}
