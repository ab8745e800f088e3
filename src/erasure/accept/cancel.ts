import { sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { decodeKey } from '../../keys/encode.ts';
import { findAccount, flagAccount } from '../../locations/account/row.ts';
import { forgetAddress } from '../../mail/forget-address.ts';
import { task } from '../../store/schema.ts';
import { isContended } from '../../store/sql-errors.ts';
import { transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import { type Erasure, transition } from '../model/states.ts';

/** No task has begun: its rows are all there, but for those that the request itself deletes. What deletes sets it in the same commit, or before. */
const nothingBegun = (id: string) =>
  sql`NOT EXISTS (SELECT FROM ${task} WHERE ${task.erasureId} = ${id} AND ${task.startedAt} IS NOT NULL)`;

/**
 * Undoes an erasure that is scheduled, or stalled before anything was deleted: cancelled, the account's flag lifted, mails
 * not yet sent skipped, in one transaction. Throws `already_started` once the sweep was faster.
 */
export async function cancelErasure(ctx: Context, seen: Erasure, by?: string): Promise<Erasure> {
  if (seen.state === 'cancelled') return seen;
  // An undo must not fail because the catalog has changed too much to erase with.
  const table = (await withCatalogOrCurrent(ctx, seen))?.catalog.account;
  const { lockBudgetMs } = ctx.settings;
  try {
    return await transaction(
      ctx.db,
      { statementMs: lockBudgetMs, lockMs: lockBudgetMs / 2, totalMs: lockBudgetMs },
      async (tx) => {
        const account = table && decodeKey(table.key, seen.accountKey as string);
        if (table && account) await findAccount(tx, table, account, 'FOR NO KEY UPDATE');
        const newer = table !== undefined && (await hasNewerAccount(tx, table, seen));
        const change = { cancelledAt: sql`now()`, signOutAt: null, retryAt: null };
        const data = by ? { by } : {};
        const cancelled =
          (await transition(tx, seen.id, 'scheduled', 'cancelled', change, { data })) ??
          (await transition(tx, seen.id, 'stalled', 'cancelled', change, { data, where: nothingBegun(seen.id) }));
        if (!cancelled)
          throw new LetheError(
            'already_started',
            `the erasure is ${seen.state === 'scheduled' ? 'no longer scheduled' : seen.state}`,
          );
        if (table && account && !newer) await flagAccount(tx, table, account, false);
        await forgetAddress(tx, seen.id);
        return { ...cancelled, email: null };
      },
    );
  } catch (error) {
    if (isContended(error)) throw new LetheError('account_busy', 'the application has locked the account; try again');
    throw error;
  }
}
