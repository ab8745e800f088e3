import { and, eq, isNotNull, sql } from 'drizzle-orm';
import type { Acknowledgement } from '../../partners/message.ts';
import { retryAfterMs } from '../../partners/retry.ts';
import { unseal } from '../../partners/seal.ts';
import type { Tell } from '../../partners/tell.ts';
import { erasure, partnerRequest } from '../../store/schema.ts';
import type { DueRows } from '../../store/take-due.ts';
import type { Context } from '../model/context.ts';

/** Only what an erasure that is over has come to can be acknowledged. */
const OVER = sql`EXISTS (SELECT FROM lethe.erasure e
  WHERE e.id = lethe.partner_request.erasure_id AND e.state IN ('completed', 'cancelled'))`;

/** Messages whose erasure is over, and that are still to be acknowledged. */
export const DUE_ACKNOWLEDGEMENTS: DueRows = {
  table: partnerRequest,
  at: partnerRequest.nextAt,
  where: sql`next_at IS NOT NULL AND ${OVER}`,
};

/** Messages about this erasure that are to be acknowledged now. */
export async function findOpenAcknowledgements(ctx: Context, erasureId: string): Promise<string[]> {
  const rows = await ctx.db
    .select({ id: partnerRequest.id })
    .from(partnerRequest)
    .where(and(eq(partnerRequest.erasureId, erasureId), isNotNull(partnerRequest.nextAt)));
  return rows.map(({ id }) => id);
}

/** How one try ended; the words are those of the metric. `unknown`: who asked does not know the task any more. */
export type Acknowledged = 'acknowledged' | 'deferred' | 'unknown' | 'skipped';

const UNDONE = 'its erasure was undone, or closed, where it was asked for';

/**
 * Tells the sender of a message what has come of it, with the token of that message. Safe to repeat. What it does not
 * take is tried again by the schedule of retries. The token is destroyed with the last try.
 */
export async function acknowledgeMessage(ctx: Context, tell: Tell, id: string): Promise<Acknowledged> {
  const [of] = await ctx.db
    .select({ request: partnerRequest, state: erasure.state })
    .from(partnerRequest)
    .innerJoin(erasure, eq(erasure.id, partnerRequest.erasureId))
    .where(and(eq(partnerRequest.id, id), isNotNull(partnerRequest.nextAt), OVER));
  if (!of?.request.ackUrl || !of.request.sealed) return 'skipped';
  const { attempts, ackUrl, sealed } = of.request;
  // Written before the try: should this process die during it, the next one is not at once.
  const taken = await ctx.db
    .update(partnerRequest)
    .set({ attempts: attempts + 1, nextAt: sql`now() + ${retryAfterMs(attempts + 1)} * interval '1 millisecond'` })
    .where(and(eq(partnerRequest.id, id), eq(partnerRequest.attempts, attempts), isNotNull(partnerRequest.nextAt)))
    .returning({ id: partnerRequest.id });
  if (taken.length === 0) return 'skipped';
  const said: Acknowledgement =
    of.state === 'completed' ? { task: id, status: 'erased' } : { task: id, status: 'failed', reason: UNDONE };
  const told = await tell(ackUrl, unseal(ctx.settings.secrets, id, sealed) as string, said);
  const change =
    told.kind === 'later'
      ? { lastWords: told.words }
      : {
          lastWords: told.words,
          nextAt: null,
          sealed: null,
          ackUrl: null,
          ...(told.kind === 'taken' ? { acknowledgedAt: sql`now()` } : {}),
        };
  // A message that has come again meanwhile has another token, and waits for another erasure perhaps.
  await ctx.db
    .update(partnerRequest)
    .set(change)
    .where(and(eq(partnerRequest.id, id), eq(partnerRequest.attempts, attempts + 1)));
  return told.kind === 'taken' ? 'acknowledged' : told.kind === 'later' ? 'deferred' : 'unknown';
}
