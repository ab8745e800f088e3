import { and, eq, inArray, ne, notInArray, type SQL, sql } from 'drizzle-orm';
import type { Catalog } from '../../catalog/live/types.ts';
import { appendEvent } from '../../events/append.ts';
import type { Transaction } from '../../store/client.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { keepCatalog, withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { ensureTasks } from '../model/ensure-tasks.ts';
import { type Erasure, findErasure, transition } from '../model/states.ts';

/** Who replays on the clock. Only a person may decide that the catalog of now is the right one. */
export const BY_SWEEP = 'sweep';

/**
 * Runs a stalled erasure's unfinished work again, with fresh counters; what is finished stays so. When the catalog that
 * it was accepted with does not fit the database any more, an operator's replay takes the current one. What that does
 * not list is dropped, with an event. Returns what to enqueue, or null when the erasure is not stalled any more.
 */
export async function replayErasure(ctx: Context, id: string, by: string, where?: SQL): Promise<Dispatch | null> {
  const taken = by === BY_SWEEP ? null : await catalogNow(ctx, id);
  const running = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const row = await transition(
      tx,
      id,
      'stalled',
      'running',
      {
        passes: 0,
        finishAttempts: 0,
        failures: 0,
        retryAt: null,
        dispatchedAt: sql`now()`,
        ...(taken ? { catalogDigest: taken.digest } : {}),
      },
      { where, data: { by } },
    );
    if (!row) return null;
    if (taken) await dropUnlisted(tx, taken, row);
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

/** The catalog that a person's replay goes by; null where the current one cannot take the place of the erasure's own. */
async function catalogNow(ctx: Context, id: string): Promise<Catalog | null> {
  const found = await findErasure(ctx.db, id);
  if (!found) return null;
  // Resolved anew: the table may have gone since this process looked.
  ctx.pastCatalogs.delete(found.catalogDigest);
  const now = await withCatalogOrCurrent(ctx, found);
  if (!now) return null;
  await keepCatalog(ctx.db, now.declared);
  return now.catalog;
}

/** Gives up the locations that the catalog does not list, each with an event: nobody could say how to erase them. */
async function dropUnlisted(tx: Transaction, catalog: Catalog, running: Erasure): Promise<void> {
  await ensureTasks(tx, catalog, running);
  const dropped = await tx
    .update(task)
    .set({ state: 'done', lastError: null, finishedAt: sql`now()` })
    .where(
      and(
        eq(task.erasureId, running.id),
        ne(task.kind, 'account'),
        ne(task.state, 'done'),
        notInArray(
          task.location,
          catalog.locations.map((l) => l.name),
        ),
      ),
    )
    .returning({ location: task.location });
  for (const { location } of dropped) await appendEvent(tx, running.id, 'task.dropped', { location });
}
