import { and, eq, isNull } from 'drizzle-orm';
import { decodeKey } from '../../keys/encode.ts';
import { findAccount } from '../../locations/account/row.ts';
import type { FinishLimits } from '../../locations/kind.ts';
import { type FinishOutcome, Rollback } from '../../locations/kind.ts';
import { insideKind } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { GIVE_WAY_MS } from '../../store/limits.ts';
import { erasure } from '../../store/schema.ts';
import { afterCommit, pipeline, readBy, setLimits, transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import type { Erasure } from '../model/states.ts';
import { complete } from './complete.ts';
import { outcomeOf } from './finish-outcome.ts';

/**
 * The last transaction: locks the account's row, so that no foreign key lets a new row in. It deletes the few rows that
 * are left, proves every location empty and deletes the account. It does not wait for locked rows while it has locked
 * the account (`untouched`: for GIVE_WAY_MS at most). Such a wait is what makes an application the victim of a
 * deadlock. Throws `still_referenced` or `foreign_reference` when a row that is not this account's is in the way.
 */
export async function finishErasure(ctx: Context, running: Erasure, limits: FinishLimits): Promise<FinishOutcome> {
  const account = decodeKey(ctx.catalog.account.key, running.accountKey as string);
  const wait = ctx.settings.lockBudgetMs / 2;
  const { inside } = insideKind(ctx.kinds);
  const work = () =>
    transaction(
      ctx.db,
      { statementMs: wait, lockMs: wait },
      async (tx) => {
        if (limits.untouched) {
          const counts = await inside.countUpTo(tx, ctx, account, limits.rows);
          if ([...counts.values()].some((rows) => rows >= limits.rows)) throw new Rollback('more');
        }
        const { account: table } = ctx.catalog;
        const [row, , , claimed, newer] = await pipeline([
          () => findAccount(tx, table, account, 'FOR UPDATE'),
          () => setLimits(tx, { statementMs: limits.ms, lockMs: GIVE_WAY_MS, totalMs: limits.ms }),
          () => readBy(tx, 'index'),
          () => claimStep(tx, running),
          () => hasNewerAccount(tx, table, running),
        ]);
        // The next step closes an erasure whose key somebody new has.
        if (!claimed || newer) throw new Rollback('superseded');
        if (row?.onHold) throw new Rollback('held');
        const gone = await inside.eraseRest(tx, ctx, account, limits);
        // There was none to lock: one that has come since is somebody new.
        if (!row && gone.get(table.table)) throw new Rollback('superseded');
        afterCommit(tx, () => ctx.onDeleted?.(gone));
        return complete(tx, ctx, running, gone);
      },
      // Otherwise the texts depend on which children of a row are there, and are too many to keep.
      { prepared: limits.untouched === true },
    );
  return outcomeOf(ctx, work);
}

/** Locks the erasure's row if it is still at this step and not held: whoever has the row decides. */
export async function claimStep(tx: Transaction, running: Erasure): Promise<boolean> {
  const rows = await tx
    .select({ id: erasure.id })
    .from(erasure)
    .where(
      and(
        eq(erasure.id, running.id),
        eq(erasure.state, 'running'),
        eq(erasure.step, running.step),
        isNull(erasure.heldAt),
      ),
    )
    .for('no key update');
  return rows.length > 0;
}
