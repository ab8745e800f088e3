import { and, asc, eq, gt, isNull, lte, sql } from 'drizzle-orm';
import { duty, erasure } from '../../store/schema.ts';
import { BY_SWEEP, replayErasure } from '../accept/replay.ts';
import { isDue, startErasure } from '../accept/start.ts';
import type { Context } from '../model/context.ts';
import type { Dispatch } from '../model/dispatch.ts';
import { releaseLifted } from '../model/hold.ts';
import { NIL, orLogged } from '../model/or-logged.ts';
import { probeLate } from './probe-late.ts';
import { scrubExpired } from './scrub.ts';

const PAGE = 500;
/** Erasures that one sweep starts at the same time. */
const AT_ONCE = 4;

/**
 * Starts what is due, in any number of processes at once: each start is a conditional update. Asks
 * the database what is due, never the clock what happened this hour, so that a missed tick costs only time.
 */
export async function startDue(
  ctx: Context,
  enqueue: (dispatch: Dispatch) => Promise<void>,
  overdueMs = 0,
): Promise<number> {
  const due = and(
    eq(erasure.state, 'scheduled'),
    isDue,
    lte(erasure.startsAt, sql`now() - ${overdueMs} * interval '1 millisecond'`),
  );
  let started = 0;
  for (let after = NIL; ; ) {
    const page = await ctx.db
      .select({ id: erasure.id })
      .from(erasure)
      .where(and(due, gt(erasure.id, after)))
      .orderBy(asc(erasure.id))
      .limit(PAGE);
    const start = async (id: string) => {
      const dispatch = await orLogged(ctx, id, 'start', () => startErasure(ctx, id, isDue));
      if (!dispatch) return;
      started += 1;
      await enqueue(dispatch);
    };
    // In a line, each waiting for its commits, they would start no faster than small ones are erased.
    for (let i = 0; i < page.length; i += AT_ONCE)
      await Promise.all(page.slice(i, i + AT_ONCE).map(({ id }) => start(id)));
    if (page.length < PAGE) return started;
    after = page.at(-1)?.id as string;
  }
}

/** The hourly sweep: release what the application holds no longer, start what is due, retry what has stalled, probe and scrub what is finished. */
export async function sweep(
  ctx: Context,
  enqueue: (dispatch: Dispatch) => Promise<void>,
): Promise<Record<string, number>> {
  // First: what is released now may be due now.
  const released = await releaseLifted(ctx);
  for (const dispatch of released) await enqueue(dispatch);
  const started = await startDue(ctx, enqueue);
  const stalled = await ctx.db
    .select({ id: erasure.id })
    .from(erasure)
    .where(and(eq(erasure.state, 'stalled'), lte(erasure.retryAt, sql`now()`), isNull(erasure.heldAt)))
    .orderBy(asc(erasure.retryAt))
    .limit(PAGE);
  let retried = 0;
  for (const { id } of stalled) {
    const dispatch = await orLogged(ctx, id, 'retry', () =>
      replayErasure(ctx, id, BY_SWEEP, lte(erasure.retryAt, sql`now()`)),
    );
    if (!dispatch) continue;
    retried += 1;
    await enqueue(dispatch);
  }
  const reopened = await probeLate(ctx);
  for (const dispatch of reopened) await enqueue(dispatch);
  const scrubbed = await scrubExpired(ctx);
  await ctx.db
    .insert(duty)
    .values({ name: 'sweep', doneAt: sql`now()` })
    .onConflictDoUpdate({ target: duty.name, set: { doneAt: sql`now()` } });
  return { released: released.length, started, retried, reopened: reopened.length, ...scrubbed };
}
