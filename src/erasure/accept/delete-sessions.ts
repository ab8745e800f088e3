import { eq } from 'drizzle-orm';
import { appendEvent } from '../../events/append.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Counts } from '../../locations/kind.ts';
import { insideKind } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { pipeline } from '../../store/transaction.ts';
import { recordGathered } from '../calls/gather.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, nextStep } from '../model/dispatch.ts';
import { OUTSIDE, recordOutside } from '../model/ledger.ts';
import type { Erasure } from '../model/states.ts';

/** Deletes at most `most` rows of each location `at: request`. True when more may be there: the workers go on. */
export async function deleteSessions(
  tx: Transaction,
  ctx: Context,
  erasureId: string,
  key: KeyValue,
  most: number,
): Promise<boolean> {
  if (most === 0) return ctx.catalog.locations.some((l) => l.atRequest);
  const record = async (rows: Counts, more: boolean) => {
    const data = { rows: Object.fromEntries(rows), ...(more ? { more } : {}) };
    await pipeline([
      () => recordOutside(tx, erasureId, rows, OUTSIDE),
      () => appendEvent(tx, erasureId, 'location.erased_at_request', data),
    ]);
    await recordGathered(tx, ctx, erasureId);
  };
  const { more, kept } = await insideKind(ctx.kinds).inside.eraseAtRequest(tx, ctx, key, { most, record });
  if (kept.length > 0)
    ctx.log.error({ erasureId, tables: kept }, 'not deleted by the request: the database has drifted from the catalog');
  return more;
}

/**
 * Gives what is left of the rows `at: request` a step of its own before the start. Reconcile finds it should it get lost.
 * Returns the erasure with that step, and what to put into the queues.
 */
export async function leaveRest(tx: Transaction, accepted: Erasure): Promise<{ erasure: Erasure; rest: Dispatch }> {
  const rest = nextStep(accepted);
  const change = { step: rest.step, jobId: rest.jobId, dispatchedAt: accepted.requestedAt };
  await tx.update(erasure).set(change).where(eq(erasure.id, rest.erasureId));
  return { erasure: { ...accepted, ...change }, rest };
}
