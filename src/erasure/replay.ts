import { and, eq, inArray, type SQL, sql } from 'drizzle-orm';
import { task } from '../db/schema.ts';
import { transaction } from '../db/transaction.ts';
import { type Context, OWN_TABLES } from './context.ts';
import { type Dispatch, dispatchWindow } from './dispatch.ts';
import { transition } from './states.ts';

/**
 * Runs a stalled erasure's unfinished work again, with fresh counters; what is finished stays so.
 * Returns what to enqueue, or null when the erasure is not stalled any more.
 */
export async function replayErasure(ctx: Context, id: string, by: string, where?: SQL): Promise<Dispatch | null> {
  const running = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const row = await transition(
      tx,
      id,
      'stalled',
      'running',
      { passes: 0, finishAttempts: 0, failures: 0, retryAt: null, dispatchedAt: sql`now()` },
      { where, data: { replay: by } },
    );
    if (!row) return null;
    const failed = await tx
      .update(task)
      .set({ state: 'pending', lastError: null })
      .where(and(eq(task.erasureId, id), eq(task.state, 'failed')))
      .returning({ id: task.id });
    if (failed.length > 0) {
      await tx.execute(sql`UPDATE lethe.chunk SET dispatches = 0
        WHERE finished_at IS NULL AND ${inArray(
          sql`task_id`,
          failed.map((t) => t.id),
        )}`);
    }
    return row;
  });
  return running ? dispatchWindow(ctx, running) : null;
}
