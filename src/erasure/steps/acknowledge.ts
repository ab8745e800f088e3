import { and, eq, sql } from 'drizzle-orm';
import { appendEvent } from '../../events/append.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';

/**
 * Settles a task that waits for an answer: it is done. Answers that come twice, or for a task that does not wait, change
 * nothing. Returns the step to put into the queues when it was the last one outstanding, else null.
 */
export async function acknowledgeTask(ctx: Context, erasureId: string, location: string): Promise<Dispatch | null> {
  const next = await transaction(ctx.db, OWN_TABLES, async (tx): Promise<Erasure | null> => {
    // Locks are taken in one order: erasure, then task. A step that ends meanwhile waits, and sees this answer.
    const [of] = await tx.select().from(erasure).where(eq(erasure.id, erasureId)).for('no key update');
    const settled = await tx
      .update(task)
      .set({ state: 'done', lastError: null, finishedAt: sql`now()` })
      .where(and(eq(task.erasureId, erasureId), eq(task.location, location), eq(task.state, 'awaiting')))
      .returning({ id: task.id });
    if (!of || settled.length === 0) return null;
    await appendEvent(tx, erasureId, 'task.acknowledged', { location });
    if (of.state !== 'awaiting') return null;
    const open = await tx
      .select({ id: task.id })
      .from(task)
      .where(and(eq(task.erasureId, erasureId), eq(task.state, 'awaiting')))
      .limit(1);
    if (open.length > 0) return null;
    // Should this process die before the step is out, reconcile finds it.
    await tx.update(erasure).set({ dispatchedAt: sql`now()` }).where(eq(erasure.id, erasureId));
    return of;
  });
  return next && dispatchWindow(ctx, next);
}
