import { and, isNull, lte, type SQL, sql } from 'drizzle-orm';
import { erasure } from '../db/schema.ts';
import { transaction } from '../db/transaction.ts';
import { type Context, OWN_TABLES } from './context.ts';
import { type Dispatch, dispatchWindow } from './dispatch.ts';
import { finishErasure } from './finish.ts';
import { holdForApplication } from './hold.ts';
import { type Erasure, findErasure, transition } from './states.ts';
import { MOST_IN_A_REQUEST } from './throughput.ts';

/** Nothing starts while it is held. */
export const notHeld: SQL = isNull(erasure.heldAt);
/** Holds for erasures whose time has come. */
export const isDue: SQL = and(lte(erasure.startsAt, sql`now()`), notHeld) as SQL;

/**
 * Starts a scheduled erasure: `running`, and its first step to enqueue. Null when it is not scheduled
 * any more, `where` does not hold, or the application holds the account (then it is on hold).
 */
export async function startErasure(ctx: Context, id: string, where?: SQL, by?: string): Promise<Dispatch | null> {
  const seen = await findErasure(ctx.db, id);
  if (seen?.state !== 'scheduled' || (await holdForApplication(ctx, seen))) return null;
  const started = await transaction(ctx.db, OWN_TABLES, (tx) =>
    transition(
      tx,
      id,
      'scheduled',
      'running',
      { startedAt: sql`now()`, dispatchedAt: sql`now()` },
      { where, data: by ? { by } : {} },
    ),
  );
  return started ? dispatchWindow(ctx, started) : null;
}

/**
 * Erases a small account inside the request that asked for it. When that fails or takes too long, the
 * erasure is left running and its first step is returned, for the workers to go on with.
 */
export async function eraseNow(ctx: Context, running: Erasure): Promise<Dispatch | null> {
  try {
    const { threshold } = ctx.catalog.account;
    const rows = typeof threshold === 'number' ? threshold : MOST_IN_A_REQUEST;
    const limits = { rows, ms: ctx.settings.immediateMs };
    const outcome = await finishErasure(ctx, running, limits);
    if (outcome === 'completed' || outcome === 'superseded') return null;
    ctx.log.info({ erasureId: running.id, outcome }, 'not erased inside the request; the workers go on');
  } catch (error) {
    ctx.log.warn({ erasureId: running.id, err: error }, 'not erased inside the request; the workers go on');
  }
  return dispatchWindow(ctx, running);
}
