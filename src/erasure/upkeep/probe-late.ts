import { and, eq, isNotNull, lte, type SQL, sql } from 'drizzle-orm';
import { decodeKey } from '../../keys/encode.ts';
import { findAccount } from '../../locations/account/row.ts';
import { outlives, proveAll } from '../../locations/kinds/ask.ts';
import { OWN_TABLES, PROBING } from '../../store/limits.ts';
import { erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import { eachErasure } from '../model/each-erasure.ts';
import { ensureTasks } from '../model/ensure-tasks.ts';
import { type Erasure, transition } from '../model/states.ts';

/**
 * Looks once more, an hour and a day after completion, into locations that no foreign key protects. A
 * slow request of the application may have written there after the account was gone. Erasures that
 * have rows again are reopened. An account that exists again is somebody new, whose rows are not touched.
 * Returns the steps to put into the queues.
 */
export async function probeLate(ctx: Context): Promise<Dispatch[]> {
  const reopened: Dispatch[] = [];
  const isProbed = and(
    eq(erasure.state, 'completed'),
    isNotNull(erasure.accountKey),
    lte(erasure.probeAt, sql`now()`),
  ) as SQL;
  await eachErasure(ctx, { where: isProbed, what: 'probe' }, async (done) => {
    const dispatch = await probe(ctx, done);
    if (dispatch) reopened.push(dispatch);
  });
  return reopened;
}

async function probe(current: Context, done: Erasure): Promise<Dispatch | null> {
  const ctx = await withCatalogOrCurrent(current, done);
  if (!ctx) return neverMind(current, done);
  const account = decodeKey(ctx.catalog.account.key, done.accountKey as string);
  const next = sql`CASE WHEN now() < completed_at + interval '1 day' THEN completed_at + interval '1 day' END`;
  const unguarded = ctx.catalog.locations.filter((l) => !l.guarded && !outlives(ctx.kinds, l));
  const { newer, left } = await transaction(ctx.db, PROBING, async (tx) => {
    const exists = (await findAccount(tx, ctx.catalog.account, account)) !== null;
    return { newer: exists, left: exists ? [] : await proveAll(ctx.kinds, tx, unguarded, account) };
  });
  if (left.length === 0) {
    await ctx.db
      .update(erasure)
      .set({ probeAt: newer ? null : (next as never) })
      .where(eq(erasure.id, done.id));
    return null;
  }
  ctx.log.warn({ erasureId: done.id, locations: left }, 'rows appeared after the erasure was completed; erasing them');
  const running = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const row = await transition(
      tx,
      done.id,
      'completed',
      'running',
      { pass: done.pass + 1, passes: 0, finishAttempts: 0, probeAt: next, dispatchedAt: sql`now()` },
      { data: { lateRowsIn: left } },
    );
    if (!row) return null;
    await ensureTasks(tx, ctx.catalog, row);
    await tx
      .update(task)
      .set({ state: 'pending', pass: row.pass, finishedAt: null })
      .where(and(eq(task.erasureId, done.id), sql`location = ANY(${sql.param(left)}::text[])`));
    return row;
  });
  return running ? dispatchWindow(ctx, running) : null;
}

/** The catalog is about other accounts now: a location of those must not be asked for this key. */
async function neverMind(ctx: Context, done: Erasure): Promise<null> {
  await ctx.db.update(erasure).set({ probeAt: null }).where(eq(erasure.id, done.id));
  ctx.log.error(
    { erasureId: done.id },
    'late rows cannot be looked for: the catalog of the request does not fit any more, and the current one is about other accounts',
  );
  return null;
}
