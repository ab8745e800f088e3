import type { Catalog } from '../../catalog/live/types.ts';
import { type Erasure, isDeletingSessions } from '../../erasure/model/states.ts';
import { forUser } from '../../erasure/progress/for-user.ts';
import type { LocationProgress, Progress } from '../../erasure/progress/status.ts';
import type * as schemas from './schemas.ts';

const iso = (date: Date) => date.toISOString();
const isoOrNull = (date: Date | null) => date && iso(date);

/** The answer to a request. Times are ISO 8601 in UTC; `statusUrl` is added last, because it carries a token. */
export const acceptedResource = (e: Erasure): schemas.AcceptedWithoutLink => ({
  id: e.id,
  accountId: e.accountKey,
  // The columns' checks allow what the schemas list.
  state: e.state as schemas.State,
  signingOut: isDeletingSessions(e),
  mode: e.mode as schemas.AcceptedWithoutLink['mode'],
  requestedAt: iso(e.requestedAt),
  startsAt: iso(e.startsAt),
  dueAt: iso(e.dueAt),
  completedAt: isoOrNull(e.completedAt),
});

/** An erasure in a list. `admin`: also who holds it and why, which may name people, and whether it is test data. */
export const erasureSummary = (e: Erasure, admin = false): schemas.ErasureSummary => ({
  ...acceptedResource(e),
  newerAccountAt: isoOrNull(e.newerAccountAt),
  startedAt: isoOrNull(e.startedAt),
  retryAt: e.state === 'stalled' ? isoOrNull(e.retryAt) : null,
  held: heldOf(e, admin),
  ...(admin && e.canary ? { canary: true } : {}),
});

/**
 * Who is shown an erasure. A `user` is told kinds of data and no systems. A `key` is also told how it stands with partners,
 * an `admin` also who holds it and why.
 */
export type Audience = 'user' | 'key' | 'admin';

/** An erasure with its progress, for whoever has a key. */
export const erasureResource = (e: Erasure, progress: Progress, admin = false): schemas.Erasure => ({
  ...erasureSummary(e, admin),
  progress: {
    ...progress,
    locations: progress.locations.map(locationResource),
  },
});

/** An erasure with its progress, as this audience may see it. */
export const erasureFor = (
  audience: Audience,
  catalog: Pick<Catalog, 'locations'>,
  e: Erasure,
  progress: Progress,
): schemas.Erasure =>
  erasureResource(e, audience === 'user' ? forUser(catalog, progress) : progress, audience === 'admin');

/** Kind and action are for our own pages: callers are told what is deleted, not how. */
const locationResource = ({
  kind: _,
  action: __,
  state,
  asked,
  ...rest
}: LocationProgress): schemas.LocationProgress => ({
  ...rest,
  state: state as schemas.LocationProgress['state'],
  ...(asked ? { lastAnswer: asked.lastAnswer, nextTryAt: isoOrNull(asked.nextTryAt) } : {}),
});

function heldOf(e: Erasure, admin: boolean): schemas.Hold | null {
  if (!e.heldAt) return null;
  const since = iso(e.heldAt);
  return admin ? { since, by: e.heldBy ?? '', reason: e.holdReason ?? '' } : { since };
}
