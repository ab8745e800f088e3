import { and, eq, isNull } from 'drizzle-orm';
import { decodeKey } from '../../keys/encode.ts';
import { findAccount } from '../../locations/account/row.ts';
import { eraseRest, type FinishLimits } from '../../locations/table/erase-rest.ts';
import { countEachUpTo } from '../../locations/table/probe.ts';
import type { Transaction } from '../../store/client.ts';
import { erasure } from '../../store/schema.ts';
import { afterCommit, pipeline, readBy, setLimits, transaction } from '../../store/transaction.ts';
import { type Context, GIVE_WAY_MS } from '../model/context.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import type { Erasure } from '../model/states.ts';
import { complete } from './complete.ts';
import { type FinishOutcome, outcomeOf, Rollback } from './finish-outcome.ts';

/**
 * The last transaction: holds the account row, so that no foreign key lets a new row in, deletes the
 * few rows that are left, proves every location empty and deletes the account. Rows that are locked
 * are not waited for while the account is held (`untouched`: for GIVE_WAY_MS at most): that is what makes an
 * application the victim of a deadlock. Throws `still_referenced` or `foreign_reference` when a row that is not this account's is in the way.
 */
export async function finishErasure(ctx: Context, running: Erasure, limits: FinishLimits): Promise<FinishOutcome> {
  const account = decodeKey(ctx.catalog.account.key, running.accountKey as string);
  const wait = ctx.settings.lockBudgetMs / 2;
  const work = () =>
    transaction(
      ctx.db,
      { statementMs: wait, lockMs: wait },
      async (tx) => {
        if (limits.untouched) {
          const counts = await countEachUpTo(tx, ctx.catalog.locations, account, limits.rows);
          if (counts.some((rows) => rows >= limits.rows)) throw new Rollback('more');
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
        const gone = await eraseRest(tx, ctx, account, limits);
        // There was none to lock: one that has come since is somebody new.
        if (!row && gone.get(table.table)) throw new Rollback('superseded');
        await complete(tx, ctx, running, gone);
        afterCommit(tx, () => ctx.onDeleted?.(gone));
      },
      // Otherwise the texts depend on which children of a row are there, and are too many to keep.
      { prepared: limits.untouched === true },
    );
  return outcomeOf(ctx, work);
}

/** Holds the erasure's row if it is still at this step and not held: whoever has the row decides. */
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
