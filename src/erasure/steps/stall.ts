import { and, eq, sql } from 'drizzle-orm';
import type { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Erasure, type State, transition } from '../model/states.ts';

/**
 * Stops an erasure that runs, or asks, for an operator. It sets the state `stalled`, a slow retry at the sweep, and the
 * error on the task it belongs to. That is the account's when no other is at fault. False when somebody else was
 * faster.
 */
export async function stall(ctx: Context, running: Erasure, error: LetheError): Promise<boolean> {
  return transaction(ctx.db, OWN_TABLES, async (tx) => {
    const stalled = await transition(
      tx,
      running.id,
      running.state as State,
      'stalled',
      { retryAt: sql`now() + ${ctx.settings.stalledRetryMs} * interval '1 millisecond'` },
      { where: eq(erasure.step, running.step), data: { code: error.code } },
    );
    if (!stalled) return false;
    const { taskId, ...evidence } = error.extra;
    const tasks = await tx.select().from(task).where(eq(task.erasureId, running.id));
    if (tasks.some((t) => t.state === 'failed')) return true;
    const isNamed = (t: (typeof tasks)[number]) => t.id === taskId || t.location === error.extra.location;
    const culprit = tasks.find(isNamed) ?? tasks.find((t) => t.kind === 'account');
    if (!culprit) return true;
    await tx
      .update(task)
      .set({ state: 'failed', lastError: error.message, attempts: sql`attempts + 1` })
      .where(and(eq(task.id, culprit.id)));
    await appendEvent(tx, running.id, 'task.failed', { ...evidence, location: culprit.location, code: error.code });
    return true;
  });
}
