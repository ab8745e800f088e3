import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Location } from '../../catalog/live/types.ts';
import { LetheError } from '../../errors.ts';
import type { KeyValue } from '../../keys/types.ts';
import { countAll } from '../../locations/table/probe.ts';
import { planRanges } from '../../locations/table/ranges.ts';
import type { Transaction } from '../../store/client.ts';
import { chunk, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { type Context, PROBING } from '../model/context.ts';

export type Task = typeof task.$inferSelect;

/**
 * Plans one pending task's pass: its chunks are written inside the database, once, guarded by the
 * task row. A task that another process has planned meanwhile is left alone. Without `begins` it counts as not begun:
 * its rows go with the request.
 */
export async function planTask(ctx: Context, pending: Task, account: KeyValue, { begins = true } = {}): Promise<void> {
  const location = ctx.catalog.locations.find((l) => l.name === pending.location);
  if (!location) throw new LetheError('location_missing', `${pending.location} is not in the catalog any more`);
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
    const rows = await chunkRowsOf(tx, ctx, location, account, pending);
    const ranges = await planRanges(tx, location, account, pending.id, pending.pass, rows);
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

/**
 * Rows of one chunk of a location with `rows` rows above `below` rows. A parent takes as long as the entries of its
 * deleted children that the foreign key walks past, each for half of what deleting a row takes: without them 300 feeds
 * of a million posts would be one chunk.
 */
export const rowsPerChunk = (chunkRows: number, rows: number, below: number): number =>
  Math.max(1, Math.floor(chunkRows / (1 + below / 2 / Math.max(1, rows))));

async function chunkRowsOf(
  tx: Transaction,
  { settings }: Context,
  location: Location,
  account: KeyValue,
  { erasureId }: Task,
): Promise<number> {
  if (location.children.length === 0) return settings.chunkRows;
  const children = location.children.map((reference) => reference.location);
  const [planned] = await tx
    .select({ rows: sql<number>`coalesce(sum(rows_planned), 0)::numeric` })
    .from(task)
    .where(and(eq(task.erasureId, erasureId), inArray(task.location, children)));
  return rowsPerChunk(settings.chunkRows, await countAll(tx, location, account), planned?.rows ?? 0);
}
