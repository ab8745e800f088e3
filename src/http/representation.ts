import type { Erasure } from '../erasure/states.ts';
import type { Progress } from '../erasure/status.ts';

const iso = (date: Date | null) => date?.toISOString() ?? null;

/** The answer to a request. Times are ISO 8601 in UTC; `statusUrl` is added last, because it carries a token. */
export const acceptedResource = (e: Erasure) => ({
  id: e.id,
  accountId: e.accountKey,
  state: e.state,
  mode: e.mode,
  requestedAt: iso(e.requestedAt),
  startsAt: iso(e.startsAt),
  dueAt: iso(e.dueAt),
  completedAt: iso(e.completedAt),
});

/** An erasure with its progress. */
export const erasureResource = (e: Erasure, progress: Progress) => ({
  ...acceptedResource(e),
  startedAt: iso(e.startedAt),
  progress,
});
