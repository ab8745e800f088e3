import { and, eq, sql } from 'drizzle-orm';
import { locationOf } from '../../catalog/live/location-of.ts';
import type { KeyValue } from '../../keys/types.ts';
import { carrierOf } from '../../locations/kinds/ask.ts';
import { PROBING } from '../../store/limits.ts';
import { chunk, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';

export type Task = typeof task.$inferSelect;

/**
 * Plans one pending task's pass: its chunks are written inside the database, once, guarded by the
 * task row. A task that another process has planned meanwhile is left alone. Without `begins` it counts as not begun:
 * its rows go with the request.
 */
export async function planTask(ctx: Context, pending: Task, account: KeyValue, { begins = true } = {}): Promise<void> {
  const location = locationOf(ctx.catalog.locations, pending.location);
  await transaction(ctx.db, PROBING, async (tx) => {
    const [claimed] = await tx
      .update(task)
      .set({ state: 'running', ...(begins ? { startedAt: sql`coalesce(started_at, now())` } : {}) })
      .where(and(eq(task.id, pending.id), eq(task.state, 'pending'), eq(task.pass, pending.pass)))
      .returning({ id: task.id });
    if (!claimed) return;
    const [planned] = await tx
      .select({ id: chunk.id })
      .from(chunk)
      .where(and(eq(chunk.taskId, pending.id), eq(chunk.pass, pending.pass)))
      .limit(1);
    // A replayed task goes on with the chunks that it has.
    if (planned) return;
    const of = { erasureId: pending.erasureId, taskId: pending.id, pass: pending.pass };
    const ranges = await carrierOf(ctx.kinds, location).plan(tx, ctx, location, account, of);
    await tx
      .update(task)
      .set({ rowsPlanned: sql`coalesce(rows_planned, 0) + ${ranges.rows}` })
      .where(eq(task.id, pending.id));
    ctx.log.info(
      { erasureId: pending.erasureId, location: pending.location, pass: pending.pass, ...ranges },
      'task planned',
    );
  });
}
