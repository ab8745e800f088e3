import { and, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { decodeKey } from '../../keys/encode.ts';
import { isOnHold } from '../../locations/account/row.ts';
import type { Executor } from '../../store/client.ts';
import { OWN_TABLES, PROBING } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from './catalog-of.ts';
import type { Context } from './context.ts';
import { type Dispatch, dispatchWindow } from './dispatch.ts';
import { eachErasure } from './each-erasure.ts';
import { hasNewerAccount } from './newer-account.ts';
import { BY_APPLICATION, type Erasure, findErasure, hasSteps, isFinal, LIVE } from './states.ts';

export const HOLD_REASON = 'the application holds the account';

/**
 * Puts a live erasure on hold: nothing more is dispatched, and a running chunk stops at its next slice. Asking again
 * replaces who and why. `by` is `key:<name>`, `user:<name>`, `cli` or `account.hold`. Throws `not_found`, and
 * `not_live` for one that is final.
 */
export async function holdErasure(ctx: Context, id: string, by: string, reason: string): Promise<Erasure> {
  return transaction(ctx.db, OWN_TABLES, async (tx) => {
    const [held] = await tx
      .update(erasure)
      .set({ heldAt: sql`coalesce(held_at, now())`, heldBy: by, holdReason: reason })
      .where(and(eq(erasure.id, id), inArray(erasure.state, [...LIVE])))
      .returning();
    if (!held) throw await refusal(tx, id);
    // The row's own goes with the release. It may name somebody: the scrub takes it out of the event.
    await appendEvent(tx, id, 'erasure.held', { by, reason });
    return held;
  });
}

/**
 * Lifts a hold. A running erasure goes on where it was: its next step is returned for the queues.
 * Throws `on_hold` while the application's column still says so, `not_found`, and `not_live`.
 */
export async function releaseErasure(
  ctx: Context,
  id: string,
  by: string,
): Promise<{ erasure: Erasure; dispatch: Dispatch | null }> {
  const seen = await findErasure(ctx.db, id);
  if (!seen || isFinal(seen.state)) throw await refusal(ctx.db, id);
  if (await isHeldByApplication(ctx, seen))
    throw new LetheError('on_hold', 'the application holds the account (the column account.hold of the catalog)');
  // One that a person has placed since is not the sweep's to lift.
  const placed = by === BY_APPLICATION ? eq(erasure.heldBy, BY_APPLICATION) : undefined;
  const released = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const [row] = await tx
      .update(erasure)
      .set({ heldAt: null, heldBy: null, holdReason: null })
      .where(and(eq(erasure.id, id), isNotNull(erasure.heldAt), placed))
      .returning();
    if (row) await appendEvent(tx, id, 'erasure.released', { by });
    return row;
  });
  if (!released || released.state === 'scheduled' || !hasSteps(released))
    return { erasure: released ?? seen, dispatch: null };
  return { erasure: released, dispatch: await dispatchWindow(ctx, released) };
}

/** True when the application's own column says that the account must be kept. */
export async function isHeldByApplication(ctx: Context, of: Erasure): Promise<boolean> {
  // A catalog that does not fit any more is the next step's to report.
  const catalog = (await withCatalogOrCurrent(ctx, of))?.catalog;
  if (!catalog?.account.hold || of.accountKey === null) return false;
  const account = decodeKey(catalog.account.key, of.accountKey);
  return transaction(
    ctx.db,
    PROBING,
    // The hold of somebody new who has the key now is not this erasure's.
    async (tx) => (await isOnHold(tx, catalog.account, account)) && !(await hasNewerAccount(tx, catalog.account, of)),
  );
}

/** Holds the erasure if the application's column says so. True: it must not go on. An operator's hold stays theirs. */
export async function holdForApplication(ctx: Context, of: Erasure): Promise<boolean> {
  if (!(await isHeldByApplication(ctx, of))) return false;
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const held = await tx
      .update(erasure)
      .set({ heldAt: sql`now()`, heldBy: BY_APPLICATION, holdReason: HOLD_REASON })
      .where(and(eq(erasure.id, of.id), inArray(erasure.state, [...LIVE]), isNull(erasure.heldAt)))
      .returning({ id: erasure.id });
    if (held.length === 0) return;
    await appendEvent(tx, of.id, 'erasure.held', { by: BY_APPLICATION });
    ctx.log.info({ erasureId: of.id }, 'on hold: the application holds the account');
  });
  return true;
}

/** Releases what the application holds no longer. Returns the steps to put into the queues. */
export async function releaseLifted(ctx: Context): Promise<Dispatch[]> {
  const lifted: Dispatch[] = [];
  const isHeld = and(eq(erasure.heldBy, BY_APPLICATION), isNotNull(erasure.heldAt)) as SQL;
  await eachErasure(ctx, { where: isHeld, what: 'release', skip: (held) => isFinal(held.state) }, async (held) => {
    if (await isHeldByApplication(ctx, held)) return;
    const { dispatch } = await releaseErasure(ctx, held.id, BY_APPLICATION);
    if (dispatch) lifted.push(dispatch);
  });
  return lifted;
}

async function refusal(db: Executor, id: string): Promise<LetheError> {
  const found = await findErasure(db, id);
  if (!found) return new LetheError('not_found', 'there is no such erasure');
  return new LetheError('not_live', `the erasure is ${found.state}`);
}
