import { and, eq, isNull, lte, type SQL, sql } from 'drizzle-orm';
import { OWN_TABLES } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow, nextStep } from '../model/dispatch.ts';
import { holdForApplication } from '../model/hold.ts';
import { closeIfNewerAccount } from '../model/newer-account.ts';
import { type Erasure, findErasure, transition } from '../model/states.ts';
import { earlyNames } from '../steps/ask-early.ts';
import { finishErasure } from '../steps/finish.ts';
import { limitsOfSmall } from './is-small.ts';

/** Nothing starts while it is held. */
export const notHeld: SQL = isNull(erasure.heldAt);
/** Holds for erasures whose time has come. */
export const isDue: SQL = and(lte(erasure.startsAt, sql`now()`), notHeld) as SQL;

/**
 * Starts a scheduled erasure: `running`, and its first step to enqueue. Null when it is not scheduled any more, or
 * `where` is not true. Also null when the application holds the account (then it is on hold), or somebody new has the
 * account's key (then it is closed).
 */
export async function startErasure(ctx: Context, id: string, where?: SQL, by?: string): Promise<Dispatch | null> {
  const seen = await findErasure(ctx.db, id);
  if (seen?.state !== 'scheduled') return null;
  const own = seen.heldAt ? null : await withCatalogOrCurrent(ctx, seen);
  if ((own && (await closeIfNewerAccount(own, seen))) || (await holdForApplication(ctx, seen))) return null;
  const first = nextStep(seen);
  const started = await transaction(ctx.db, OWN_TABLES, (tx) =>
    transition(
      tx,
      id,
      'scheduled',
      'running',
      { startedAt: sql`now()`, dispatchedAt: sql`now()`, step: first.step, jobId: first.jobId, passes: 0, failures: 0 },
      { where: and(where, eq(erasure.step, seen.step)), data: by ? { by } : {} },
    ),
  );
  return started && first;
}

/**
 * Erases a small account that was accepted and not erased in the same transaction. When that fails or takes too
 * long, the erasure is left running and its first step is returned, for the workers to go on with.
 */
export async function eraseNow(ctx: Context, running: Erasure): Promise<Dispatch | null> {
  // Partners come first: the workers ask them.
  if (earlyNames(ctx).size > 0) return dispatchWindow(ctx, running);
  try {
    const outcome = await finishErasure(ctx, running, { ...limitsOfSmall(ctx), untouched: true });
    if (outcome === 'completed' || outcome === 'superseded') return null;
    if (outcome === 'awaiting') return dispatchWindow(ctx, running);
    ctx.log.info({ erasureId: running.id, outcome }, 'not erased inside the request; the workers go on');
  } catch (error) {
    ctx.log.warn({ erasureId: running.id, err: error }, 'not erased inside the request; the workers go on');
  }
  return dispatchWindow(ctx, running);
}
