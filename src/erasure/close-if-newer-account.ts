import { and, eq, ne, sql } from 'drizzle-orm';
import { task } from '../db/schema.ts';
import { transaction } from '../db/transaction.ts';
import { findAccount } from '../erasers/account.ts';
import { accountTuple, type Context, OWN_TABLES } from './context.ts';
import { type Erasure, transition } from './states.ts';

/**
 * True when a reopened erasure must not go on, because an account with its key exists again: that is
 * somebody new, and which of the late rows are whose cannot be told. It is closed as it was.
 */
export async function closeIfNewerAccount(ctx: Context, running: Erasure): Promise<boolean> {
  if (!running.completedAt) return false;
  return transaction(ctx.db, OWN_TABLES, async (tx) => {
    if (!(await findAccount(tx, ctx.catalog.account, accountTuple(running.accountKey as string)))) return false;
    ctx.log.warn({ erasureId: running.id }, 'an account with this key exists again; its rows are not touched');
    await tx
      .update(task)
      .set({ state: 'done', lastError: null, finishedAt: sql`now()` })
      .where(and(eq(task.erasureId, running.id), ne(task.state, 'done')));
    await transition(
      tx,
      running.id,
      'running',
      'completed',
      { probeAt: null, retryAt: null },
      { data: { newerAccount: true } },
    );
    return true;
  });
}
