import { and, eq, isNull, sql } from 'drizzle-orm';
import { locationOf } from '../../catalog/live/location-of.ts';
import type { KeyValue } from '../../keys/types.ts';
import { carrierOf, kindOf } from '../../locations/kinds/ask.ts';
import type { Transaction } from '../../store/client.ts';
import { PROBING } from '../../store/limits.ts';
import { call, chunk, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';

export type Task = typeof task.$inferSelect;

const AWAITING = { state: 'awaiting' };
const DONE = { state: 'done', finishedAt: sql`now()` as never };

/** True while answers to calls of a task are outstanding. */
async function hasOpenCalls(tx: Transaction, taskId: number): Promise<boolean> {
  const open = await tx
    .select({ id: call.id })
    .from(call)
    .where(and(eq(call.taskId, taskId), isNull(call.settledAt)))
    .limit(1);
  return open.length > 0;
}

/**
 * Plans one pending task's pass: its chunks are written inside the database, once, guarded by the
 * task row. A task that another process has planned meanwhile is left alone. Without `begins` it counts as not begun:
 * its rows go with the request.
 */
export async function planTask(ctx: Context, pending: Task, account: KeyValue, { begins = true } = {}): Promise<void> {
  const location = locationOf(ctx.catalog.locations, pending.location);
  const outside = kindOf(ctx.kinds, location).outside !== null;
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
    // A replayed task goes on with the chunks that it has, or with its calls.
    if (planned) {
      if (outside)
        await tx
          .update(task)
          .set((await hasOpenCalls(tx, pending.id)) ? AWAITING : DONE)
          .where(eq(task.id, pending.id));
      return;
    }
    const of = { erasureId: pending.erasureId, taskId: pending.id, pass: pending.pass };
    const ranges = await carrierOf(ctx.kinds, location).plan(tx, ctx, location, account, of);
    await tx
      .update(task)
      .set({
        rowsPlanned: sql`coalesce(rows_planned, 0) + ${ranges.rows}`,
        // Where there is nothing to ask for, it is done.
        ...(outside ? (ranges.asked ? AWAITING : DONE) : {}),
      })
      .where(eq(task.id, pending.id));
    ctx.log.info(
      { erasureId: pending.erasureId, location: pending.location, pass: pending.pass, ...ranges },
      'task planned',
    );
  });
}
