import { and, eq, sql } from 'drizzle-orm';
import type { KeyValue } from '../catalog/types.ts';
import { chunk, task } from '../db/schema.ts';
import { transaction } from '../db/transaction.ts';
import { planRanges } from '../erasers/ranges.ts';
import { LetheError } from '../errors.ts';
import { type Context, PROBING } from './context.ts';

export type Task = typeof task.$inferSelect;

/**
 * Plans one pending task's pass: its chunks are written inside the database, once, guarded by the
 * task row. A task that another process has planned meanwhile is left alone.
 */
export async function planTask(ctx: Context, pending: Task, account: KeyValue): Promise<void> {
  const location = ctx.catalog.locations.find((l) => l.name === pending.location);
  if (!location) throw new LetheError('location_missing', `${pending.location} is not in the catalog any more`);
  await transaction(ctx.db, PROBING, async (tx) => {
    const [claimed] = await tx
      .update(task)
      .set({ state: 'running', startedAt: sql`coalesce(started_at, now())` })
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
    const ranges = await planRanges(tx, location, account, pending.id, pending.pass, ctx.settings.chunkRows);
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
