import { eq, sql } from 'drizzle-orm';
import { seal } from '../../partners/seal.ts';
import { partnerRequest } from '../../store/schema.ts';
import type { Context } from '../model/context.ts';
import { type Erasure, findErasure, isFinal } from '../model/states.ts';

/** How the account of a message stands here. `accepted`: it is being erased, and that is acknowledged later. */
export type Standing = 'erased' | 'not_found' | 'accepted';

/** A message as it is kept. `by`: who asks, as `requestedBy` of its erasure. */
export type Asked = {
  readonly id: string;
  readonly source: string;
  readonly acknowledge: { readonly url: string; readonly token: string };
};

/** `erasureId`: null where there was nothing to erase. */
export type Found = { readonly standing: Standing; readonly erasureId: string | null };

export const askerOf = (source: string): string => `partner:${source.slice(0, 200)}`;

/**
 * How the erasure that a message has found or begun stands for its sender. One that waits for others, and was not begun
 * by this sender, has nothing left in this database. The sender may be one of those others: waiting for each other, none
 * would ever complete (decision 025).
 */
export function standingOf(erasure: Pick<Erasure, 'state' | 'requestedBy'>, source: string): Standing {
  if (erasure.state === 'completed') return 'erased';
  return erasure.state === 'awaiting' && erasure.requestedBy !== askerOf(source) ? 'erased' : 'accepted';
}

/**
 * What was decided about a message that comes again. Null: it is new, or its erasure was undone here meanwhile, so that it
 * asks for another one. A message whose erasure is over erases nobody who has the key since.
 */
export async function findStanding(ctx: Context, { id, source }: Asked): Promise<Found | null> {
  const [known] = await ctx.db.select().from(partnerRequest).where(eq(partnerRequest.id, id));
  if (!known) return null;
  if (known.erasureId === null) return { standing: 'not_found', erasureId: null };
  const of = await findErasure(ctx.db, known.erasureId);
  if (!of || (isFinal(of.state) && of.state !== 'completed')) return null;
  return { standing: standingOf(of, source), erasureId: of.id };
}

/**
 * Keeps a message, so that it is known when it comes again, and acknowledged when its erasure is complete. The newest
 * token of a message counts. What is answered at once needs none.
 */
export async function recordStanding(
  ctx: Context,
  { id, source, acknowledge }: Asked,
  { erasureId, standing }: Found,
): Promise<void> {
  const later = standing === 'accepted';
  const row = {
    erasureId,
    source,
    ackUrl: later ? acknowledge.url : null,
    sealed: later ? seal(ctx.settings.secrets, id, acknowledge.token) : null,
    attempts: 0,
    nextAt: later ? sql`now()` : null,
    acknowledgedAt: later ? null : sql`now()`,
    lastWords: null,
  };
  await ctx.db
    .insert(partnerRequest)
    .values({ id, ...row })
    .onConflictDoUpdate({ target: partnerRequest.id, set: row });
}
